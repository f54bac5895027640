package route

import (
	"fmt"
	"testing"

	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
)

// TestOrganizationsThatBeginAndEndAreToldInOrder: what is told here to have ended
// loses its part of the log.
func TestOrganizationsThatBeginAndEndAreToldInOrder(t *testing.T) {
	a, b := row{"a", "Acme"}, row{"b", "Bee"}
	w := newWorld(t, smallRules, members{}, orgs)
	tests := []struct {
		name   string
		frames rows
		want   string
	}{
		{"two are made", rows{insert(orgs, a), insert(orgs, b)}, "[{a true} {b true}]"},
		{"a new name", rows{update(orgs, row{"a", "Acme 2"}, a)}, "[]"},
		{"the same row", rows{update(orgs, a, a)}, "[]"},
		{"a new name, without the old row", rows{update(orgs, row{"b", "Bee 2"}, nil)}, "[]"},
		{"another id", rows{update(orgs, row{"c", "Acme"}, a)}, "[{a false} {c true}]"},
		{"deleted, and made again", rows{remove(orgs, b), insert(orgs, b)}, "[{b false} {b true}]"},
		{"deleted", rows{remove(orgs, b)}, "[{b false}]"},
		{"all are gone", rows{truncate(orgs)}, "[{c false}]"},
		{"and one is back", rows{insert(orgs, a)}, "[{a true}]"},
	}
	for _, tt := range tests {
		if got := fmt.Sprint(w.commit(tt.frames...).Organizations); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	out := w.commit(remove(orgs, a))
	out.ResetEvents()
	out.ResetStates()
	if len(out.Organizations) != 1 {
		t.Error("a part of a transaction forgets what it deletes")
	}
	if out.Reset(); len(out.Organizations) != 0 {
		t.Error("the next transaction deletes it too")
	}
	if out = w.commit(insert(orgs, a), update(orgs, row{pgoutputtest.Unchanged, "Acme"}, a)); fmt.Sprint(out.Organizations) != "[{a true}]" {
		t.Errorf("an id that was not sent again is another one: %v", out.Organizations)
	}
}
