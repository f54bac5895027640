// Package e2e answers: does the whole thing keep its promises?
//
// It holds only tests. They know orgcast as the outside does: the real binary,
// built with the race detector, on a throwaway PostgreSQL, spoken to with SQL
// on one side and raw TCP on the other. What a stream must show is not computed
// by the product's own rooms but by a plain model of a few dozen lines, fed by a
// second replication slot.
//
// Invariants:
//   - A process that a test started is ended by its pid and waited for, and
//     dies with the test binary, however that ends.
//   - Nothing waits without a deadline, and nothing waits for a time to pass
//     where it can wait for the thing itself.
//   - What a process wrote is searched for the secrets that it was given.
package e2e
