package eventlogtest

import (
	"maps"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
)

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
