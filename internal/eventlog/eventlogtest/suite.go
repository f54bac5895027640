package eventlogtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
)

// Opener opens the log that a test is about; every call after the first, the
// same one again.
type Opener func(hooks eventlog.Hooks) (*eventlog.Log, error)

// Run holds a log against its promises. Each test is given an opener of a new
// log.
func Run(t *testing.T, opener func(t *testing.T) Opener) {
	tests := []struct {
		name string
		test func(t *testing.T, open Opener)
	}{
		{"an empty log wants Begin first", testEmpty},
		{"events, state and position are read back after a restart", testRestart},
		{"an event comes back as it was put", testEvent},
		{"a reader gets its own organization and everyone's, in cursor order", testMerge},
		{"no organization reads another whose id begins like its own", testIsolation},
		{"after is exclusive and up to inclusive", testBounds},
		{"a reader may stop, and a cancelled one does", testStop},
		{"durable follows position, in order", testDurable},
		{"state changes apply in order", testState},
		{"what the log has already is refused", testBelowPosition},
		{"what is out of order is refused whole", testOrder},
		{"a part moves nothing, the last part all", testParts},
		{"parts without a last part are gone after a restart", testTornTransaction},
		{"state that is staged counts with the last part, in order, and not before", testStaged},
		{"state that is staged by parts without a last part is gone", testTornState},
		{"a transaction that is redelivered after its first parts is there once", testRedelivery},
		{"Begin wipes, and a failed one leaves an empty log", testBegin},
		{"a cursor below the floor or of another epoch is refused", testFloor},
		{"a closed log says so", testClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, opener(t)) })
	}
}

