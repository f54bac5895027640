package pgoutput

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
)

// Whatever pglogrepl reads in a valid stream, the decoder reads, too: in every
// field, for random tables, rows and transactions.
func TestDecodeAgreesWithPglogrepl(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := drawStream(t)
		d := NewDecoder()
		relations := map[uint32]*pglogrepl.RelationMessage{}
		ordinal := uint64(0)
		for _, frame := range stream {
			// pglogrepl keeps parts of the frame it is given.
			oracle, err := pglogrepl.Parse(bytes.Clone(frame))
			if err != nil {
				t.Fatalf("pglogrepl: %v", err)
			}
			m, err := d.Decode(frame)
			if err != nil {
				t.Fatal(err)
			}
			if byte(m.Kind) != byte(oracle.Type()) {
				t.Fatalf("kind %v, not %v", m.Kind, oracle.Type())
			}
			if err := compare(m, oracle, relations, &ordinal); err != nil {
				t.Fatalf("%v: %v", m.Kind, err)
			}
		}
	})
}

// compare holds a message against pglogrepl's; ordinal is that of the next
// change.
func compare(m *Message, oracle pglogrepl.Message, relations map[uint32]*pglogrepl.RelationMessage, ordinal *uint64) error {
	var want orgcast.Transaction
	switch o := oracle.(type) {
	case *pglogrepl.BeginMessage:
		*ordinal = 0
		want = orgcast.Transaction{XID: o.Xid, CommitLSN: orgcast.LSN(o.FinalLSN), CommitTime: o.CommitTime.UTC()}
	case *pglogrepl.CommitMessage:
		want = orgcast.Transaction{XID: m.Transaction.XID, CommitLSN: orgcast.LSN(o.CommitLSN),
			EndLSN: orgcast.LSN(o.TransactionEndLSN), CommitTime: o.CommitTime.UTC()}
		// The commit frame has no XID: that it is the begin's is checked by hand
		// in TestDecodeReadsTheManualsFormats.
	case *pglogrepl.RelationMessage:
		relations[o.RelationID] = o
		return compareRelation(m.Relation, o)
	case *pglogrepl.InsertMessage:
		return compareRow(m, o.RelationID, relations, ordinal, 0, nil, o.Tuple)
	case *pglogrepl.UpdateMessage:
		return compareRow(m, o.RelationID, relations, ordinal, o.OldTupleType, o.OldTuple, o.NewTuple)
	case *pglogrepl.DeleteMessage:
		return compareRow(m, o.RelationID, relations, ordinal, o.OldTupleType, o.OldTuple, nil)
	case *pglogrepl.TruncateMessage:
		var oids []uint32
		for _, r := range m.Change.Truncated {
			if err := compareRelation(r, relations[r.OID]); err != nil {
				return err
			}
			oids = append(oids, r.OID)
		}
		if !slices.Equal(oids, o.RelationIDs) {
			return fmt.Errorf("truncates %v, not %v", oids, o.RelationIDs)
		}
		return compareOrdinal(m, ordinal)
	case *pglogrepl.LogicalDecodingMessage:
		c := m.Change
		if c.Prefix != o.Prefix || !bytes.Equal(c.Content, o.Content) || c.Transactional != o.Transactional {
			return fmt.Errorf("%q %q %v, not %q %q %v", c.Prefix, c.Content, c.Transactional, o.Prefix, o.Content, o.Transactional)
		}
		if !o.Transactional {
			return nil
		}
		return compareOrdinal(m, ordinal)
	}
	if m.Transaction != want {
		return fmt.Errorf("transaction %+v, not %+v", m.Transaction, want)
	}
	if m.Change != nil || m.Relation != nil {
		return fmt.Errorf("change %v, relation %v", m.Change, m.Relation)
	}
	return nil
}

