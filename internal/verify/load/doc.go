// Package load answers one question: what is written while the verifier listens?
//
// Some writers commit random transactions of all kinds that an application, a
// migration or a mistake could make, on the schema of examples/oikion, until they
// are told to stop. kinds.go is the table of what they do and how often.
//
// What holds:
//   - A writer remembers no rows. Keys are drawn from spaces of fixed size, and a
//     statement finds its parents in the database itself, so that a commit of
//     which nobody heard the outcome, a crash or a deadlock leads to nothing
//     wrong, rows do not grow without bound, and deleted keys come again.
//   - Each writer draws from a generator of its own, seeded from Options.Seed: one
//     writer alone writes the same rows every time.
//   - Users that are not in Options.Churn keep their memberships, except in an
//     organization of Options.Doomed.
//   - What was written is known from the WAL only. [Load.Acked] says besides when
//     the database said that it was committed.
//   - What the database refuses in the course of things (a deadlock, a
//     constraint, a lock that is not had in time, a restart) is counted. Any other
//     refusal is a defect of this package, and ends [Load.Run].
package load
