// Package verify holds the words of the verifier: a program that runs orgcast on
// a throwaway PostgreSQL, has random transactions committed and clients of all
// kinds listen, breaks whatever can break, and then holds what each client heard
// against what the database says was committed.
//
// It is a black box: it knows docs/PROTOCOL.md and docs/RULES.md, PostgreSQL, and
// the processes that it started. Nothing under internal/verify imports a room of
// the product, so that a defect there can't hide from here; TestImportsGoOneWay
// holds that.
//
// The order of things: truth reads the WAL by a slot of its own and says what each
// transaction is to be heard as (a Fact for each event); load writes; ear listens
// and keeps a Record for each client; nemesis breaks; check, which is pure, holds
// Records against Facts; the program in verify/ runs them all and writes a report.
package verify
