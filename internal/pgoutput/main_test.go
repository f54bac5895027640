package pgoutput

import (
	"testing"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
)

// What the tests talk about: one transaction and three tables that differ in
// their replica identity.
var (
	tx = orgcast.Transaction{
		XID:        741,
		CommitLSN:  0x16_B374D848,
		EndLSN:     0x16_B374D878,
		CommitTime: time.Date(2025, time.November, 23, 7, 20, 0, 123456000, time.UTC),
	}
	clients = &orgcast.Relation{
		OID: 16400, Schema: "public", Name: "clients", Identity: orgcast.IdentityDefault,
		Columns: []orgcast.Column{
			{Name: "id", TypeOID: 25, TypeMod: -1, Key: true},
			{Name: "organizationId", TypeOID: 25, TypeMod: -1},
			{Name: "bio", TypeOID: 25, TypeMod: -1},
		},
	}
	notes = &orgcast.Relation{
		OID: 16410, Schema: "public", Name: "notes", Identity: orgcast.IdentityFull,
		Columns: []orgcast.Column{
			{Name: "id", TypeOID: 25, TypeMod: -1, Key: true},
			{Name: "content", TypeOID: 25, TypeMod: -1, Key: true},
		},
	}
	tasks = &orgcast.Relation{
		OID: 16420, Schema: "public", Name: "tasks", Identity: orgcast.IdentityIndex,
		Columns: []orgcast.Column{
			{Name: "title", TypeOID: 1043, TypeMod: 259},
			{Name: "organizationId", TypeOID: 25, TypeMod: -1, Key: true},
			{Name: "id", TypeOID: 25, TypeMod: -1, Key: true},
		},
	}
)

// row is the shortest way to write a row.
type row = pgoutputtest.Row

// begun returns a decoder inside tx that knows the three tables.
func begun(t testing.TB) *Decoder {
	t.Helper()
	d := NewDecoder()
	feed(t, d,
		pgoutputtest.Begin(tx),
		pgoutputtest.Relation(clients),
		pgoutputtest.Relation(notes),
		pgoutputtest.Relation(tasks),
	)
	return d
}

// feed decodes the frames, none of which may fail, and returns the last one's
// message.
func feed(t testing.TB, d *Decoder, frames ...[]byte) *Message {
	t.Helper()
	var m *Message
	for i, frame := range frames {
		var err error
		if m, err = d.Decode(frame); err != nil {
			t.Fatalf("frame %d (%v): %v", i, Kind(frame[0]), err)
		}
	}
	return m
}

// absent stands in a wanted row for a value that was not sent.
type absent struct{}

// values is a row as it should be decoded; nil stays nil.
func values(r row) []orgcast.Value {
	if r == nil {
		return nil
	}
	vs := make([]orgcast.Value, len(r))
	for i, v := range r {
		switch v := v.(type) {
		case absent:
		case nil:
			vs[i].Kind = orgcast.Null
		case string:
			vs[i] = orgcast.Value{Kind: orgcast.Text, Text: []byte(v)}
		default:
			vs[i].Kind = orgcast.Unchanged
		}
	}
	return vs
}
