// Package pgtest answers: how does a test get a PostgreSQL of its own?
//
// One server per test binary, started by the first test that asks; one
// database per test, copied from a template, dropped at the test's end with
// its slots and roles.
//
// Invariants:
//   - A test never skips for want of PostgreSQL: it fails and says what to
//     install. A suite that skips is green for the wrong reason.
//   - Nothing is left: [Main] looks for leaked goroutines after the last test,
//     and for slots and databases that outlived theirs.
//
// Order at a test's end: its connections, slots, database, roles.
package pgtest
