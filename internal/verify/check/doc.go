// Package check answers one question: was this client told what the contract
// promises? It holds a client's Record against the Truth, and is pure.
//
// It goes along the record with one cursor, as the client does. A stream's words
// each claim something, and each claim is checked where it is made:
//
//   - an event at a cursor: it was committed there, this client may hear it, its
//     values are those that were committed, and nothing between the last cursor and
//     this one was left out;
//   - an id without an event (ready, a heartbeat): nothing up to there was left out;
//   - ready: the feed has all that was acknowledged before the request was sent;
//   - a heartbeat with a place on a live stream: it has all that was acknowledged
//     ten seconds ago;
//   - reset, closing, 403: there is a reason.
//
// What is not claimed is not held against the server: a stream that was cut owes
// nothing behind its last id, and the next connection, which resumes there, owes
// all of it.
package check
