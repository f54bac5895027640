package pgoutput

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
)

func TestUnchangedToastTakesTheOldValueWhereItWasSent(t *testing.T) {
	big := strings.Repeat("long ", 1000)
	for _, c := range []struct {
		name          string
		relation      *orgcast.Relation
		row, old      row
		wantNew, want row
		isKey         bool
	}{
		{name: "full identity", relation: notes,
			row: row{"n1", pgoutputtest.Unchanged}, old: row{"n1", big},
			wantNew: row{"n1", big}, want: row{"n1", big}},
		{name: "full identity, a changed value stays the new one", relation: notes,
			row: row{"n1", "new"}, old: row{"n1", big},
			wantNew: row{"n1", "new"}, want: row{"n1", big}},
		{name: "full identity, set to null", relation: notes,
			row: row{"n1", nil}, old: row{"n1", big},
			wantNew: row{"n1", nil}, want: row{"n1", big}},
		{name: "no old row", relation: clients,
			row:     row{"c1", "org_a", pgoutputtest.Unchanged},
			wantNew: row{"c1", "org_a", pgoutputtest.Unchanged}},
		{name: "key only: the rest stays unknown", relation: clients,
			row: row{"c2", "org_a", pgoutputtest.Unchanged}, old: row{"c1", "org_a", big},
			wantNew: row{"c2", "org_a", pgoutputtest.Unchanged}, want: row{"c1", absent{}, absent{}}, isKey: true},
		{name: "a key column that is itself unchanged", relation: tasks,
			row: row{pgoutputtest.Unchanged, "org_b", pgoutputtest.Unchanged}, old: row{big, "org_a", big},
			wantNew: row{pgoutputtest.Unchanged, "org_b", big}, want: row{absent{}, "org_a", big}, isKey: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := feed(t, begun(t), pgoutputtest.Update(c.relation, c.row, c.old))
			if got, want := m.Change.New, values(c.wantNew); !reflect.DeepEqual(got, want) {
				t.Errorf("new %q, want %q", got, want)
			}
			if got, want := m.Change.Old, values(c.want); !reflect.DeepEqual(got, want) {
				t.Errorf("old %q, want %q", got, want)
			}
			if m.Change.OldIsKey != c.isKey {
				t.Errorf("OldIsKey is %v", m.Change.OldIsKey)
			}
		})
	}
}

func TestFullDeleteHasTheWholeOldRowAndNoNewOne(t *testing.T) {
	m := feed(t, begun(t), pgoutputtest.Delete(notes, row{"n1", nil}))
	if m.Change.New != nil || m.Change.OldIsKey || !reflect.DeepEqual(m.Change.Old, values(row{"n1", nil})) {
		t.Errorf("got %+v", *m.Change)
	}
}

// A value left over from the row before would be another organization's.
func TestNothingIsLeftOfTheChangeBefore(t *testing.T) {
	d := begun(t)
	feed(t, d, pgoutputtest.Update(notes, row{"n1", "theirs"}, row{"n1", "their old"}))
	m := feed(t, d, pgoutputtest.Message(true, 1, "orgcast", "{}"))
	if c := m.Change; c.Relation != nil || c.New != nil || c.Old != nil || c.Truncated != nil {
		t.Errorf("message after an update: %+v", *c)
	}
	m = feed(t, d, pgoutputtest.Insert(clients, row{"c1", nil, pgoutputtest.Unchanged}))
	if c := m.Change; c.Prefix != "" || c.Content != nil || c.Old != nil || c.Transactional ||
		!reflect.DeepEqual(c.New, values(row{"c1", nil, pgoutputtest.Unchanged})) {
		t.Errorf("insert after a message: %+v", *c)
	}
	m = feed(t, d, pgoutputtest.Truncate(clients, notes))
	if c := m.Change; c.Relation != nil || c.New != nil || len(c.Truncated) != 2 {
		t.Errorf("truncate after an insert: %+v", *c)
	}
	if m = feed(t, d, pgoutputtest.Commit(tx)); m.Change != nil {
		t.Errorf("commit has a change: %+v", *m.Change)
	}
}

func TestOrdinalCountsTheTransactionsChangesOnly(t *testing.T) {
	d := NewDecoder()
	var got []uint64
	frames := slices.Concat(
		pgoutputtest.Transaction(tx,
			pgoutputtest.Origin(1, "other"),
			pgoutputtest.Type(20000, "public", "Plan"),
			pgoutputtest.Relation(clients),
			pgoutputtest.Insert(clients, row{"c1", "org_a", nil}), // 0
			pgoutputtest.Relation(clients),
			pgoutputtest.Message(true, 1, "another application's", ""),         // 1
			pgoutputtest.Message(false, 1, "orgcast", "sent when it was read"), // none
			pgoutputtest.Truncate(clients),                                     // 2
			pgoutputtest.Delete(clients, row{"c1", nil, nil}),                  // 3
		),
		[][]byte{pgoutputtest.Message(false, 1, "orgcast", "between transactions")},
		pgoutputtest.Transaction(orgcast.Transaction{CommitLSN: tx.EndLSN, EndLSN: tx.EndLSN + 8},
			pgoutputtest.Insert(clients, row{"c2", "org_a", nil}), // 0: the relation is still known
		),
	)
	for _, frame := range frames {
		if m := feed(t, d, frame); m.Change != nil && (m.Kind != KindMessage || m.Change.Transactional) {
			got = append(got, m.Change.Ordinal)
		}
	}
	if want := []uint64{0, 1, 2, 3, 0}; !slices.Equal(got, want) {
		t.Errorf("ordinals %v, want %v", got, want)
	}
}

func TestValuesAliasTheFrameAndEndWithIt(t *testing.T) {
	for _, frame := range [][]byte{
		pgoutputtest.Update(notes, row{"n1", "new"}, row{"n1", "old"}),
		pgoutputtest.Message(true, 1, "orgcast", "new"),
	} {
		// As it stands in a read buffer, with the next frame right behind it.
		buffer := slices.Concat(frame, pgoutputtest.Commit(tx))
		frame := buffer[:len(frame)]
		original := bytes.Clone(buffer)
		c := feed(t, begun(t), frame).Change
		parts := [][]byte{c.Content}
		for _, v := range slices.Concat(c.New, c.Old) {
			parts = append(parts, v.Text)
		}
		for _, part := range parts {
			// An append by whoever holds it must not reach what follows.
			_ = append(part, "XXXXXXXX"...)
		}
		if !bytes.Equal(buffer, original) {
			t.Errorf("%v: an append to a value wrote into the buffer", Kind(frame[0]))
		}
		frame[len(frame)-1] = 'W'
		if !slices.ContainsFunc(parts, func(part []byte) bool { return string(part) == "neW" }) {
			t.Errorf("%v: its values are copies", Kind(frame[0]))
		}
	}
}
