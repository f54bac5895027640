package replication

import (
	"testing"
)

func TestASlotIsHeavyByItsBytesOrByWhatItMayKeep(t *testing.T) {
	for _, c := range []struct {
		slot  Slot
		heavy bool
	}{
		{Slot{RetainedBytes: 100}, false},
		{Slot{RetainedBytes: 101}, true},
		{Slot{RetainedBytes: 30, SafeBytes: 30, Limited: true}, false},
		{Slot{RetainedBytes: 31, SafeBytes: 30, Limited: true}, true},
		{Slot{RetainedBytes: 31, SafeBytes: -5, Limited: true}, true},
		{Slot{RetainedBytes: 31}, false},
		{Slot{RetainedBytes: 1000, WALStatus: "lost"}, false},
	} {
		if got := c.slot.Heavy(100); got != c.heavy {
			t.Errorf("%+v: heavy is %v", c.slot, got)
		}
	}
}

func TestSlotsColumnsAreReadOnEveryVersion(t *testing.T) {
	row := func(status, safe, reason, conflicting string) []string {
		return []string{"s", "pgoutput", "app", status, "t", "42", "f", "0/20", "0/10", "1234", safe, reason, conflicting, "true", ""}
	}
	for _, c := range []struct {
		row  []string
		want Slot
		lost bool
	}{
		{row("reserved", "99", "", ""), Slot{WALStatus: "reserved", SafeBytes: 99, Limited: true}, false},
		{row("extended", "", "", "false"), Slot{WALStatus: "extended"}, false},
		{row("lost", "", "", ""), Slot{WALStatus: "lost"}, true},
		{row("reserved", "", "", "true"), Slot{WALStatus: "reserved", InvalidationReason: "conflicting with recovery"}, true},
		{row("reserved", "", "idle_timeout", ""), Slot{WALStatus: "reserved", InvalidationReason: "idle_timeout"}, true},
	} {
		want := c.want
		want.Name, want.Plugin, want.Database, want.Active, want.ActivePID = "s", "pgoutput", "app", true, 42
		want.ConfirmedFlush, want.Restart, want.RetainedBytes, want.Failover = 0x20, 0x10, 1234, true
		got, err := parseSlot(c.row)
		if err != nil || *got != want || got.Lost() != c.lost {
			t.Errorf("got  %+v, lost %v, %v\nwant %+v, lost %v", got, got.Lost(), err, want, c.lost)
		}
	}
	// A physical slot, and one that has reserved nothing.
	empty := make([]string, 15)
	if got, err := parseSlot(empty); err != nil || *got != (Slot{}) {
		t.Errorf("got %+v, %v", got, err)
	}
	bad := row("reserved", "", "", "")
	bad[7] = "nonsense"
	if _, err := parseSlot(bad); err == nil {
		t.Error("a position that is none was read")
	}
}
