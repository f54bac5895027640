package pgoutput

import (
	"reflect"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
)

func TestAnAlteredTableIsANewRelation(t *testing.T) {
	d := begun(t)
	first := feed(t, d, pgoutputtest.Insert(clients, row{"c1", "org_a", nil})).Change.Relation
	altered := &orgcast.Relation{OID: clients.OID, Schema: "crm", Name: "customers", Identity: orgcast.IdentityFull,
		Columns: []orgcast.Column{{Name: "id", TypeOID: 2950, TypeMod: -1, Key: true}}}
	frame := pgoutputtest.Relation(altered)
	second := feed(t, d, frame).Relation
	clear(frame) // it may be kept: nothing of it is the frame's
	if !reflect.DeepEqual(first, clients) {
		t.Errorf("the relation of an earlier change became %+v", first)
	}
	if !reflect.DeepEqual(second, altered) {
		t.Errorf("got %+v, want %+v", second, altered)
	}
	if got := feed(t, d, pgoutputtest.Insert(altered, row{"c2"})).Change.Relation; got != second {
		t.Errorf("the next change is of %+v", got)
	}
}

func TestTheEmptySchemaIsTheCatalogs(t *testing.T) {
	m := feed(t, NewDecoder(), pgoutputtest.Relation(&orgcast.Relation{OID: 1, Name: "t", Identity: orgcast.IdentityDefault}))
	if m.Relation.Schema != "pg_catalog" {
		t.Errorf("schema %q", m.Relation.Schema)
	}
}

func TestTheWidestTableFits(t *testing.T) {
	const columns = 1600
	wide := &orgcast.Relation{OID: 1, Schema: "public", Name: "wide", Identity: orgcast.IdentityFull,
		Columns: make([]orgcast.Column, columns)}
	r := make(row, columns)
	for i := range r {
		wide.Columns[i] = orgcast.Column{Name: strings.Repeat("c", i%64), TypeOID: 25, TypeMod: -1, Key: true}
		r[i] = strings.Repeat("v", i%7)
	}
	d := begun(t)
	feed(t, d, pgoutputtest.Relation(wide))
	m := feed(t, d, pgoutputtest.Update(wide, r, r))
	if !reflect.DeepEqual(m.Change.New, values(r)) || !reflect.DeepEqual(m.Change.Old, values(r)) {
		t.Error("a row of 1,600 columns came back different")
	}
	// A narrow row after it has its own width, not the widest.
	if m = feed(t, d, pgoutputtest.Insert(notes, row{"n1", "x"})); !reflect.DeepEqual(m.Change.New, values(row{"n1", "x"})) {
		t.Errorf("got %q", m.Change.New)
	}
}

func TestTheShortestColumnsFit(t *testing.T) {
	short := &orgcast.Relation{OID: 1, Schema: "s", Name: "t", Identity: orgcast.IdentityDefault, Columns: make([]orgcast.Column, 3)}
	if m := feed(t, NewDecoder(), pgoutputtest.Relation(short)); !reflect.DeepEqual(m.Relation, short) {
		t.Errorf("got %+v", m.Relation)
	}
}

func TestATableWithoutColumnsHasRows(t *testing.T) {
	none := &orgcast.Relation{OID: 1, Schema: "public", Name: "none", Identity: orgcast.IdentityFull}
	d := begun(t)
	feed(t, d, pgoutputtest.Relation(none))
	if m := feed(t, d, pgoutputtest.Insert(none, row{})); m.Change.New == nil {
		t.Error("an insert without a new row")
	}
	if m := feed(t, d, pgoutputtest.Delete(none, row{})); m.Change.Old == nil || m.Change.New != nil {
		t.Error("a delete without an old row, or with a new one")
	}
}
