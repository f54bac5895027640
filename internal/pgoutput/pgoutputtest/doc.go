// Package pgoutputtest writes the frames that PostgreSQL's pgoutput plugin
// (protocol version 1, text format) would send, for tests that feed a decoder
// or what stands behind it.
//
// Each function returns one frame: the body of one XLogData message, without
// its 25-byte header, freshly allocated. A transaction is a Begin, for each
// table a Relation before its first row, the rows, and a Commit:
//
//	frames := pgoutputtest.Transaction(tx,
//		pgoutputtest.Relation(clients),
//		pgoutputtest.Insert(clients, pgoutputtest.Row{"c1", "org_a", nil}),
//		pgoutputtest.Update(clients, pgoutputtest.Row{"c1", "org_b", nil}, pgoutputtest.Row{"c1", "org_a", nil}),
//		pgoutputtest.Delete(clients, pgoutputtest.Row{"c1", "org_b", nil}),
//	)
//
// The functions check as little as a broken server would: a row may have more
// or fewer values than its relation has columns. They panic only where there
// are no bytes for what they were given.
package pgoutputtest
