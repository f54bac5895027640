// Package rulecheck answers: what would these rules send, to whom, and does the
// database fit them?
//
// [Describe] tells the first from the rules alone: each table's events, the ways to
// its organization, channel, columns and roles. [Fit] holds them against a live
// database, which it only reads: what serve would refuse to start with, and what
// it would take but what can't work as it was meant (a role that no member can
// have, an archive that no row can become, a key that is none).
//
// A problem says on which line of the rule file it is, and the cure.
package rulecheck
