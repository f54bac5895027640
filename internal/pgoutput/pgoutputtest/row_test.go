package pgoutputtest

import (
	"slices"
	"testing"

	"github.com/oikion/orgcast"
)

var clients = &orgcast.Relation{OID: 1, Schema: "public", Name: "clients", Identity: orgcast.IdentityDefault,
	Columns: []orgcast.Column{{Name: "id", Key: true}, {Name: "name"}, {Name: "bio"}}}

func TestRowOfPutsValuesInTheirColumns(t *testing.T) {
	got := RowOf(clients, map[string]any{"bio": Unchanged, "id": "c1"})
	if want := (Row{"c1", nil, Unchanged}); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWhatHasNoBytesPanics(t *testing.T) {
	for name, build := range map[string]func(){
		"a value for no column":       func() { RowOf(clients, map[string]any{"id": "c1", "nmae": "x"}) },
		"a value of another type":     func() { Insert(clients, Row{1, nil, nil}) },
		"more columns than a row has": func() { Insert(clients, make(Row, 1<<16)) },
		"a wider relation than any": func() {
			Relation(&orgcast.Relation{Columns: make([]orgcast.Column, 1<<16)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			build()
		})
	}
}
