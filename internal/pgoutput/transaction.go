package pgoutput

import "github.com/oikion/orgcast"

func (d *Decoder) decodeBegin(r *reader) {
	lsnAt := r.at
	tx := orgcast.Transaction{CommitLSN: r.lsn(), CommitTime: r.time(), XID: r.uint32()}
	r.end()
	if d.open {
		r.fail(0, ErrInTransaction)
	}
	if tx.CommitLSN == 0 {
		r.fail(lsnAt, ErrMalformed)
	}
	if r.err != nil {
		return
	}
	d.transaction, d.open, d.ordinal = tx, true, 0
	d.message.Transaction = tx
}

func (d *Decoder) decodeCommit(r *reader) {
	// No flag is defined, and PostgreSQL's own subscriber refuses one, too.
	if flagsAt := r.at; r.uint8() != 0 {
		r.fail(flagsAt, ErrMalformed)
	}
	lsnAt := r.at
	commitLSN := r.lsn()
	endAt := r.at
	endLSN, commitTime := r.lsn(), r.time()
	r.end()
	if !d.open {
		r.fail(0, ErrNoTransaction)
	}
	if commitLSN != d.transaction.CommitLSN {
		r.fail(lsnAt, ErrCommitLSN)
	}
	// The end is what gets confirmed to the slot. One that lies before its own
	// commit would have the transaction sent again for ever.
	if endLSN < commitLSN {
		r.fail(endAt, ErrMalformed)
	}
	if r.err != nil {
		return
	}
	d.message.Transaction = orgcast.Transaction{
		XID:        d.transaction.XID,
		CommitLSN:  commitLSN,
		EndLSN:     endLSN,
		CommitTime: commitTime,
	}
	d.transaction, d.open = orgcast.Transaction{}, false
}
