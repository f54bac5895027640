package pgoutput

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
)

func TestDecodeRefusesWhatPostgreSQLCannotMean(t *testing.T) {
	stranger := &orgcast.Relation{OID: 99, Schema: "public", Name: "stranger", Identity: orgcast.IdentityDefault}
	otherTx := tx
	otherTx.CommitLSN++
	endless := tx
	endless.EndLSN = tx.CommitLSN - 1
	patched := func(frame []byte, at int, b byte) []byte {
		frame[at] = b
		return frame
	}
	insert := func() []byte { return pgoutputtest.Insert(clients, row{"c1", "org_a", nil}) }
	for _, c := range []struct {
		name    string
		outside bool // feed it between transactions
		frame   []byte
		want    error
		at      int
	}{
		{name: "an empty frame", frame: nil, want: ErrTruncated, at: 0},
		{name: "an unknown kind", frame: []byte("?"), want: ErrUnknownKind, at: 0},
		{name: "stream start, of protocol version 2", frame: []byte("S\x00\x00\x00\x01\x01"), want: ErrUnknownKind, at: 0},
		{name: "begin in a transaction", frame: pgoutputtest.Begin(tx), want: ErrInTransaction, at: 0},
		{name: "begin without an LSN", outside: true, frame: pgoutputtest.Begin(orgcast.Transaction{}), want: ErrMalformed, at: 1},
		{name: "insert between transactions", outside: true, frame: insert(), want: ErrNoTransaction, at: 0},
		{name: "truncate between transactions", outside: true, frame: pgoutputtest.Truncate(clients), want: ErrNoTransaction, at: 0},
		{name: "transactional message between transactions", outside: true,
			frame: pgoutputtest.Message(true, 1, "orgcast", "{}"), want: ErrNoTransaction, at: 0},
		{name: "commit between transactions", outside: true, frame: pgoutputtest.Commit(tx), want: ErrNoTransaction, at: 0},
		{name: "commit of another transaction", frame: pgoutputtest.Commit(otherTx), want: ErrCommitLSN, at: 2},
		{name: "commit that ends before it begins", frame: pgoutputtest.Commit(endless), want: ErrMalformed, at: 10},
		{name: "commit with a flag", frame: patched(pgoutputtest.Commit(tx), 1, 1), want: ErrMalformed, at: 1},
		{name: "insert of an unknown relation", frame: pgoutputtest.Insert(stranger, row{}), want: ErrUnknownRelation, at: 1},
		{name: "update of an unknown relation", frame: pgoutputtest.Update(stranger, row{}, nil), want: ErrUnknownRelation, at: 1},
		{name: "delete of an unknown relation", frame: pgoutputtest.Delete(stranger, row{}), want: ErrUnknownRelation, at: 1},
		{name: "truncate of an unknown relation", frame: pgoutputtest.Truncate(clients, stranger), want: ErrUnknownRelation, at: 10},
		{name: "row too narrow", frame: pgoutputtest.Insert(clients, row{"c1", "org_a"}), want: ErrColumnCount, at: 6},
		{name: "row too wide", frame: pgoutputtest.Insert(clients, row{"c1", "org_a", nil, nil}), want: ErrColumnCount, at: 6},
		{name: "old row too narrow", frame: pgoutputtest.Delete(clients, row{"c1"}), want: ErrColumnCount, at: 6},
		{name: "insert of an old row", frame: patched(insert(), 5, 'O'), want: ErrMalformed, at: 5},
		{name: "delete of a new row", frame: patched(pgoutputtest.Delete(clients, row{"c1", nil, nil}), 5, 'N'), want: ErrMalformed, at: 5},
		{name: "update without a row", frame: patched(pgoutputtest.Update(clients, row{nil, nil, nil}, nil), 5, 'X'), want: ErrMalformed, at: 5},
		{name: "update from old to old", frame: patched(pgoutputtest.Update(notes, row{nil, nil}, row{nil, nil}), 10, 'O'), want: ErrMalformed, at: 10},
		{name: "column in binary", frame: patched(insert(), 8, 'b'), want: ErrBinary, at: 8},
		{name: "column of an unknown kind", frame: patched(insert(), 8, 0), want: ErrMalformed, at: 8},
		{name: "value longer than the frame", frame: patched(insert(), 9, 0x7f), want: ErrTruncated, at: 9},
		{name: "value of a negative length", frame: patched(insert(), 9, 0xff), want: ErrTruncated, at: 9},
		{name: "relation of more columns than bytes", frame: []byte("R\x00\x00\x00\x01\x00t\x00d\xff\xff"), want: ErrTruncated, at: 11},
		{name: "relation of an unknown identity", frame: []byte("R\x00\x00\x00\x01\x00t\x00?\x00\x00"), want: ErrMalformed, at: 8},
		{name: "truncate of more relations than bytes", frame: []byte("T\xff\xff\xff\xff\x00\x00\x00\x40\x10"), want: ErrTruncated, at: 1},
		{name: "message with an unknown flag", frame: patched(pgoutputtest.Message(true, 1, "p", ""), 1, 2), want: ErrMalformed, at: 1},
		{name: "message with more content than bytes", frame: patched(pgoutputtest.Message(true, 1, "p", "x"), 12, 0xff), want: ErrTruncated, at: 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := begun(t)
			if c.outside {
				feed(t, d, pgoutputtest.Commit(tx))
			}
			m, err := d.Decode(c.frame)
			if m != nil {
				t.Errorf("a message beside the error: %+v", *m)
			}
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			decodeErr, ok := errors.AsType[*DecodeError](err)
			if !ok {
				t.Fatalf("a %T", err)
			}
			if kind, _ := Peek(c.frame); decodeErr.Kind != kind || decodeErr.Offset != c.at {
				t.Errorf("%v at byte %d, want %v at byte %d", decodeErr.Kind, decodeErr.Offset, kind, c.at)
			}
		})
	}
}

