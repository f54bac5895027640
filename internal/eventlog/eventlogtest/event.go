package eventlogtest

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
)

func testEvent(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log)
	events := []*orgcast.Event{
		Event("", 1001, 0),
		{Cursor: At(1001, 1), Type: orgcast.NotificationNew, Audience: orgcast.Audience{User: "u1"}, Frame: []byte("x")},
		{Cursor: At(1001, 2), Type: orgcast.SystemAlert, Audience: orgcast.Audience{Roles: []string{"ORG_OWNER", ""}}},
		{Cursor: At(1001, 3), Type: orgcast.SystemAlert, Audience: orgcast.Audience{Users: []orgcast.UserID{"u1", "u2"}}, Frame: []byte("y")},
		{Cursor: At(1001, 1<<63), Kind: orgcast.KindReset, Audience: orgcast.Audience{User: "u", Roles: []string{"r"}}, Frame: make([]byte, 70_000)},
		Event("", 1001, 1<<63+8),
	}
	b := log.Batch()
	for _, e := range events {
		b.Event(e)
		for i := range e.Frame { // copied: the caller's buffer is its own again
			e.Frame[i] ^= 0xff
		}
	}
	if err := log.Append(b, 2000, Committed); err != nil {
		t.Fatal(err)
	}
	log = reopen(t, log, open)
	got := Read(t, log, "", log.Floor(), end)
	if len(got) != len(events) {
		t.Fatalf("read %d events", len(got))
	}
	for i, e := range events {
		for i := range e.Frame {
			e.Frame[i] ^= 0xff
		}
		if len(e.Frame) == 0 {
			e.Frame = nil
		}
		if !reflect.DeepEqual(got[i], *e) {
			t.Fatalf("event %d is %+v, want %+v", i, got[i], *e)
		}
	}
	closeLog(t, log)
}

func testMerge(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log)
	Append(t, log, 1010, Event("a", 1001, 0), Event(orgcast.Everyone, 1001, 8), Event("b", 1001, 9), Event("a", 1002, 0))
	Append(t, log, 1020, Event(orgcast.Everyone, 1011, 0), Event("b", 1012, 0), Event(orgcast.Everyone, 1012, 8), Event("a", 1012, 16))
	floor := log.Floor()
	wantCursors(t, Read(t, log, "a", floor, end), "1001.0", "1001.8", "1002.0", "1011.0", "1012.8", "1012.16")
	wantCursors(t, Read(t, log, "b", floor, end), "1001.8", "1001.9", "1011.0", "1012.0", "1012.8")
	wantCursors(t, Read(t, log, "none", floor, end), "1001.8", "1011.0", "1012.8")
	wantCursors(t, Read(t, log, orgcast.Everyone, floor, end), "1001.8", "1011.0", "1012.8")
	for _, e := range Read(t, log, "a", floor, end) {
		if e.Organization != "a" && e.Organization != orgcast.Everyone {
			t.Fatalf("event of %q", e.Organization)
		}
	}
	closeLog(t, log)
}

// Organizations that are the easiest to take for each other.
var neighbours = []orgcast.OrganizationID{
	"", "\x00", "\x00\x00", "org_1", "org_10", "org_1\x00", "org_100", "org_2", "ORG_1", "org_1*", "**", "\xff", "\xff\xff",
	orgcast.OrganizationID(strings.Repeat("x", 254)), orgcast.OrganizationID(strings.Repeat("x", 255)),
}

