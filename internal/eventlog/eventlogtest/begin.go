package eventlogtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
)

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
