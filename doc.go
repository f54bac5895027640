// Package orgcast holds the words that are spoken in every room of the house:
// where a change stands in the write-ahead log ([LSN], [Transaction], [Change]),
// what is sent to browsers ([Event], [Cursor], [Channel], [EventType]), who may
// see it ([OrganizationID], [UserID], [Audience]) and how a failure is told to
// its two readers ([Error]).
//
// It imports the standard library only, and no room of the house.
//
// One word means one thing: a change comes from PostgreSQL, an event goes to
// browsers, an LSN is a place in the WAL, a cursor is a place in the order of
// events.
package orgcast