func must(t *testing.T, open Opener) *eventlog.Log {
	t.Helper()
	log, err := open(eventlog.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func closeLog(t *testing.T, log *eventlog.Log) {
	t.Helper()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

func reopen(t *testing.T, log *eventlog.Log, open Opener) *eventlog.Log {
	t.Helper()
	closeLog(t, log)
	log = must(t, open)
	if err := log.Recovered(); err != nil {
		t.Fatalf("log was damaged by a clean restart: %v", err)
	}
	return log
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// wantCursors compares what a reader is passed with "lsn.index" texts.
func wantCursors(t *testing.T, events []orgcast.Event, want ...string) {
	t.Helper()
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprintf("%d.%d", e.Cursor.LSN, e.Cursor.Index))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("read %v, want %v", got, want)
	}
}

func stateOf(t *testing.T, log *eventlog.Log) map[string]string {
	t.Helper()
	state := map[string]string{}
	err := log.State(func(space orgcast.Space, key, value []byte) error {
		state[string(rune(space))+string(key)] = string(value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func put(space orgcast.Space, key, value string) orgcast.StateChange {
	return orgcast.StateChange{Space: space, Key: []byte(key), Value: []byte(value)}
}

var end = At(1<<62, 0)

func testEmpty(t *testing.T, open Opener) {
	log := must(t, open)
	if _, _, ok := log.Identity(); ok {
		t.Fatal("a new log has an identity")
	}
	log.Batch().Event(Event("a", 1001, 0))
	wantErr(t, log.Append(log.Batch(), 1002, Committed), eventlog.ErrEmpty)
	wantErr(t, log.Read(t.Context(), "a", At(0, 0), end, nil), eventlog.ErrEmpty)
	wantErr(t, log.SetTimeline(2), eventlog.ErrEmpty)
	log = reopen(t, log, open)
	if _, _, ok := log.Identity(); ok {
		t.Fatal("an empty log has an identity after a restart")
	}
	closeLog(t, log)
}

func testRestart(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log, put('m', "1", "owner"))
	b := log.Batch()
	b.Event(Event("a", 1001, 8))
	b.State(put('m', "2", "member"))
	if b.Len() != 2 || b.Size() == 0 {
		t.Fatalf("batch has length %d and size %d", b.Len(), b.Size())
	}
	if err := log.Append(b, 1010, Committed); err != nil {
		t.Fatal(err)
	}
	if b.Len() != 0 || b.Size() != 0 {
		t.Fatal("batch is not empty after it was appended")
	}
	if err := log.Append(log.Batch(), 1020, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := log.SetTimeline(3); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		log = reopen(t, log, open)
		id, epoch, ok := log.Identity()
		want := Identity
		want.Timeline = 3
		if !ok || epoch != Epoch || id != want {
			t.Fatalf("identity %+v %d %t", id, epoch, ok)
		}
		if log.Position() != 1020 || log.Durable() != 1020 {
			t.Fatalf("position %d, durable %d", log.Position(), log.Durable())
		}
		if got := log.Floor(); got != orgcast.Position(Epoch, Start) {
			t.Fatalf("floor %s", got)
		}
		wantCursors(t, Read(t, log, "a", log.Floor(), end), "1001.8")
		if got := stateOf(t, log); !maps.Equal(got, map[string]string{"m1": "owner", "m2": "member"}) {
			t.Fatalf("state %v", got)
		}
	}
	closeLog(t, log)
}

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
	if len(durable) != 100 || log.Durable() != Start+1000 {
		t.Fatalf("%d durable positions, the last %d", len(durable), log.Durable())
	}
	for i, lsn := range durable {
		if lsn != Start+10*orgcast.LSN(i)+10 {
			t.Fatalf("durable position %d is %d", i, lsn)
		}
	}
}

func testState(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log, put('p', "a1", "x"), put('p', "a2", "x"), put('p', "b", "x"), put('m', "a1", "x"), put('o', "", "x"))
	b := log.Batch()
	b.State(put('p', "a0", "gone"))
	b.State(orgcast.StateChange{Space: 'p', Key: []byte("a"), Prefix: true})
	b.State(put('p', "a2", "y"))
	b.State(orgcast.StateChange{Space: 'o', Key: nil, Value: nil})
	b.State(put('o', "empty", ""))
	if err := log.Append(b, 1010, Committed); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"pa2": "y", "pb": "x", "ma1": "x", "oempty": ""}
	if got := stateOf(t, log); !maps.Equal(got, want) {
		t.Fatalf("state %v, want %v", got, want)
	}
	b.State(orgcast.StateChange{Space: 'p', Prefix: true}) // a truncated table
	if err := log.Append(b, 1020, Committed); err != nil {
		t.Fatal(err)
	}
	log = reopen(t, log, open)
	want = map[string]string{"ma1": "x", "oempty": ""}
	if got := stateOf(t, log); !maps.Equal(got, want) {
		t.Fatalf("state %v, want %v", got, want)
	}
	stop := errors.New("stop")
	wantErr(t, log.State(func(orgcast.Space, []byte, []byte) error { return stop }), stop)
	closeLog(t, log)
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

func testParts(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log)
	Append(t, log, 0, Event("a", 1005, 0), Event("b", 1005, 8))
	Append(t, log, 0, Event("a", 1005, 16))
	if log.Position() != Start {
		t.Fatalf("a part moved the position to %d", log.Position())
	}
	wantCursors(t, Read(t, log, "a", log.Floor(), end), "1005.0", "1005.16") // readable at once
	log.Batch().State(put('m', "1", "x"))
	wantErr(t, log.Append(log.Batch(), 0, Committed), eventlog.ErrPartialState)
	Append(t, log, 0) // nothing at all
	log.Batch().State(put('m', "1", "y"))
	Append(t, log, 1010, Event("a", 1005, 24), Event("a", 1007, 0))
	Append(t, log, 0, Event("a", 1011, 0))
	Append(t, log, 1020) // its last part holds nothing
	log = reopen(t, log, open)
	wantCursors(t, Read(t, log, "a", log.Floor(), end), "1005.0", "1005.16", "1005.24", "1007.0", "1011.0")
	if got := stateOf(t, log); !maps.Equal(got, map[string]string{"m1": "y"}) {
		t.Fatalf("state %v", got)
	}
	closeLog(t, log)
}

func testTornTransaction(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log)
	Append(t, log, 1010, Event("a", 1001, 0), Event("b", 1001, 8))
	Append(t, log, 0, Event("a", 1015, 0), Event("c", 1015, 8))
	Append(t, log, 0, Event(orgcast.Everyone, 1015, 16))
	log = reopen(t, log, open)
	wantCursors(t, Read(t, log, "a", log.Floor(), end), "1001.0")
	wantCursors(t, Read(t, log, "c", log.Floor(), end))
	if log.Position() != 1010 {
		t.Fatalf("position %d", log.Position())
	}
	// It is delivered again, this time as a whole, and less of it.
	Append(t, log, 1020, Event("c", 1015, 8))
	log = reopen(t, log, open) // its counts are right
	wantCursors(t, Read(t, log, "a", log.Floor(), end), "1001.0")
	wantCursors(t, Read(t, log, "c", log.Floor(), end), "1015.8")
	// The same without a restart.
	Append(t, log, 0, Event("a", 1025, 0))
	if err := log.Discard(); err != nil {
		t.Fatal(err)
	}
	wantCursors(t, Read(t, log, "a", log.Floor(), end), "1001.0")
	if err := log.Discard(); err != nil {
		t.Fatal(err)
	}
	Append(t, log, 1030)
	log = reopen(t, log, open)
	wantCursors(t, Read(t, log, "a", log.Floor(), end), "1001.0")
	closeLog(t, log)
}

// stage appends a part, or the last one, with events and staged state.
func stage(t *testing.T, log *eventlog.Log, end, commit orgcast.LSN, events []*orgcast.Event, changes ...orgcast.StateChange) {
	t.Helper()
	b := log.Batch()
	for _, e := range events {
		b.Event(e)
	}
	for _, c := range changes {
		b.Stage(commit, c)
	}
	if want := len(events) + len(changes); b.Len() != want {
		t.Fatalf("batch has length %d, want %d", b.Len(), want)
	}
	if err := log.Append(b, end, Committed); err != nil {
		t.Fatal(err)
	}
}

func wantState(t *testing.T, log *eventlog.Log, want map[string]string) {
	t.Helper()
	if got := stateOf(t, log); !maps.Equal(got, want) {
		t.Fatalf("state %v, want %v", got, want)
	}
}

func testStaged(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log, put('p', "a", "0"), put('p', "b", "0"), put('m', "1", "0"))
	before := stateOf(t, log)
	stage(t, log, 0, 1005, []*orgcast.Event{Event("a", 1005, 0)}, put('p', "a", "1"), put('p', "c", ""))
	stage(t, log, 0, 1005, nil, orgcast.StateChange{Space: 'p', Key: []byte("b")}, put('m', "2", "new")) // no events
	wantState(t, log, before)
	// A position below the transaction moves by itself.
	Append(t, log, 1002)
	wantState(t, log, before)
	log.Batch().State(put('m', "9", "direct"))
	wantErr(t, log.Append(log.Batch(), 1010, Committed), eventlog.ErrPartialState)
	stage(t, log, 1010, 1005, []*orgcast.Event{Event("a", 1005, 8)},
		orgcast.StateChange{Space: 'p', Key: []byte{}, Prefix: true}, put('p', "a", "2"))
	after := map[string]string{"pa": "2", "m1": "0", "m2": "new"}
	wantState(t, log, after)
	wantCursors(t, Read(t, log, "a", log.Floor(), end), "1005.0", "1005.8")
	log = reopen(t, log, open)
	wantState(t, log, after)
	// The last part holds nothing; and then one that is first and last.
	stage(t, log, 0, 1015, nil, put('p', "d", "3"))
	Append(t, log, 1020)
	stage(t, log, 1030, 1025, nil, put('p', "e", "4"))
	after["pd"], after["pe"] = "3", "4"
	wantState(t, log, after)
	log.Batch().State(put('m', "3", "direct")) // the next one need not be staged
	Append(t, log, 1040)
	after["m3"] = "direct"
	log = reopen(t, log, open)
	wantState(t, log, after)
	if log.Position() != 1040 {
		t.Fatalf("position %d", log.Position())
	}
	for name, b := range map[string]func(*eventlog.Batch){
		"both": func(b *eventlog.Batch) { b.Stage(1045, put('p', "x", "")); b.State(put('p', "y", "")) },
		"two transactions": func(b *eventlog.Batch) {
			b.Event(Event("a", 1045, 0))
			b.Stage(1047, put('p', "x", ""))
		},
		"beyond the end": func(b *eventlog.Batch) { b.Stage(1050, put('p', "x", "")) },
		"below":          func(b *eventlog.Batch) { b.Stage(1039, put('p', "x", "")) },
	} {
		b(log.Batch())
		if err := log.Append(log.Batch(), 1050, Committed); err == nil {
			t.Errorf("%s: was appended", name)
		}
	}
	wantState(t, log, after)
	closeLog(t, log)
}

