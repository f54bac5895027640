package pgoutput

import "github.com/oikion/orgcast"

// place gives the change its ordinal in the open transaction. It comes last,
// when nothing is left that could refuse the frame.
func (d *Decoder) place(r *reader) {
	if !d.open {
		r.fail(0, ErrNoTransaction)
	}
	if r.err != nil {
		return
	}
	d.change.Ordinal = d.ordinal
	d.ordinal++
	d.message.Change = &d.change
}

func (d *Decoder) decodeRow(r *reader, kind Kind) {
	oidAt := r.at
	rel := d.relations[r.uint32()]
	if rel == nil {
		r.fail(oidAt, ErrUnknownRelation)
		return
	}
	c := &d.change
	c.Operation = orgcast.Operation(kind)
	c.Relation = rel

	partAt := r.at
	part := r.uint8()
	if kind != KindInsert && (part == 'K' || part == 'O') {
		d.old = r.tuple(len(rel.Columns), d.old)
		if r.err != nil {
			return
		}
		c.Old, c.OldIsKey = d.old, part == 'K'
		if c.OldIsKey {
			forgetNonKey(rel.Columns, c.Old)
		}
		if kind == KindUpdate {
			partAt = r.at
			part = r.uint8()
		}
	}
	if kind == KindDelete {
		if c.Old == nil {
			r.fail(partAt, ErrMalformed)
		}
	} else {
		if part != 'N' {
			r.fail(partAt, ErrMalformed)
		}
		d.row = r.tuple(len(rel.Columns), d.row)
		if r.err != nil {
			return
		}
		c.New = d.row
		if c.Old != nil {
			fillUnchanged(c.New, c.Old)
		}
	}
	r.end()
	d.place(r)
}

func (d *Decoder) decodeRelation(r *reader) {
	rel := r.relation()
	r.end()
	if r.err != nil {
		return
	}
	if _, known := d.relations[rel.OID]; !known && len(d.relations) == maxRelations {
		r.fail(0, ErrTooManyRelations)
		return
	}
	d.relations[rel.OID] = rel
	d.message.Relation = rel
}

func (d *Decoder) decodeTruncate(r *reader) {
	countAt := r.at
	count := r.uint32()
	r.uint8() // CASCADE, RESTART IDENTITY: the tables it reached are all listed
	if uint64(count)*4 > uint64(len(r.frame)-r.at) {
		r.fail(countAt, ErrTruncated)
		return
	}
	d.truncated = d.truncated[:0]
	for range count {
		oidAt := r.at
		rel := d.relations[r.uint32()]
		if rel == nil {
			r.fail(oidAt, ErrUnknownRelation)
		}
		if r.err != nil {
			return
		}
		d.truncated = append(d.truncated, rel)
	}
	r.end()
	d.change.Operation = orgcast.Truncate
	d.change.Truncated = d.truncated
	d.place(r)
}

func (d *Decoder) decodeMessage(r *reader) {
	flagsAt := r.at
	flags := r.uint8()
	if flags > 1 {
		r.fail(flagsAt, ErrMalformed)
	}
	r.lsn() // its own place in the WAL, which is not in the order of commits
	prefix := r.text()
	lengthAt := r.at
	length := r.uint32()
	if uint64(length) > uint64(len(r.frame)-r.at) {
		r.fail(lengthAt, ErrTruncated)
	}
	content := r.take(int(length))
	r.end()
	if r.err != nil {
		return
	}
	if string(prefix) != d.prefix {
		d.prefix = string(prefix)
	}
	c := &d.change
	c.Operation = orgcast.Message
	c.Prefix, c.Content, c.Transactional = d.prefix, content, flags == 1
	if !c.Transactional {
		// It was sent when it was read, whatever its transaction came to: it
		// counts in none.
		d.message.Change = c
		return
	}
	d.place(r)
}
