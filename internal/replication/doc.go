// Package replication answers one question: how do we read the slot, and when
// may we confirm?
//
// [Connect] opens a replication connection whose session settings are pinned,
// [Conn.CreateSlot] makes the slot with a snapshot that ends where the slot
// begins, and [Conn.Stream] hands what the slot sends to a [Handler], as raw
// pgoutput messages: what they say is another room's question.
//
// What holds:
//
//   - Nothing is confirmed but what the caller's confirm function returns, and
//     nothing that this server did not send first: PostgreSQL takes any number,
//     and a number beyond its end of WAL makes it drop later commits silently.
//   - Nothing is skipped in silence. A slot that is ahead of the caller's own
//     position, or a position beyond the server's WAL, is an error before the
//     first byte ([ErrSlotAhead], [ErrBeyondWAL]).
//   - Status updates have their own goroutine. A handler that blocks (a stalled
//     disk) holds back the frames, by TCP, but neither the status updates nor an
//     answer that the server asked for.
//   - A connection that is silent for Config.ReadTimeout is dead. An idle server
//     is not silent: it is asked for a reply at least three times in that span.
//
// Order: frames and keepalives reach the handler in the order in which they were
// sent, on one goroutine. A keepalive's position tells that everything committed
// below it was handed on before, if the keepalive came outside a transaction.
//
// [Barrier] builds on that: it answers whether the feed has passed the WAL
// position that the database has now. [Backoff] spaces the attempts to connect.
package replication
