// Package pgoutput answers one question: what do these bytes say?
//
// The bytes are the stream of PostgreSQL's pgoutput plugin, protocol version 1,
// text format, with messages on. The package is pure: no I/O, no goroutine, no
// clock. Walking a row costs no allocation.
//
// Order laws, which a [Decoder] checks: rows, truncates and transactional
// messages stand between a Begin and its Commit, a Commit is of the
// transaction that began, and a relation is described before its first row.
// The description stays good until the next one of the same OID, across
// transactions: PostgreSQL sends it again after each alteration, but not for
// each transaction. A non-transactional message may stand anywhere, and has no
// place in the order of commits.
//
// Nothing is guessed. A frame that breaks a law, ends early or goes on too long
// is a [DecodeError], which ends the decoder: with one change lost, the ordinal
// of every change behind it, and so every cursor made of it, would be wrong.
// A count that the frame gives is held against the bytes that are there before
// anything is allocated for it, and nothing outside the frame is read.
package pgoutput
