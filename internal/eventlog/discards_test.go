package eventlog

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/oikion/orgcast"
)

// begunIn is a log in memory, from the inside.
func begunIn(t *testing.T) *Log {
	t.Helper()
	l, err := Open("log", Options{FS: vfs.NewMem(), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := l.Begin(t.Context(), Identity{SystemID: 1}, 7, 1000, func(func(orgcast.StateChange) error) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return l
}

// put appends an event of a transaction, and its end, or a part of it if that is zero.
func put(t *testing.T, l *Log, organization orgcast.OrganizationID, lsn, end orgcast.LSN) {
	t.Helper()
	b := l.Batch()
	b.Event(&orgcast.Event{Cursor: orgcast.Cursor{Epoch: 7, LSN: lsn}, Organization: organization, Frame: []byte("x")})
	if err := l.Append(b, end, l.opts.Now()); err != nil {
		t.Fatal(err)
	}
}

// TestATrimTakesNothingThatItDidNotMeasure: a segment that is closed while it is
// measured is the last one again after a discard, and may get events of others.
func TestATrimTakesNothingThatItDidNotMeasure(t *testing.T) {
	l := begunIn(t)
	put(t, l, "a", 1010, 1011)
	l.rotate.Store(true)
	put(t, l, "a", 2000, 0) // a part of a large transaction, in a segment of its own
	r := l.newRemoval()
	if err := l.cutsOf(t.Context(), r, []excess{{"a", 1 << 30}}); err != nil || len(r.whole) != 1 {
		t.Fatalf("%v, %v", r.whole, err)
	}
	if err := l.Discard(); err != nil { // the connection was lost
		t.Fatal(err)
	}
	put(t, l, "b", 1500, 1501)
	if _, _, err := l.remove(r); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := l.Read(t.Context(), "b", orgcast.Position(7, 1400), orgcast.Position(7, 1501), func(*orgcast.Event) bool { n++; return true })
	if n != 1 || err != nil {
		t.Errorf("%d events are read, %v", n, err)
	}
}

// TestOtherRulesMayComeIntoALargeTransaction: its parts are gone, and come again.
func TestOtherRulesMayComeIntoALargeTransaction(t *testing.T) {
	l := begunIn(t)
	put(t, l, "a", 2000, 0)
	if err := l.ChangeRules(t.Context(), "r", "t", 0, true); err != nil {
		t.Fatal(err)
	}
	if at := l.FloorOf("a"); at != l.Floor() {
		t.Errorf("the floor is %v, of what is not told yet", at)
	}
	put(t, l, "a", 2000, 2001)
}
