// Package server answers: which URL does what on the application's listener?
//
// routes.go is the whole surface. Every request goes the same way, and every
// answer that is not the one asked for is a refusal: a status, an exact text
// and a [Reason] that is counted.
//
// The order is a promise of the contract and must not change:
//
//  1. the gate: is this the application's own page, or a listed origin? Before
//     it nothing of the request is parsed, so that status and timing tell a
//     foreign page nothing about who is signed in;
//  2. the node: shutting down, limits of node and address, a feed that has never
//     been ready;
//  3. the session;
//  4. the parameters;
//  5. the membership, of a stream that is registered already: a removal between
//     the check and the first byte finds the stream;
//  6. the limits of user and organization.
//
// The calls beside the stream go the same way, as far as it concerns them: a
// cursor needs no row 6, the owner of an open stream neither 5 nor 6. A page of
// events is counted as a stream is; instead of being registered it is checked
// once more before it is handed out. What publishes shows an API key in row 3's
// place and is refused at the gate if anything says that it comes from a page.
// A body comes last, in bounded size and time, and only for who may send one.
//
// A refusal is never a guess: a user is told "no access" only after the feed
// has passed the database's present position. Where that can't be made sure of,
// the answer is "later" (429, 503), because a client takes a 403 for final.
//
// The room writes no byte of a stream: it sets the headers and hands over to
// [Registration.Serve]. The server's write timeout covers its own answers only.
package server
