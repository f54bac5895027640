// Package ear answers one question: what does a client of some kind hear, exactly?
//
// An [Ear] is one client. It speaks HTTP on a connection of its own, reads the
// stream with a strict parser of its own, comes back after everything as its kind
// does, and keeps a [verify.Record] of all that happened, in order. The record is
// the ear's until Run returns. Besides what [verify.What] says of entries:
//
//   - Asked is added before the request's first byte is written, and after the
//     connection is there. Without a connection it is followed by Refused with
//     Status 0 and why.
//   - Refused: Reason is the body's beginning. With the prefix "cursor: " it was
//     GET /cursor that was refused; there is no Asked before it.
//   - Connected and Closing have their line as Data. Ready has the number of
//     `replayed` as Status.
//   - A Cut follows each answer with status 200 to a stream, Connected or not. Its
//     reason is one of the Cut constants.
//   - Passed has a Reason: "older": the next Asked goes on from a cursor that was
//     seen long before; "fresh": from none; "cursor": its Cursor is what GET
//     /cursor has just answered, and the next Asked goes on from it. The call was
//     made after the Passed "fresh" before it, which has the time before.
//   - Last-Event-ID is that of the last whole block, as EventSource has it: what a
//     cut leaves of a block is nothing, neither id nor event.
//   - What is Broken is not taken besides. The stream goes on.
//
// # A filter that is changed on an open stream
//
// An Asked with Reason "put" and the new Filter is added before the PUT is written;
// the stream goes on. When it was answered, and a cursor was taken after that, an
// Asked with Reason "put done" follows, with the same Filter and that Cursor. So:
//
//   - what is heard before the first was asked for with the filter before;
//   - what lies after the Cursor of the second was asked for with the new one;
//   - what lies between must be heard if both filters let it through, must not if
//     neither does, and may otherwise.
//
// If there is no second one before the Cut, the third line holds up to that. A PUT
// that did not succeed, or a cursor that could not be had, ends the stream: Cut
// with [CutPut].
package ear
