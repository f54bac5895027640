package eventlog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
)

// A reader of one organization is given no event of another, however much their
// names are alike, nor is a cursor of one a place in the other.
func TestNearlyTheSameNameIsAnother(t *testing.T) {
	alike := []orgcast.OrganizationID{"org_1", "org_10", "org_1\x00", "org_1\xff", "org_", "org_1org_1", "\x05org_1", "o", "ORG_1", orgcast.OrganizationID("org_1" + strings.Repeat("0", 250))}
	t.Run("key-prefix-organizations", func(t *testing.T) {
		log := eventlogtest.New(t, eventlog.Hooks{})
		want := map[orgcast.OrganizationID][]string{}
		lsn := eventlogtest.Start
		for round := range 30 {
			lsn += 100
			var events []*orgcast.Event
			for i, o := range alike {
				if (round+i)%3 == 0 {
					continue // so that they are not all alike
				}
				e := eventlogtest.Event(o, lsn, uint64(i)*orgcast.SubIndexes)
				events = append(events, e)
				want[o] = append(want[o], e.Cursor.String())
			}
			eventlogtest.Append(t, log, lsn+10, events...)
		}
		from := orgcast.Position(eventlogtest.Epoch, eventlogtest.Start)
		for _, o := range alike {
			for n := range len(want[o]) {
				after := from
				if n > 0 {
					after, _ = orgcast.ParseCursor(want[o][n-1])
				}
				var got []string
				for _, e := range eventlogtest.Read(t, log, o, after, eventlogtest.At(1<<40, 0)) {
					if e.Organization != o {
						t.Errorf("a reader of %.20q is given an event of %.20q", o, e.Organization)
					}
					got = append(got, e.Cursor.String())
				}
				if !slices.Equal(got, want[o][n:]) {
					t.Fatalf("%.20q after %v: %v, want %v", o, after, got, want[o][n:])
				}
			}
		}
		for _, o := range []orgcast.OrganizationID{"", "org", "org_1\x01", "org_1o", "rg_1"} {
			if events := eventlogtest.Read(t, log, o, from, eventlogtest.At(1<<40, 0)); len(events) > 0 {
				t.Errorf("%q, which is nobody, is given %d events", o, len(events))
			}
		}
	})
}