func testTornState(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log, put('p', "a", "0"))
	want := map[string]string{"pa": "0"}
	stage(t, log, 0, 1005, nil, put('p', "a", "1"))
	log = reopen(t, log, open)
	Append(t, log, 1010) // it was not that transaction's last part
	wantState(t, log, want)
	stage(t, log, 0, 1015, []*orgcast.Event{Event("a", 1015, 0)}, put('p', "a", "2"))
	if err := log.Discard(); err != nil {
		t.Fatal(err)
	}
	Append(t, log, 1020)
	wantState(t, log, want)
	// It comes again from its first event, in other parts.
	stage(t, log, 0, 1025, []*orgcast.Event{Event("a", 1025, 0)}, put('p', "a", "3"), put('p', "torn", ""))
	stage(t, log, 0, 1025, []*orgcast.Event{Event("a", 1025, 0)}, put('p', "a", "4"))
	stage(t, log, 1030, 1025, []*orgcast.Event{Event("a", 1025, 8)}, put('p', "b", "5"))
	want = map[string]string{"pa": "4", "pb": "5"}
	wantState(t, log, want)
	// Another transaction comes in its place.
	stage(t, log, 0, 1045, nil, put('p', "torn", ""))
	stage(t, log, 1040, 1035, nil, put('p', "c", "6"))
	want["pc"] = "6"
	wantState(t, log, want)
	log = reopen(t, log, open)
	wantState(t, log, want)
	// A new epoch knows nothing of it.
	stage(t, log, 0, 1045, nil, put('p', "torn", ""))
	Begin(t, log)
	Append(t, log, 2000)
	wantState(t, log, map[string]string{})
	log = reopen(t, log, open)
	wantState(t, log, map[string]string{})
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