func compareOrdinal(m *Message, ordinal *uint64) error {
	if byte(m.Change.Operation) != byte(m.Kind) || m.Change.Ordinal != *ordinal {
		return fmt.Errorf("operation %c with ordinal %d, not %d", m.Change.Operation, m.Change.Ordinal, *ordinal)
	}
	*ordinal++
	return nil
}

func compareRelation(r *orgcast.Relation, o *pglogrepl.RelationMessage) error {
	got := fmt.Sprintf("%d %q %q %c", r.OID, r.Schema, r.Name, r.Identity)
	for _, c := range r.Columns {
		got += fmt.Sprintf(" %q %d %d %v", c.Name, c.TypeOID, c.TypeMod, c.Key)
	}
	want := fmt.Sprintf("%d %q %q %c", o.RelationID, o.Namespace, o.RelationName, o.ReplicaIdentity)
	for _, c := range o.Columns {
		want += fmt.Sprintf(" %q %d %d %v", c.Name, c.DataType, c.TypeModifier, c.Flags == 1)
	}
	if got != want {
		return fmt.Errorf("relation %s, not %s", got, want)
	}
	return nil
}

func compareRow(m *Message, oid uint32, relations map[uint32]*pglogrepl.RelationMessage, ordinal *uint64, oldType byte, old, row *pglogrepl.TupleData) error {
	rel, c := relations[oid], m.Change
	if err := compareRelation(c.Relation, rel); err != nil {
		return err
	}
	if c.OldIsKey != (oldType == 'K') {
		return fmt.Errorf("OldIsKey %v, old tuple type %q", c.OldIsKey, oldType)
	}
	// pglogrepl tells what is on the wire: what it means is applied here.
	wantOld := wireValues(old)
	for i := range wantOld {
		if oldType == 'K' && rel.Columns[i].Flags == 0 {
			wantOld[i] = orgcast.Value{}
		}
	}
	wantRow := wireValues(row)
	for i := range wantRow {
		if wantRow[i].Kind == orgcast.Unchanged && wantOld != nil && wantOld[i].Kind == orgcast.Text {
			wantRow[i] = wantOld[i]
		}
	}
	if err := compareValues(c.Old, wantOld); err != nil {
		return fmt.Errorf("old row: %w", err)
	}
	if err := compareValues(c.New, wantRow); err != nil {
		return fmt.Errorf("new row: %w", err)
	}
	return compareOrdinal(m, ordinal)
}

func wireValues(tuple *pglogrepl.TupleData) []orgcast.Value {
	if tuple == nil {
		return nil
	}
	vs := make([]orgcast.Value, len(tuple.Columns))
	for i, c := range tuple.Columns {
		vs[i] = orgcast.Value{Kind: orgcast.ValueKind(c.DataType), Text: c.Data}
	}
	return vs
}

func compareValues(got, want []orgcast.Value) error {
	if (got == nil) != (want == nil) || len(got) != len(want) {
		return fmt.Errorf("%d values, not %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Kind != want[i].Kind || !bytes.Equal(got[i].Text, want[i].Text) {
			return fmt.Errorf("column %d is %q %q, not %q %q", i, got[i].Kind, got[i].Text, want[i].Kind, want[i].Text)
		}
	}
	return nil
}

