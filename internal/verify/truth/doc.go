// Package truth answers one question: what was committed, and as what is each
// change of it to be heard?
//
// A [Reader] follows the database's log by a slot of its own, which no fault is done
// to, and tells every transaction once, in commit order, through restarts of the
// database. A [Model], which is pure, says what is to come of it: the [verify.Fact]s,
// and who belonged where from when to when. It was written from docs/PROTOCOL.md and
// docs/RULES.md for the tables that the verifier writes to, and shares no line with
// the product.
//
// It keeps no cache and needs no order but that of the log. Whose a row is counts as
// of the commit. Where the documents leave the server a choice (what hangs on a parent
// that moves in the same transaction, or is deleted before it), the fact is marked
// with May and why: it need not be heard, but what is heard must be one of the facts,
// so that nobody hears the values of what is another's.
package truth