func testIsolation(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log)
	lsn := Start
	for round := range 3 {
		for i, o := range neighbours {
			lsn += 10
			// The bytes of an LSN or an index must not be taken for those of an id.
			Append(t, log, lsn, Event(o, lsn-2, uint64(i)<<56), Event(o, lsn-1, uint64(round)))
		}
	}
	for _, o := range neighbours {
		events := Read(t, log, o, log.Floor(), end)
		if len(events) != 6 {
			t.Fatalf("%q reads %d events", o, len(events))
		}
		for _, e := range events {
			if want := Event(o, e.Cursor.LSN, e.Cursor.Index); !reflect.DeepEqual(e, *want) {
				t.Fatalf("%q reads %q", o, e.Frame)
			}
		}
	}
	tooLong := orgcast.OrganizationID(strings.Repeat("x", 256))
	log.Batch().Event(Event("org_1", lsn, 0))
	log.Batch().Event(Event(tooLong, lsn+1, 0))
	wantErr(t, log.Append(log.Batch(), lsn+10, Committed), eventlog.ErrTooLong)
	wantErr(t, log.Read(t.Context(), tooLong, log.Floor(), end, nil), eventlog.ErrTooLong)
	if n := len(Read(t, log, "org_1", log.Floor(), end)); n != 6 {
		t.Fatalf("a refused batch was written in part: %d events", n)
	}
	closeLog(t, log)
}

func testBounds(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log)
	Append(t, log, 1010, Event("a", 1001, 0), Event("a", 1001, 8), Event("a", 1002, 0))
	wantCursors(t, Read(t, log, "a", At(1001, 0), At(1002, 0)), "1001.8", "1002.0")
	wantCursors(t, Read(t, log, "a", At(1001, 1), At(1001, 8)), "1001.8")
	wantCursors(t, Read(t, log, "a", At(1001, 8), At(1001, 8)))
	wantCursors(t, Read(t, log, "a", At(1002, 0), At(1001, 0)))
	wantCursors(t, Read(t, log, "a", orgcast.Position(Epoch, 1003), end))
	wantCursors(t, Read(t, log, "a", orgcast.Position(Epoch, 1001), At(1001, 0)), "1001.0")
	wantCursors(t, Read(t, log, "a", At(1<<63, 0), At(1<<63+1, 0)))
	closeLog(t, log)
}

func testStop(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log)
	b := log.Batch()
	for i := range 2000 {
		b.Event(Event("a", 1001, uint64(i)))
	}
	if err := log.Append(b, 1010, Committed); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := log.Read(t.Context(), "a", log.Floor(), end, func(*orgcast.Event) bool { n++; return n < 3 })
	if err != nil || n != 3 {
		t.Fatalf("stopped after %d events: %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	err = log.Read(ctx, "a", log.Floor(), end, func(*orgcast.Event) bool { n++; cancel(); return true })
	wantErr(t, err, context.Canceled)
	if n >= 2000 {
		t.Fatal("a cancelled reader read on to the end")
	}
	wantErr(t, log.Read(ctx, "a", At(0, 0), end, nil), context.Canceled)
	closeLog(t, log)
}

func testDurable(t *testing.T, open Opener) {
	var log *eventlog.Log
	var durable []orgcast.LSN
	log, err := open(eventlog.Hooks{Durable: func(lsn orgcast.LSN) {
		if lsn > log.Position() {
			t.Errorf("durable %d is above position %d", lsn, log.Position())
		}
		durable = append(durable, lsn)
	}})
	if err != nil {
		t.Fatal(err)
	}
	Begin(t, log)
	for i := range orgcast.LSN(100) {
		if i%3 == 0 {
			Append(t, log, Start+10*i+10)
		} else {
			Append(t, log, Start+10*i+10, Event("a", Start+10*i, 0))
		}
	}
	if log.Position() != Start+1000 {
		t.Fatalf("position %d", log.Position())
	}
	closeLog(t, log) // waits for the last fsync
	// One fsync may be that of many.
	if n := len(durable); n == 0 || n > 100 || durable[n-1] != Start+1000 || log.Durable() != Start+1000 {
		t.Fatalf("durable positions %d, the last %d", durable, log.Durable())
	}
	for i, lsn := range durable {
		if lsn%10 != Start%10 || i > 0 && lsn <= durable[i-1] {
			t.Fatalf("durable positions %d", durable)
		}
	}
}

func testBelowPosition(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log)
	Append(t, log, 1010, Event("a", 1005, 0))
	for range 2 {
		log.Batch().Event(Event("a", 1005, 0))
		wantErr(t, log.Append(log.Batch(), 1010, Committed), eventlog.ErrBelowPosition)
		log.Batch().Event(Event("a", 1009, 0))
		wantErr(t, log.Append(log.Batch(), 1020, Committed), eventlog.ErrBelowPosition)
		wantErr(t, log.Append(log.Batch(), 1009, Committed), eventlog.ErrBelowPosition)
		if err := log.Append(log.Batch(), 1010, Committed); err != nil {
			t.Fatalf("the position that is reached already: %v", err)
		}
		wantCursors(t, Read(t, log, "a", log.Floor(), end), "1005.0")
		log = reopen(t, log, open)
	}
	// A commit record may begin where the one before it ends.
	Append(t, log, 1020, Event("a", 1010, 0))
	wantCursors(t, Read(t, log, "a", log.Floor(), end), "1005.0", "1010.0")
	closeLog(t, log)
}

