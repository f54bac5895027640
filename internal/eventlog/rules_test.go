package eventlog_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
)

// A cursor that is resumed over what other rules made would be a leak, or a gap.
func TestNothingThatOtherRulesMadeIsReplayed(t *testing.T) {
	end := orgcast.Position(eventlogtest.Epoch, 2051)
	for _, c := range []struct {
		name    string
		narrows bool
		all     bool // there is an event for everyone
		// by organization, the lowest cursor that can be resumed from
		a, b, none orgcast.Cursor
	}{
		{"rules that narrow", true, false, eventlogtest.At(2040, 0), eventlogtest.At(2050, 8), orgcast.Position(eventlogtest.Epoch, 1000)},
		{"an event for everyone is missing to everyone", true, true, eventlogtest.At(2060, 0), eventlogtest.At(2060, 0), eventlogtest.At(2060, 0)},
		{"rules that may widen", false, false, end, end, end},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "log")
			told := int64(0)
			log := open(t, dir, eventlog.Options{Hooks: eventlog.Hooks{Retired: func(events, _ int64) { told += events }}})
			eventlogtest.Begin(t, log)
			eventlogtest.Append(t, log, 2011, eventlogtest.Event("a", 2010, 0), eventlogtest.Event("b", 2010, 8))
			eventlogtest.Append(t, log, 2041, eventlogtest.Event("a", 2040, 0))
			eventlogtest.Append(t, log, 2051, eventlogtest.Event("b", 2050, 0), eventlogtest.Event("b", 2050, 8))
			if c.all {
				eventlogtest.Append(t, log, 2061, eventlogtest.Event(orgcast.Everyone, 2060, 0))
			}
			begun, epoch, _ := log.Identity()
			if err := log.ChangeRules(t.Context(), "other", "tables", c.narrows); err != nil {
				t.Fatal(err)
			}
			if want := int64(5); c.all && told != want+1 || !c.all && told != want {
				t.Errorf("%d events are counted as given up", told)
			}
			for range 2 { // and again after a restart
				now, same, _ := log.Identity()
				begun.Rules, begun.Tables = "other", "tables"
				if now != begun || same != epoch {
					t.Errorf("identity %+v, epoch %v", now, same)
				}
				for organization, floor := range map[orgcast.OrganizationID]orgcast.Cursor{"a": c.a, "b": c.b, "c": c.none} {
					if got := log.FloorOf(organization); got != floor {
						t.Errorf("%s can be resumed from %v, want %v", organization, got, floor)
					}
					if got := eventlogtest.Read(t, log, organization, floor, eventlogtest.At(1<<62, 0)); len(got) > 0 {
						t.Errorf("%s is told %v", organization, got)
					}
				}
				if err := log.Read(t.Context(), "a", eventlogtest.At(2010, 0), eventlogtest.At(1<<62, 0), func(*orgcast.Event) bool { return true }); !errors.Is(err, eventlog.ErrBelowFloor) {
					t.Errorf("from before: %v", err)
				}
				mustClose(t, log)
				log = open(t, dir, eventlog.Options{})
			}
			eventlogtest.Append(t, log, 2071, eventlogtest.Event("a", 2070, 0))
			if got := eventlogtest.Read(t, log, "a", c.a, eventlogtest.At(1<<62, 0)); len(got) != 1 {
				t.Errorf("what comes then: %v", got)
			}
			mustClose(t, log)
		})
	}
}

func TestAnEmptyLogHasNoRules(t *testing.T) {
	log := open(t, filepath.Join(t.TempDir(), "log"), eventlog.Options{})
	defer mustClose(t, log)
	if err := log.ChangeRules(t.Context(), "r", "t", true); !errors.Is(err, eventlog.ErrEmpty) {
		t.Errorf("%v", err)
	}
}
