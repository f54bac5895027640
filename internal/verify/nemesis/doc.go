// Package nemesis breaks things, one after another, by a schedule from the seed,
// and mends them as far as the world would: a server that was stopped goes on, a
// disk gets space again, a database is started. What orgcast is to mend itself, it
// is left to.
//
// Each fault is a function that returns when its cause is gone. After it the server
// has a minute to be ready again; nobody helps it, but a supervisor that starts a
// process which ended.
package nemesis