// Every message, cut at every byte and with a byte too many.
func TestDecodeRefusesACutOrOverlongFrame(t *testing.T) {
	for _, frame := range [][]byte{
		pgoutputtest.Begin(tx),
		pgoutputtest.Commit(tx),
		pgoutputtest.Origin(1, "other"),
		pgoutputtest.Type(7, "public", "Plan"),
		pgoutputtest.Relation(tasks),
		pgoutputtest.Insert(clients, row{"c1", "", nil}),
		pgoutputtest.Update(clients, row{"c1", "org_a", pgoutputtest.Unchanged}, nil),
		pgoutputtest.Update(notes, row{"n1", "new"}, row{"n1", "old"}),
		pgoutputtest.Delete(clients, row{"c1", nil, nil}),
		pgoutputtest.Truncate(clients, notes),
		pgoutputtest.Message(true, 1, "orgcast", "{}"),
		pgoutputtest.Message(false, 1, "orgcast", "{}"),
	} {
		fresh := func() *Decoder {
			d := begun(t)
			if frame[0] == 'B' {
				feed(t, d, pgoutputtest.Commit(tx))
			}
			return d
		}
		feed(t, fresh(), frame)
		for n := range frame {
			// A frame of its own size: an over-read is a panic, not a luckily
			// found byte.
			if _, err := fresh().Decode(bytes.Clone(frame[:n])); !errors.Is(err, ErrTruncated) {
				t.Errorf("%v cut to %d of %d bytes: %v", Kind(frame[0]), n, len(frame), err)
			}
			// As it stands in a read buffer, with other bytes right behind it.
			if _, err := fresh().Decode(frame[:n]); !errors.Is(err, ErrTruncated) {
				t.Errorf("%v cut to %d of %d bytes, in a buffer: %v", Kind(frame[0]), n, len(frame), err)
			}
		}
		if _, err := fresh().Decode(append(bytes.Clone(frame), 0)); !errors.Is(err, ErrTrailing) {
			t.Errorf("%v with a byte too many: %v", Kind(frame[0]), err)
		}
	}
}

func TestAnErrorIsFinal(t *testing.T) {
	d := begun(t)
	_, first := d.Decode(pgoutputtest.Insert(clients, row{"too narrow"}))
	_, second := d.Decode(pgoutputtest.Insert(clients, row{"c1", "org_a", nil}))
	if first == nil || second != first {
		t.Errorf("after %v: %v", first, second)
	}
}

func TestErrorTellsPlaceButNoValue(t *testing.T) {
	_, err := begun(t).Decode(pgoutputtest.Insert(clients, row{"secret", "secret"}))
	const want = "decode pgoutput insert at byte 6: row does not have its relation's number of columns"
	if err == nil || err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	_, err = begun(t).Decode([]byte{0xff})
	if err == nil || !strings.HasPrefix(err.Error(), "decode pgoutput kind 0xff at byte 0: ") {
		t.Errorf("got %q", err)
	}
}

func TestRelationsAreBounded(t *testing.T) {
	d := NewDecoder()
	r := &orgcast.Relation{Schema: "public", Name: "t", Identity: orgcast.IdentityDefault}
	for r.OID = range uint32(maxRelations) {
		feed(t, d, pgoutputtest.Relation(r))
	}
	r.OID = 0
	feed(t, d, pgoutputtest.Relation(r)) // a known one is replaced, not added
	r.OID = maxRelations
	if _, err := d.Decode(pgoutputtest.Relation(r)); !errors.Is(err, ErrTooManyRelations) {
		t.Errorf("got %v", err)
	}
}
