// Package publish answers: what may an application say?
//
// An application says events in two ways, and both go through the WAL: by SQL,
// in a logical message of its own transaction, which any database role can send
// and which is therefore held to an [SQLPolicy]; and over HTTP, with an API key
// ([Store]), whose [Scope] is checked before the events are sealed ([Seal]) and
// sent into the WAL. What is not sealed did not come over HTTP, whatever its
// prefix.
//
// What holds:
//
//   - Nothing of what was sent is passed on as it came. [Read] makes typed
//     values of it, strictly; [AppendPayload] makes text of these, with the
//     encoder that everything on the wire passes.
//   - Every event that Read takes fits a frame: a published event has no row
//     that a client could fetch instead of what was cut off.
//   - What Read took, written again, is read again as the same.
//   - What has its place in the WAL is remembered ([Receipts]) for longer than a copy
//     of it would be good, so that it is told once.
//   - A [Problem] or an error names members that the contract has, and numbers;
//     it never shows a value, a member's name that the sender chose, or a key.
//
// The order is Read, Check, Seal; on the WAL's other side Open, which looks at
// the seal before it looks at anything else.
//
// All but the Store and the secret, small files, is pure: bytes in, bytes out.
package publish
