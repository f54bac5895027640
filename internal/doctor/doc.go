// Package doctor answers: what is wrong with this installation, and what is the
// cure?
//
// It looks at everything that can be seen from outside a running server, with
// the environment that `orgcast serve` would have: the variables, the session's
// secrets, the rules, the database, the slot, the disk, and, if asked, the way
// through the application's proxy. docs/DOCTOR.md lists what it can find.
//
// Invariants:
//   - It changes nothing: no row, no slot, no file. It may run beside a serving
//     orgcast, whose log it then leaves alone.
//   - One thing that is wrong hides no other: a variable that is refused is left
//     out, and the rest is looked at all the same. What could not be looked at is
//     said.
//   - Every [Finding] has a code that stays, what is so, and the cure.
//   - No secret, password, cookie or row's value is in any of them.
//
// Order: the checks run as [checks] lists them, each on what those before it put
// into the [Scene].
package doctor
