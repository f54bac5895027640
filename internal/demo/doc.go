// Package demo answers: how does it look in an application?
//
// It is the whole of it on one machine: a throwaway PostgreSQL, orgcast on it,
// and an application in miniature, with a page, that keeps properties of two
// organizations. The application knows orgcast only as one made with Next.js
// would: it writes rows with a role of its own, sets the session cookie of
// Auth.js, and passes /api/realtime/ on.
//
// Invariants:
//   - All of it listens on loopback only, with secrets that were drawn for this
//     run. It refuses to start where a real application seems to run.
//   - The application answers its own host names only (or a page elsewhere could
//     reach it by a name that it points here), and writes only for its own page.
//   - A user reads and writes what a membership row lets him, as of that
//     transaction.
//   - Nothing is left behind.
//
// Order at the end: the application's listeners, orgcast (which tells the
// streams that pass through the application), the application, PostgreSQL, the
// files.
package demo
