// Package plant answers one question: would a checker notice?
//
// A checker that has never failed proves little. Built with the tag "plant", the
// program reads ORGCAST_PLANT and misbehaves in exactly the one way that it names,
// at the place where a real defect of the kind would sit. A checker that is worth
// something fails on each of them, and passes with none.
//
//	go build -tags plant ./cmd/orgcast
//	ORGCAST_PLANT=replay-off-by-one ./orgcast serve
//
// Without the tag every switch is a constant false: the compiler leaves out what
// stands behind it, and the configuration refuses ORGCAST_PLANT as a variable that
// it does not know. What a switch needs beside its one line stands in functions
// whose name begins with "planted", which the linker then leaves out too; no
// methods, whose names stay. A test looks for all of it in the binary.
//
// # The faults
//
// What a name does, and what must happen for it to be seen:
//
//	confirm-before-sync      a batch counts as durable once it is applied: the slot is
//	                         confirmed past what kill -9 leaves in the log. After one,
//	                         the slot is found ahead of the log: a new epoch, and
//	                         `reset` for all, where a kill is to cost nothing. In the
//	                         way of a slot that is recreated this is all that is seen.
//	no-duplicate-gate        the slot is read from its own place instead of the log's,
//	                         and a transaction that comes again is taken for a new one:
//	                         after a kill -9 or a broken connection the last second's
//	                         events come twice, with other cursors.
//	replay-off-by-one        a stream that resumes skips the first event that it missed.
//	replay-unfiltered        what is read from the log passes every filter of channel
//	                         and type; what comes live does not. Seen by a resume that
//	                         no tail in memory reaches back to.
//	membership-late          who joins or leaves does so at the end of the transaction
//	                         after: a removed member sees one more, and a new one is
//	                         refused until there is another.
//	toast-null               a value that an update did not touch, and that PostgreSQL
//	                         therefore did not send, is told as null: neither as
//	                         `unchanged` nor, under REPLICA IDENTITY FULL, as what it is.
//	transaction-split        the last event of a transaction of several is handed out,
//	                         and logged, behind the events of the next transaction
//	                         that has any, with a cursor of that one's. Seen by what
//	                         the events say, where both are one organization's.
//	move-wrong-organization  a row that moves from A to B is created for A.
//	parent-late              whose a parent row is counts from the transaction after
//	                         the next: rows below a new parent are withheld, those
//	                         below one that moved go to its organization of before.
//	cursor-by-rule           a cursor's index counts the events so far in place of the
//	                         WAL's changes: a row that no rule names takes no index.
//	                         Other rules begin another epoch, so that a resume does
//	                         not show it: compare the index with the change's ordinal.
//	ready-early              `ready` is said as soon as a stream has what the feed has,
//	                         whether or not that is what the database has.
//	stale-untold             once live, the feed is called live for ever: no `status`
//	                         stale is sent, and /readyz stays green.
//	audience-ignored         an event for one user, for some, or for certain roles goes
//	                         to every member.
package plant