func testBegin(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log, put('m', "old", "x"))
	Append(t, log, 5000, Event("a", 4999, 0))
	id := eventlog.Identity{SystemID: 2, Database: "other"}
	err := log.Begin(t.Context(), id, Epoch+1, 2000, func(put func(orgcast.StateChange) error) error {
		for i := range 50_000 { // more than one batch
			if err := put(orgcast.StateChange{Space: 'p', Key: fmt.Appendf(nil, "%08d", i), Value: make([]byte, 40)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, epoch, ok := log.Identity(); !ok || got != id || epoch != Epoch+1 {
			t.Fatalf("identity %+v %d %t", got, epoch, ok)
		}
		if log.Position() != 2000 || log.Durable() != 2000 || log.Floor() != orgcast.Position(Epoch+1, 2000) {
			t.Fatalf("position %d, durable %d, floor %s", log.Position(), log.Durable(), log.Floor())
		}
		if n := len(stateOf(t, log)); n != 50_000 {
			t.Fatalf("%d state keys", n)
		}
		upTo := end
		upTo.Epoch++
		wantCursors(t, Read(t, log, "a", log.Floor(), upTo))
		log = reopen(t, log, open)
	}
	boom := errors.New("boom")
	err = log.Begin(t.Context(), id, Epoch+2, 3000, func(put func(orgcast.StateChange) error) error {
		return errors.Join(put(orgcast.StateChange{Space: 'p', Key: []byte("k"), Value: []byte("v")}), boom)
	})
	wantErr(t, err, boom)
	ctx, cancel := context.WithCancel(t.Context())
	err = log.Begin(ctx, id, Epoch+2, 3000, func(put func(orgcast.StateChange) error) error {
		cancel()
		return put(orgcast.StateChange{Space: 'p', Key: []byte("k"), Value: []byte("v")})
	})
	wantErr(t, err, context.Canceled)
	for range 2 {
		if _, _, ok := log.Identity(); ok {
			t.Fatal("a failed Begin left an identity")
		}
		wantErr(t, log.Append(log.Batch(), 9000, Committed), eventlog.ErrEmpty)
		log = reopen(t, log, open)
	}
	Begin(t, log)
	if got := stateOf(t, log); len(got) != 0 {
		t.Fatalf("state of a failed Begin: %d keys", len(got))
	}
	Append(t, log, 1010, Event("a", 1001, 0))
	log = reopen(t, log, open)
	wantCursors(t, Read(t, log, "a", log.Floor(), end), "1001.0")
	closeLog(t, log)
}

func testFloor(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log)
	Append(t, log, 1010, Event("a", 1000, 0))
	read := func(after, upTo orgcast.Cursor) error {
		return log.Read(t.Context(), "a", after, upTo, func(*orgcast.Event) bool {
			t.Error("a refused reader got an event")
			return false
		})
	}
	wantErr(t, read(At(998, 1<<63), end), eventlog.ErrBelowFloor)
	wantErr(t, read(At(0, 0), At(0, 0)), eventlog.ErrBelowFloor)
	wantErr(t, read(orgcast.Cursor{Epoch: Epoch + 1, LSN: 1001}, end), eventlog.ErrOtherEpoch)
	wantErr(t, read(At(1000, 0), orgcast.Cursor{Epoch: Epoch + 1, LSN: 2000}), eventlog.ErrOtherEpoch)
	wantCursors(t, Read(t, log, "a", log.Floor(), end), "1000.0")
	closeLog(t, log)
}

func testClosed(t *testing.T, open Opener) {
	log := must(t, open)
	Begin(t, log)
	closeLog(t, log)
	wantErr(t, log.Close(), eventlog.ErrClosed)
	for range 2 {
		log.Batch().Event(Event("a", 1001, 0))
		wantErr(t, log.Append(log.Batch(), 2000, Committed), eventlog.ErrClosed)
	}
	wantErr(t, log.Read(t.Context(), "a", At(2000, 0), end, nil), eventlog.ErrClosed)
	wantErr(t, log.State(nil), eventlog.ErrClosed)
	wantErr(t, log.SetTimeline(2), eventlog.ErrClosed)
	wantErr(t, log.Discard(), eventlog.ErrClosed)
	wantErr(t, log.Begin(t.Context(), Identity, 1, 1, nil), eventlog.ErrClosed)
}
