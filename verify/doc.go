// Command verify proves what orgcast promises: every committed change, to every
// subscriber that may see it, once, in commit order, through anything.
//
//	go run ./verify                      five minutes, a seed that it prints
//	go run ./verify -seed 7 -for 1h
//	go run ./verify -planted             is each planted fault caught?
//
// It starts a throwaway PostgreSQL, orgcast and its clients, all on loopback; has
// random transactions written; breaks one thing after another (nemesis); and holds
// what each client heard against what the database's own log says (check). Exit
// status 1 if anything is counted against the server. internal/verify says how it is
// cut.
//
// It runs on Linux. As root it gives the log a file system of its own, to fill and to
// freeze; without root those faults are left out, and the report says so.
package main
