// Package feed answers: what happens to a committed transaction, in which order?
//
// It is the one way through the house. Frames of a transaction are spooled
// until its commit; then it is decoded and routed whole, since whose a row is
// can hang on what its transaction does later. What is too large for memory is routed
// as it comes, as long as nothing hangs on that: see large.go. Then, in this order:
//
//  1. events, state and position go to the log, in one batch;
//  2. state goes to the directory of members, so that who asks from now on is
//     judged by it;
//  3. events go to the tails, and the watermark is raised;
//  4. who waits at the barrier is told.
//
// It does not wait for the fsync: a cursor is a function of the WAL alone, so
// that a redelivery after a crash repeats it exactly. The slot is confirmed only
// past what is fsynced, which is not this package's matter.
//
// A transaction too large for memory goes to the log in parts, which count only
// with the last one; the streams read it from there.
package feed
