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
	end, killed := orgcast.Position(eventlogtest.Epoch, 2051), orgcast.Position(eventlogtest.Epoch, 2091)
	for _, c := range []struct {
		name    string
		told    orgcast.LSN // beside what is stored
		narrows bool
		all     bool // there is an event for everyone
		// by organization, the lowest cursor that can be resumed from
		a, b, none orgcast.Cursor
	}{
		{"rules that narrow", 2091, true, false, eventlogtest.At(2040, 0), eventlogtest.At(2050, 8), orgcast.Position(eventlogtest.Epoch, 1000)},
		{"an event for everyone is missing to everyone", 2091, true, true, eventlogtest.At(2060, 0), eventlogtest.At(2060, 0), eventlogtest.At(2060, 0)},
		{"rules that may widen", 2051, false, false, end, end, end},
		{"rules that may widen, and who was told of more than is stored", 2091, false, false, killed, killed, killed},
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
			if err := log.ChangeRules(t.Context(), "other", "tables", c.told, c.narrows); err != nil {
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
					if got := log.ResumeFloor(organization); got != floor {
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
			from := c.a
			if !c.narrows {
				from = log.Floor() // who is there already reads on from the position
			}
			if got := eventlogtest.Read(t, log, "a", from, eventlogtest.At(1<<62, 0)); len(got) != 1 {
				t.Errorf("what comes then: %v", got)
			}
			eventlogtest.Append(t, log, 2101, eventlogtest.Event("a", 2100, 0))
			if got := eventlogtest.Read(t, log, "a", c.a, eventlogtest.At(1<<62, 0)); len(got) == 0 || got[len(got)-1].Cursor != eventlogtest.At(2100, 0) {
				t.Errorf("what comes then: %v", got)
			}
			eventlogtest.Begin(t, log)
			if got := log.ResumeFloor("a"); got != orgcast.Position(eventlogtest.Epoch, eventlogtest.Start) {
				t.Errorf("of a log begun anew: %v", got)
			}
			mustClose(t, log)
		})
	}
}

func TestAnEmptyLogHasNoRules(t *testing.T) {
	log := open(t, filepath.Join(t.TempDir(), "log"), eventlog.Options{})
	defer mustClose(t, log)
	if err := log.ChangeRules(t.Context(), "r", "t", 0, true); !errors.Is(err, eventlog.ErrEmpty) {
		t.Errorf("%v", err)
	}
}
