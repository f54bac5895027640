package eventlogtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

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
		{"a purged organization is gone, is told so, and no other is touched", testPurge},
		{"a purge leaves a transaction that is not complete to its end", testPurgeWithinTransaction},
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
