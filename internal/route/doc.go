// Package route answers: whose is this row, what event is it, which columns may
// leave, and who of the organization may see it?
//
// A [Router] is pure. It is given decoded changes in commit order and keeps what
// it needs to answer in memory: an index of parent rows, which begins with the
// slot's snapshot and is kept by the WAL alone. It never asks the database: a
// look-up sees the row of now, a change is of then, and the difference is
// another organization's data.
//
// Whose row it is:
//
//   - Every tenant path of a row that is not null is resolved. If they disagree,
//     or one can't be resolved, the row is withheld and counted with its
//     [Reason]: never guessed.
//   - The old version of a row is resolved as its transaction found the parents,
//     and as they are at its place, where one that the transaction deleted is
//     still known (a cascade deletes the parent first).
//   - The new version is resolved at its place and as the commit leaves the
//     parents: one that moves, or is first seen, later in the same transaction
//     is found beforehand by [Router.Scan]. One that only comes later counts at
//     the place of its child as what the transaction first makes of it.
//   - If the two disagree, that version is withheld; the parent's own move tells
//     both organizations to refetch.
//   - A row that moves from A to B is a delete for A, with its ids only, and a
//     create for B, with new values only.
//
// The rules are data ([Rules], a YAML file). What they do not name is not sent.
package route
