package app

import (
	"fmt"
	"strings"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/replication"
)

// found is what is there when a connection is made.
type found struct {
	// log says what the log is a log of; empty is true if of nothing yet.
	log     eventlog.Identity
	empty   bool
	durable orgcast.LSN
	// told is the highest position that a client may have heard of; it may lie
	// beyond durable.
	told orgcast.LSN
	// blind tells that this process has told nobody anything yet: how far the one
	// before had come with positions that were not stored is not known.
	blind bool
	// now is what the log would be a log of if it began now.
	now     eventlog.Identity
	walEnd  orgcast.LSN
	slot    *replication.Slot // nil: there is none
	history []replication.TimelineSwitch
}

// decide tells whether the log can be continued from the slot; if not, why: a
// new slot, snapshot and epoch are then needed, and every client refetches.
// Nothing is skipped in silence.
func decide(f found) (restart string) {
	switch {
	case f.empty && f.slot == nil:
		return "first start"
	case f.empty:
		return "the log is empty, but the slot exists: what it would send does not begin where a snapshot can be taken"
	case f.log.SystemID != f.now.SystemID:
		return "the log is of another database cluster"
	case f.log.Database != f.now.Database:
		return fmt.Sprintf("the log is of database %q", f.log.Database)
	case f.log.Slot != f.now.Slot:
		return fmt.Sprintf("the log was read from slot %q", f.log.Slot)
	case f.log.State != f.now.State:
		return "the parent tables of the rules, the publication or a column in it are not those that the log was begun with"
	case remade(f.log.Tables, f.now.Tables) != "":
		return fmt.Sprintf("table %s was taken out of the publication and put back, or made anew", remade(f.log.Tables, f.now.Tables))
	case f.slot == nil:
		return "the slot is gone"
	case f.slot.Lost():
		return "the slot was invalidated: the WAL it needed is gone"
	case f.slot.ConfirmedFlush > f.durable:
		return "the slot was confirmed beyond the log: what lies between is not in it"
	case f.walEnd < max(f.durable, f.told):
		return "the database's WAL ends before the log: it was restored, or a standby that was behind took over"
	case f.log.Timeline != f.now.Timeline && !onTimeline(f.history, f.log.Timeline, max(f.durable, f.told)):
		return "the log lies on a timeline that the database has left"
	case f.log.Timeline != f.now.Timeline && f.blind:
		return "a standby took over while no orgcast ran: a client may have been told of positions beyond it"
	}
	return ""
}

// onTimeline tells whether a position of one timeline is part of the history
// that led to the present one.
func onTimeline(history []replication.TimelineSwitch, timeline int32, position orgcast.LSN) bool {
	for _, s := range history {
		if s.Timeline == timeline {
			return position <= s.At
		}
	}
	return false
}

// remade is a table that is in both lists, and is another one. A list has lines of
// name=what.
func remade(log, now string) string {
	was := entries(log)
	for name, what := range entries(now) {
		if before, ok := was[name]; ok && before != what {
			return name
		}
	}
	return ""
}

// joins says whether a list has a table that the log's has not.
func joins(log, now string) bool {
	was := entries(log)
	for name := range entries(now) {
		if _, ok := was[name]; !ok {
			return true
		}
	}
	return false
}

func entries(list string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(list) {
		line = strings.TrimSuffix(line, "\n")
		if i := strings.LastIndexByte(line, '='); i >= 0 {
			all[line[:i]] = line[i+1:]
		}
	}
	return all
}
