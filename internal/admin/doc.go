// Package admin answers: what does the operator see, and what may he end?
//
// His listener has no session and no page: it is for programs on the same
// machine or network. So whatever a browser could be made to send is refused:
// any Origin, and any Host but the configured ones, which a page that rebinds
// its own name to this address can't forge. Off loopback a bearer token is
// needed for every call.
package admin
