// Package hub answers: who is listening to which organization, and what is
// still to be said to each of them?
//
// An organization that somebody listens to has a tail: its newest events, as
// ready-made bytes, at most [Config.TailBytes] of them. A [Stream] owns no queue
// and no goroutine; it is a cursor. What it has not got yet lies between its
// cursor and the watermark, on the tails or, further back, in the log. Replay,
// live and lapped are one and the same: being behind by more or less.
//
// Order law. For one transaction, in this order:
//
//  1. its events are put on the tails,
//  2. the streams whose membership it ends are marked with the place of the end,
//  3. the watermark is raised to its end.
//
// A stream reads the watermark first and its mark second, and goes no further
// than both. So a transaction is seen whole or not at all, and nothing that was
// committed after a removal is sent to who was removed.
//
// What a client may do to its open stream keeps the order: a filter changes where
// the stream stands, and what it ends ends there. A [Page] is filled from a stream
// of its own that says nothing else, so that there is one answer to what may be
// seen.
//
// A live stream that falls off its tail goes on from the log. One that does not
// come back to where the feed is within [Config.CatchUp] is told slow_consumer and
// ended: it comes back when it can, and resumes. One whose socket takes nothing at
// all is its driver's to cut.
//
// A stream is registered first, checked second, and judged once more when it
// starts: a removal before that is seen by it, one after it finds the stream.
//
// Bytes are bounded for each tail and for all of them together. What is dropped
// is in the log already, so that no stream misses it.
package hub