// drawStream draws a valid stream: transactions with tables described and
// altered in their midst, and messages anywhere.
func drawStream(t *rapid.T) [][]byte {
	var stream [][]byte
	lsn := orgcast.LSN(rapid.Uint64Range(1, 1<<60).Draw(t, "lsn"))
	known := map[uint32]*orgcast.Relation{}
	prefix := rapid.SampledFrom([]string{"orgcast", "orgcast.actor", "", "παλιό"})
	content := rapid.StringN(0, 20, -1)
	for range rapid.IntRange(1, 4).Draw(t, "transactions") {
		var frames [][]byte
		for range rapid.IntRange(0, 8).Draw(t, "frames") {
			oid := rapid.Uint32Range(1, 3).Draw(t, "oid")
			if known[oid] == nil || rapid.IntRange(0, 9).Draw(t, "alter") == 0 {
				known[oid] = drawRelation(t, oid)
				frames = append(frames, pgoutputtest.Relation(known[oid]))
			}
			rel := known[oid]
			switch rapid.SampledFrom([]Kind{KindInsert, KindUpdate, KindUpdate, KindDelete, KindTruncate, KindMessage, KindOrigin, KindType}).Draw(t, "kind") {
			case KindInsert:
				frames = append(frames, pgoutputtest.Insert(rel, drawRow(t, rel)))
			case KindUpdate:
				var old pgoutputtest.Row
				if rel.Identity == orgcast.IdentityFull || rapid.Bool().Draw(t, "key changed") {
					old = drawRow(t, rel)
				}
				frames = append(frames, pgoutputtest.Update(rel, drawRow(t, rel), old))
			case KindDelete:
				frames = append(frames, pgoutputtest.Delete(rel, drawRow(t, rel)))
			case KindTruncate:
				rels := []*orgcast.Relation{rel}
				for _, other := range known {
					if other != rel {
						rels = append(rels, other)
					}
				}
				frames = append(frames, pgoutputtest.Truncate(rels...))
			case KindMessage:
				frames = append(frames, pgoutputtest.Message(rapid.Bool().Draw(t, "transactional"), lsn, prefix.Draw(t, "prefix"), content.Draw(t, "content")))
			case KindOrigin:
				frames = append(frames, pgoutputtest.Origin(lsn, "other"))
			case KindType:
				frames = append(frames, pgoutputtest.Type(oid, "public", "plan"))
			}
		}
		tx := orgcast.Transaction{
			XID:       rapid.Uint32().Draw(t, "xid"),
			CommitLSN: lsn + orgcast.LSN(rapid.Uint32().Draw(t, "wal")),
			// pglogrepl counts in nanoseconds: from 1678 to 2262.
			CommitTime: time.UnixMicro(rapid.Int64Range(-9e15, 9e15).Draw(t, "time")).UTC(),
		}
		lsn = tx.CommitLSN + orgcast.LSN(rapid.Uint8().Draw(t, "commit record"))
		tx.EndLSN = lsn
		stream = append(stream, pgoutputtest.Transaction(tx, frames...)...)
		if rapid.Bool().Draw(t, "message between") {
			stream = append(stream, pgoutputtest.Message(false, lsn, prefix.Draw(t, "prefix"), content.Draw(t, "content")))
		}
	}
	return stream
}

var identities = []orgcast.ReplicaIdentity{orgcast.IdentityDefault, orgcast.IdentityNothing, orgcast.IdentityFull, orgcast.IdentityIndex}

func drawRelation(t *rapid.T, oid uint32) *orgcast.Relation {
	name := rapid.StringMatching(`[a-zA-Zα-ω_]{1,8}`)
	rel := &orgcast.Relation{OID: oid, Schema: name.Draw(t, "schema"), Name: name.Draw(t, "table"),
		Identity: rapid.SampledFrom(identities).Draw(t, "identity")}
	for range rapid.IntRange(1, 6).Draw(t, "columns") {
		rel.Columns = append(rel.Columns, orgcast.Column{
			Name:    name.Draw(t, "column"),
			TypeOID: rapid.Uint32().Draw(t, "type"),
			TypeMod: rapid.Int32().Draw(t, "modifier"),
			Key:     rel.Identity == orgcast.IdentityFull || rapid.Bool().Draw(t, "key"),
		})
	}
	return rel
}

func drawRow(t *rapid.T, rel *orgcast.Relation) pgoutputtest.Row {
	value := rapid.OneOf(
		rapid.Just[any](nil),
		rapid.Just[any](pgoutputtest.Unchanged),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 12), func(b []byte) any { return b }),
	)
	return rapid.SliceOfN(value, len(rel.Columns), len(rel.Columns)).Draw(t, "row")
}
