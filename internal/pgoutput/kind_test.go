package pgoutput

import (
	"testing"

	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
)

func TestPeekTellsKindAndRelationOfAnything(t *testing.T) {
	for _, c := range []struct {
		frame    []byte
		kind     Kind
		relation uint32
	}{
		{nil, 0, 0},
		{[]byte("I"), KindInsert, 0},
		{[]byte("I\x00\x00\x40"), KindInsert, 0},
		{[]byte("I\x00\x00\x40\x10"), KindInsert, 16400},
		{pgoutputtest.Insert(clients, row{"c1"}), KindInsert, clients.OID},
		{pgoutputtest.Update(clients, row{"c1"}, nil), KindUpdate, clients.OID},
		{pgoutputtest.Delete(clients, row{"c1"}), KindDelete, clients.OID},
		{pgoutputtest.Relation(clients), KindRelation, clients.OID},
		{pgoutputtest.Truncate(clients), KindTruncate, 0},
		{pgoutputtest.Begin(tx), KindBegin, 0},
		{pgoutputtest.Type(7, "public", "t"), KindType, 0},
		{pgoutputtest.Message(true, 1, "p", ""), KindMessage, 0},
		{[]byte("\xff\x01\x02\x03\x04"), 0xff, 0},
	} {
		if kind, relation := Peek(c.frame); kind != c.kind || relation != c.relation {
			t.Errorf("%q: %v %d, want %v %d", c.frame, kind, relation, c.kind, c.relation)
		}
	}
}
