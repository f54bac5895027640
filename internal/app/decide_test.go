package app

import (
	"testing"

	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/replication"
)

// TestTheLogIsContinuedOnlyWhereNothingCanBeMissing is the list of what may have
// happened while nobody looked, with the one right answer to each.
func TestTheLogIsContinuedOnlyWhereNothingCanBeMissing(t *testing.T) {
	identity := eventlog.Identity{SystemID: 7, Timeline: 1, Database: "app", Slot: "orgcast_app", State: "s", Rules: "r", Tables: "a=1\nb=2"}
	good := func() found {
		return found{
			log: identity, now: identity, durable: 1000, walEnd: 5000,
			slot: &replication.Slot{ConfirmedFlush: 900, WALStatus: "reserved"},
		}
	}
	for _, tt := range []struct {
		name      string
		change    func(*found)
		continues bool
	}{
		{"nothing happened", func(*found) {}, true},
		{"the slot went back, as after a crash of the server", func(f *found) { f.slot.ConfirmedFlush = 1 }, true},
		{"the slot is where the log is", func(f *found) { f.slot.ConfirmedFlush = 1000 }, true},
		{"the slot was confirmed beyond the log", func(f *found) { f.slot.ConfirmedFlush = 1001 }, false},
		{"first start", func(f *found) { f.empty, f.slot = true, nil }, false},
		{"log lost", func(f *found) { f.empty = true }, false},
		{"slot dropped", func(f *found) { f.slot = nil }, false},
		{"slot invalidated", func(f *found) { f.slot.WALStatus = "lost" }, false},
		{"another cluster", func(f *found) { f.now.SystemID = 8 }, false},
		{"another database", func(f *found) { f.now.Database = "other" }, false},
		{"another slot", func(f *found) { f.now.Slot = "other" }, false},
		{"another parent table", func(f *found) { f.now.State = "s2" }, false},
		{"other rules", func(f *found) { f.now.Rules = "r2" }, true},
		{"another table", func(f *found) { f.now.Tables = "a=1\nb=2\nc=3" }, true},
		{"a table less", func(f *found) { f.now.Tables = "b=2" }, true},
		{"a table that was taken out and put back", func(f *found) { f.now.Tables = "a=1\nb=3" }, false},
		{"restored from a backup", func(f *found) { f.walEnd = 999 }, false},
		{"restored to where nothing was stored, but told", func(f *found) { f.told, f.walEnd = 2000, 1500 }, false},
		{"a standby took over before what was told", func(f *found) {
			f.told, f.now.Timeline, f.history = 1300, 2, []replication.TimelineSwitch{{Timeline: 1, At: 1200}}
		}, false},
		{"a standby took over behind our position", func(f *found) {
			f.now.Timeline, f.history = 2, []replication.TimelineSwitch{{Timeline: 1, At: 1200}}
		}, true},
		{"a standby took over before our position", func(f *found) {
			f.now.Timeline, f.history = 2, []replication.TimelineSwitch{{Timeline: 1, At: 800}}
		}, false},
		{"a standby took over while nobody knew what was told", func(f *found) {
			f.blind, f.now.Timeline, f.history = true, 2, []replication.TimelineSwitch{{Timeline: 1, At: 1200}}
		}, false},
		{"a new process on the same timeline", func(f *found) { f.blind = true }, true},
		{"two take-overs, ours is in the history", func(f *found) {
			f.log.Timeline, f.now.Timeline = 2, 3
			f.history = []replication.TimelineSwitch{{Timeline: 1, At: 100}, {Timeline: 2, At: 1000}}
		}, true},
		{"our timeline is a side branch", func(f *found) {
			f.log.Timeline, f.now.Timeline = 2, 3
			f.history = []replication.TimelineSwitch{{Timeline: 1, At: 1200}}
		}, false},
	} {
		f := good()
		tt.change(&f)
		if reason := decide(f); (reason == "") != tt.continues {
			t.Errorf("%s: continued is %v, reason %q", tt.name, reason == "", reason)
		}
	}
}
