// Package eventlogtest answers one question: does a log keep its promises?
//
// [Run] is the suite; [New] gives other rooms' tests a log in memory.
package eventlogtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
)

// Epoch is the epoch of the logs that the helpers begin.
const Epoch orgcast.Epoch = 7

// Start is the position at which they begin.
const Start orgcast.LSN = 1000

// Identity is the identity that they are given.
var Identity = eventlog.Identity{SystemID: 1<<63 + 1, Timeline: 1, Database: "app", Slot: "orgcast_app", Rules: "r1"}

// Committed is a commit time.
var Committed = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// New opens a log in memory, begun at [Start] without state, which is closed when
// the test ends.
func New(t testing.TB, hooks eventlog.Hooks) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Open("log", eventlog.Options{FS: vfs.NewMem(), Hooks: hooks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	Begin(t, log)
	return log
}

// Begin begins the log at [Start] with the given state.
func Begin(t testing.TB, log *eventlog.Log, state ...orgcast.StateChange) {
	t.Helper()
	err := log.Begin(t.Context(), Identity, Epoch, Start, func(put func(orgcast.StateChange) error) error {
		for _, c := range state {
			if err := put(c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// At is the cursor of an event.
func At(lsn orgcast.LSN, index uint64) orgcast.Cursor {
	return orgcast.Cursor{Epoch: Epoch, LSN: lsn, Index: index}
}

// Event is an event for every member.
func Event(organization orgcast.OrganizationID, lsn orgcast.LSN, index uint64) *orgcast.Event {
	c := At(lsn, index)
	return &orgcast.Event{
		Cursor:       c,
		Organization: organization,
		Type:         orgcast.DataSync,
		Frame:        fmt.Appendf(nil, "id: %s\ndata: %q\n\n", c, organization),
	}
}

// Append appends the events up to end.
func Append(t testing.TB, log *eventlog.Log, end orgcast.LSN, events ...*orgcast.Event) {
	t.Helper()
	b := log.Batch()
	for _, e := range events {
		b.Event(e)
	}
	if err := log.Append(b, end, Committed); err != nil {
		t.Fatal(err)
	}
}

// Read returns copies of all that a reader is passed.
func Read(t testing.TB, log *eventlog.Log, organization orgcast.OrganizationID, after, upTo orgcast.Cursor) []orgcast.Event {
	t.Helper()
	var events []orgcast.Event
	err := log.Read(t.Context(), organization, after, upTo, func(e *orgcast.Event) bool {
		events = append(events, Copy(e))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// Copy copies an event that is good only during a call.
func Copy(e *orgcast.Event) orgcast.Event {
	c := *e
	c.Frame = append([]byte(nil), e.Frame...)
	c.Audience.Users = append([]orgcast.UserID(nil), e.Audience.Users...)
	c.Audience.Roles = append([]string(nil), e.Audience.Roles...)
	return c
}
