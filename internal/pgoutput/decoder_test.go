package pgoutput

import (
	"reflect"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
)

// These frames are written by hand from the "Logical Replication Message
// Formats" chapter of PostgreSQL's manual: they hold the decoder and the
// encoder of pgoutputtest against a third party.
func TestDecodeReadsTheManualsFormats(t *testing.T) {
	const (
		lsn  = "\x00\x00\x00\x16\xb3\x74\xd8\x48"
		end  = "\x00\x00\x00\x16\xb3\x74\xd8\x78"
		time = "\x00\x02\xe7\x3c\xa4\xaa\xaa\x40"
		oid  = "\x00\x00\x40\x10"
	)
	begin := "B" + lsn + time + "\x00\x00\x02\xe5"
	commit := "C\x00" + lsn + end + time
	relation := "R" + oid + "public\x00clients\x00d\x00\x03" +
		"\x01id\x00\x00\x00\x00\x19\xff\xff\xff\xff" +
		"\x00organizationId\x00\x00\x00\x00\x19\xff\xff\xff\xff" +
		"\x00bio\x00\x00\x00\x00\x19\xff\xff\xff\xff"
	insert := "I" + oid + "N\x00\x03t\x00\x00\x00\x02c1t\x00\x00\x00\x05org_an"
	update := "U" + oid + "N\x00\x03t\x00\x00\x00\x02c1t\x00\x00\x00\x05org_bu"
	rekey := "U" + oid + "K\x00\x03t\x00\x00\x00\x02c1nnN\x00\x03t\x00\x00\x00\x02c2t\x00\x00\x00\x00n"
	remove := "D" + oid + "K\x00\x03t\x00\x00\x00\x02c2nn"
	truncate := "T\x00\x00\x00\x01\x03" + oid
	message := "M\x01" + lsn + "orgcast\x00\x00\x00\x00\x02{}"

	d := NewDecoder()
	decode := func(frame string) Message {
		t.Helper()
		m, err := d.Decode([]byte(frame))
		if err != nil {
			t.Fatal(err)
		}
		return *m
	}
	began := tx
	began.EndLSN = 0
	wantMessage := func(frame string, want Message) {
		t.Helper()
		if got := decode(frame); !reflect.DeepEqual(got, want) {
			t.Errorf("%v:\n got %+v\nwant %+v", Kind(frame[0]), got, want)
		}
	}
	wantChange := func(frame string, want orgcast.Change) {
		t.Helper()
		got := decode(frame)
		if got.Kind != Kind(frame[0]) || got.Relation != nil || got.Transaction != (orgcast.Transaction{}) {
			t.Errorf("%v: message %+v", Kind(frame[0]), got)
		}
		if !reflect.DeepEqual(*got.Change, want) {
			t.Errorf("%v:\n got %+v\nwant %+v", Kind(frame[0]), *got.Change, want)
		}
	}
	wantMessage(begin, Message{Kind: KindBegin, Transaction: began})
	wantMessage("O"+lsn+"other\x00", Message{Kind: KindOrigin})
	wantMessage("Y\x00\x00\x40\x99public\x00UserRole\x00", Message{Kind: KindType})
	wantMessage(relation, Message{Kind: KindRelation, Relation: clients})
	rel := d.relations[clients.OID]
	wantChange(insert, orgcast.Change{Ordinal: 0, Operation: orgcast.Insert, Relation: rel,
		New: values(row{"c1", "org_a", nil})})
	wantChange(update, orgcast.Change{Ordinal: 1, Operation: orgcast.Update, Relation: rel,
		New: values(row{"c1", "org_b", pgoutputtest.Unchanged})})
	wantChange(rekey, orgcast.Change{Ordinal: 2, Operation: orgcast.Update, Relation: rel,
		New: values(row{"c2", "", nil}), Old: values(row{"c1", absent{}, absent{}}), OldIsKey: true})
	wantChange(remove, orgcast.Change{Ordinal: 3, Operation: orgcast.Delete, Relation: rel,
		Old: values(row{"c2", absent{}, absent{}}), OldIsKey: true})
	wantChange(truncate, orgcast.Change{Ordinal: 4, Operation: orgcast.Truncate,
		Truncated: []*orgcast.Relation{rel}})
	wantChange(message, orgcast.Change{Ordinal: 5, Operation: orgcast.Message,
		Prefix: "orgcast", Content: []byte("{}"), Transactional: true})
	wantMessage(commit, Message{Kind: KindCommit, Transaction: tx})

	for _, pair := range []struct {
		byHand string
		built  []byte
	}{
		{begin, pgoutputtest.Begin(tx)},
		{commit, pgoutputtest.Commit(tx)},
		{"O" + lsn + "other\x00", pgoutputtest.Origin(tx.CommitLSN, "other")},
		{"Y\x00\x00\x40\x99public\x00UserRole\x00", pgoutputtest.Type(0x4099, "public", "UserRole")},
		{relation, pgoutputtest.Relation(clients)},
		{insert, pgoutputtest.Insert(clients, row{"c1", "org_a", nil})},
		{update, pgoutputtest.Update(clients, row{"c1", "org_b", pgoutputtest.Unchanged}, nil)},
		{rekey, pgoutputtest.Update(clients, row{"c2", "", nil}, row{"c1", "org_b", nil})},
		{remove, pgoutputtest.Delete(clients, row{"c2", "not sent", []byte("neither")})},
		{strings.Replace(truncate, "\x03", "\x00", 1), pgoutputtest.Truncate(clients)},
		{message, pgoutputtest.Message(true, tx.CommitLSN, "orgcast", "{}")},
	} {
		if string(pair.built) != pair.byHand {
			t.Errorf("pgoutputtest writes %v as\n%q, not\n%q", Kind(pair.byHand[0]), pair.built, pair.byHand)
		}
	}
}