func testOrder(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log)
	other := Event("a", 1001, 0)
	other.Cursor.Epoch++
	for i, events := range [][]*orgcast.Event{
		{Event("a", 1001, 0), Event("b", 1001, 0)},
		{Event("a", 1001, 8), Event("a", 1001, 0)},
		{Event("a", 1002, 0), Event("a", 1001, 8)},
		{Event("a", 1010, 0)},
		{other},
		{Event("a", 1000, 0), other},
	} {
		for _, e := range events {
			log.Batch().Event(e)
		}
		err := log.Append(log.Batch(), 1010, Committed)
		if !errors.Is(err, eventlog.ErrOrder) {
			t.Fatalf("case %d: error %v", i, err)
		}
		if log.Batch().Len() != 0 {
			t.Fatalf("case %d: the batch still holds something", i)
		}
	}
	wantCursors(t, Read(t, log, "a", log.Floor(), end))
	if log.Position() != Start {
		t.Fatalf("position %d", log.Position())
	}
	log.Batch().Event(Event("a", 1001, 0))
	log.Batch().Event(Event("a", 1002, 0))
	wantErr(t, log.Append(log.Batch(), 0, Committed), eventlog.ErrOrder)
	closeLog(t, log)
}

func testRedelivery(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log)
	Append(t, log, 1010, Event("a", 1001, 0))
	Append(t, log, 0, Event("a", 1015, 0), Event("b", 1015, 8))
	Append(t, log, 0, Event("a", 1015, 16), Event("b", 1015, 24))
	Append(t, log, 0, Event("a", 1015, 0)) // from its start, in other parts, by other rules
	Append(t, log, 1020, Event("b", 1015, 24))
	wantCursors(t, Read(t, log, "a", log.Floor(), end), "1001.0", "1015.0")
	wantCursors(t, Read(t, log, "b", log.Floor(), end), "1015.24")
	log = reopen(t, log, open)
	wantCursors(t, Read(t, log, "a", log.Floor(), end), "1001.0", "1015.0")
	// Parts, and then another transaction before theirs: theirs will come again.
	Append(t, log, 0, Event("a", 1035, 0))
	Append(t, log, 1030, Event("a", 1025, 0))
	Append(t, log, 1040, Event("a", 1035, 8))
	log = reopen(t, log, open)
	wantCursors(t, Read(t, log, "a", log.Floor(), end), "1001.0", "1015.0", "1025.0", "1035.8")
	// A position below the parts does not end their transaction.
	Append(t, log, 0, Event("a", 1055, 0))
	Append(t, log, 1050)
	log = reopen(t, log, open)
	wantCursors(t, Read(t, log, "a", log.Floor(), end), "1001.0", "1015.0", "1025.0", "1035.8")
	closeLog(t, log)
}
