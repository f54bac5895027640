// Package admin answers: what does the operator see, and what may he end?
//
// He follows an organization's events ([Line]), asks why one of them does or does
// not reach a user ([Explanation]), ends streams and has an organization's events
// deleted. [Client] is the other end of it, for the commands.
//
// A tail reads the log, as a stream that is behind does, and is no stream: it takes
// nothing from their tails and none of their places for longer than a page takes.
//
// His listener has no session and no page: it is for programs on the same
// machine or network. So whatever a browser could be made to send is refused:
// any Origin, and any Host but the configured ones, which a page that rebinds
// its own name to this address can't forge. Off loopback a bearer token is
// needed for every call.
package admin
