package eventlogtest

import (
	"context"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
)

func testPurge(t *testing.T, open Opener) {
	var purged int64
	log, err := open(eventlog.Hooks{Purged: func(events, _ int64) { purged += events }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Purge(t.Context(), "org_1"); err == nil {
		t.Fatal("an empty log was purged")
	}
	Begin(t, log, put('o', "org_1", "Name"))
	lsn := Start
	for range 3 {
		for i, o := range neighbours {
			lsn += 10
			Append(t, log, lsn, Event(o, lsn-2, uint64(i)<<56), Event(o, lsn-1, 0))
		}
	}
	lsn += 10
	Append(t, log, lsn, Event(orgcast.Everyone, lsn-1, 0))
	before, floor := log.Floor(), orgcast.Position(Epoch, lsn)
	all := int64(6*len(neighbours) + 1)

	for _, o := range []orgcast.OrganizationID{"org_1", "", "\xff"} {
		got, err := log.Purge(t.Context(), o)
		if err != nil || got.Events != 6 || got.Bytes == 0 || got.Floor != floor || got.Floor != log.FloorOf(o) {
			t.Fatalf("purge of %q: %+v, %v; floor %s", o, got, err, log.FloorOf(o))
		}
		all -= 6
	}
	if again, err := log.Purge(t.Context(), "org_1"); err != nil || again.Events != 0 {
		t.Fatalf("purge again: %+v, %v", again, err)
	}
	if purged != 18 {
		t.Fatalf("%d purged events were told", purged)
	}
	gone := map[orgcast.OrganizationID]bool{"org_1": true, "": true, "\xff": true}
	for range 3 { // also after a restart
		for _, o := range neighbours {
			if gone[o] {
				err := log.Read(t.Context(), o, before, end, func(*orgcast.Event) bool {
					t.Errorf("%q reads what was purged", o)
					return false
				})
				wantErr(t, err, eventlog.ErrBelowFloor)
				wantErr(t, log.Read(t.Context(), o, At(log.FloorOf(o).LSN-1, 0), end, nil), eventlog.ErrBelowFloor)
				continue
			}
			if log.FloorOf(o) != before {
				t.Fatalf("floor of %q is %s", o, log.FloorOf(o))
			}
			if n := len(Read(t, log, o, before, end)); n != 7 {
				t.Fatalf("%q reads %d events", o, n)
			}
		}
		if n := log.Stats().Events; n != all || log.Floor() != before {
			t.Fatalf("%d events of %d; floor %s", n, all, log.Floor())
		}
		if got := stateOf(t, log); got["oorg_1"] != "Name" {
			t.Fatalf("state %v", got)
		}
		log = reopen(t, log, open)
	}

	// What comes afterwards is read from the floor on.
	from := log.FloorOf("org_1")
	lsn += 10
	Append(t, log, lsn, Event("org_1", lsn-2, 0), Event("org_10", lsn-2, 8))
	log = reopen(t, log, open)
	if got := Read(t, log, "org_1", from, end); len(got) != 1 || got[0].Cursor.LSN != lsn-2 {
		t.Fatalf("after the purge %+v is read", got)
	}
	wantErr(t, log.Read(t.Context(), "org_1", before, end, nil), eventlog.ErrBelowFloor)

	_, err = log.Purge(t.Context(), orgcast.Everyone)
	wantErr(t, err, eventlog.ErrNotOne)
	_, err = log.Purge(t.Context(), orgcast.OrganizationID(strings.Repeat("x", 256)))
	wantErr(t, err, eventlog.ErrTooLong)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = log.Purge(ctx, "org_10")
	wantErr(t, err, context.Canceled)
	wantErr(t, log.Read(t.Context(), "org_10", before, end, nil), eventlog.ErrBelowFloor) // hidden at once
	log = reopen(t, log, open)                                                            // which finishes it
	if n := log.Stats().Events; n != all+2-7 {
		t.Fatalf("%d events after a purge that was cut, want %d", n, all+2-7)
	}
	closeLog(t, log)
	_, err = log.Purge(t.Context(), "org_1")
	wantErr(t, err, eventlog.ErrClosed)

	log = must(t, open)
	Begin(t, log)
	if log.FloorOf("org_1") != log.Floor() {
		t.Fatalf("a floor of another epoch: %s", log.FloorOf("org_1"))
	}
	log = reopen(t, log, open)
	if log.FloorOf("org_1") != log.Floor() {
		t.Fatalf("a floor of another epoch is back: %s", log.FloorOf("org_1"))
	}
	closeLog(t, log)
}

func testPurgeWithinTransaction(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log)
	Append(t, log, 1010, Event("a", 1001, 0))
	Append(t, log, 0, Event("a", 1015, 0), Event("b", 1015, 8))
	if p, err := log.Purge(t.Context(), "a"); err != nil || p.Events != 1 {
		t.Fatalf("purge: %+v, %v", p, err)
	}
	Append(t, log, 1020, Event("a", 1015, 16))
	wantCursors(t, Read(t, log, "a", log.FloorOf("a"), end), "1015.0", "1015.16")
	log = reopen(t, log, open)
	wantCursors(t, Read(t, log, "a", log.FloorOf("a"), end), "1015.0", "1015.16")

	// Its parts are removed, and come again.
	Append(t, log, 0, Event("a", 1025, 0))
	if p, err := log.Purge(t.Context(), "a"); err != nil || p.Events != 2 {
		t.Fatalf("purge: %+v, %v", p, err)
	}
	log = reopen(t, log, open)
	wantCursors(t, Read(t, log, "a", log.FloorOf("a"), end))
	Append(t, log, 1030, Event("a", 1025, 0), Event("a", 1025, 8))
	wantCursors(t, Read(t, log, "a", log.FloorOf("a"), end), "1025.0", "1025.8")
	closeLog(t, log)
}
