package eventlog_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
)

// deleteOrganization commits the transaction that deletes an organization, and tells
// somebody that he is removed.
func deleteOrganization(t *testing.T, log *eventlog.Log, o orgcast.OrganizationID, frame string) {
	t.Helper()
	lsn := log.Position() + 5
	removed := eventlogtest.Event(o, lsn, 0)
	removed.Frame = append(removed.Frame, frame...)
	log.Batch().Event(removed)
	log.Batch().Purge(o)
	if err := log.Append(log.Batch(), lsn+5, eventlogtest.Committed); err != nil {
		t.Fatal(err)
	}
}

// TestADeletedOrganizationIsHiddenAtOnceAndGoneInTime: whom the transaction removes
// reads on up to it, and nobody begins to read what lies below; a while later there is
// nothing, in the files either.
func TestADeletedOrganizationIsHiddenAtOnceAndGoneInTime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	canary, kept := "canary-"+rand.Text(), "kept-"+rand.Text()
	clock := newClock()
	purged := int64(0)
	o := eventlog.Options{Now: clock.now, MaxAge: 1 << 60, Hooks: eventlog.Hooks{Purged: func(n, _ int64) { purged += n }}}
	log := open(t, dir, o)
	eventlogtest.Begin(t, log)
	begin := log.Floor()
	for range 300 {
		mine, other := eventlogtest.Event("org_1", log.Position()+9, 0), eventlogtest.Event("org_10", log.Position()+9, 8)
		mine.Frame, other.Frame = []byte(canary), []byte(kept)
		appendAt(t, log, clock.now(), mine, other)
	}
	before := log.Position()
	deleteOrganization(t, log, "org_1", canary)
	for range 2 { // also before it is durable, and again
		if got := eventlogtest.Read(t, log, "org_1", log.FloorOf("org_1"), eventlogtest.At(1<<62, 0)); len(got) != 1 || log.FloorOf("org_1").LSN+1 != before {
			t.Fatalf("%d events are read above %s, of the transaction at %s", len(got), log.FloorOf("org_1"), before)
		}
		if n := len(eventlogtest.Read(t, log, "org_1", begin, eventlogtest.At(1<<62, 0))); n != 301 {
			t.Fatalf("who is behind reads %d events of 301", n)
		}
		settle(log)
	}
	clock.move(time.Hour - time.Second)
	mustKeep(t, log)
	if s := log.Stats(); s.Events != 601 || s.Purging != 1 || purged != 0 {
		t.Fatalf("within the hour %d events are left, %d wait, %d are purged", s.Events, s.Purging, purged)
	}
	clock.move(2 * time.Second)
	mustKeep(t, log)
	if s := log.Stats(); s.Events != 300 || s.Purging != 0 || s.Deleted != 0 || purged != 301 {
		t.Fatalf("after the hour %d events are left, %d wait, %d bytes lie in tables, %d are purged", s.Events, s.Purging, s.Deleted, purged)
	}
	if err := log.Read(t.Context(), "org_1", begin, eventlogtest.At(1<<62, 0), nil); !errors.Is(err, eventlog.ErrBelowFloor) {
		t.Fatalf("after the hour, read from before: %v", err)
	}
	mustClose(t, log)
	log = open(t, dir, o)
	if n := len(eventlogtest.Read(t, log, "org_10", begin, eventlogtest.At(1<<62, 0))); n != 300 {
		t.Fatalf("%d of the other organization's events are left", n)
	}
	mustClose(t, log)
	if found(t, dir, canary) || !found(t, dir, kept) {
		t.Fatalf("in the files: deleted %v, kept %v", found(t, dir, canary), found(t, dir, kept))
	}
}

// TestANewOrganizationOfAnOldNameStartsEmpty, whatever came between.
func TestANewOrganizationOfAnOldNameStartsEmpty(t *testing.T) {
	for _, between := range []string{"nothing", "a restart", "the sweeper", "an event that came late"} {
		t.Run(between, func(t *testing.T) {
			clock := newClock()
			o := eventlog.Options{FS: vfs.NewMem(), Now: clock.now, MaxAge: 1 << 60}
			log := open(t, "log", o)
			eventlogtest.Begin(t, log)
			appendAt(t, log, clock.now(), eventlogtest.Event("a", log.Position()+9, 0))
			cursor := orgcast.Position(eventlogtest.Epoch, log.Position()) // an old member's
			deleteOrganization(t, log, "a", "")
			switch between {
			case "a restart":
				mustClose(t, log)
				log = open(t, "log", o)
			case "the sweeper":
				clock.move(time.Hour)
				mustKeep(t, log)
			case "an event that came late":
				appendAt(t, log, clock.now(), eventlogtest.Event("a", log.Position()+9, 0))
			}
			lsn := log.Position() + 9
			log.Batch().Anew("a")
			log.Batch().Anew("b") // of a name that was never there
			appendAt(t, log, clock.now(), eventlogtest.Event("a", lsn, 0))
			for range 2 { // also after all that waited is deleted
				got := eventlogtest.Read(t, log, "a", log.FloorOf("a"), eventlogtest.At(1<<62, 0))
				if len(got) != 1 || got[0].Cursor.LSN != lsn {
					t.Fatalf("the new one reads %d events", len(got))
				}
				if floor := log.FloorOf("a"); cursor.Compare(floor) >= 0 {
					t.Fatalf("an old cursor, %s, is good: the floor is %s", cursor, floor)
				}
				clock.move(time.Hour)
				mustKeep(t, log)
			}
			if n := log.Stats().Events; n != 1 || log.FloorOf("b") != log.Floor() {
				t.Fatalf("%d events are left; the floor of one that is new is %s", n, log.FloorOf("b"))
			}
			mustClose(t, log)
		})
	}
}

// TestWhoIsBehindADeletionReadsOnUntilNobodyIs: one that was deleted shortly before
// the others go does not take its last events with them; a log that needs room gives
// him a minute, and what an operator has purged is gone at once.
func TestWhoIsBehindADeletionReadsOnUntilNobodyIs(t *testing.T) {
	for _, c := range []struct {
		name  string
		waits time.Duration
		purge func(*testing.T, *eventlog.Log, *clock)
		left  int
	}{
		{"the others go", time.Minute, func(t *testing.T, log *eventlog.Log, _ *clock) { mustKeep(t, log) }, 21},
		{"it goes with the others", 30 * time.Minute, func(t *testing.T, log *eventlog.Log, _ *clock) { mustKeep(t, log) }, 0},
		{"room is needed", 59 * time.Second, mustTrim, 21},
		{"room is needed, and it was long ago", time.Minute, mustTrim, 0},
		{"an operator", 0, func(t *testing.T, log *eventlog.Log, _ *clock) {
			if _, err := log.Purge(t.Context(), "behind"); err != nil {
				t.Fatal(err)
			}
		}, 0},
		{"one of its name is there again", 0, func(t *testing.T, log *eventlog.Log, clock *clock) {
			log.Batch().Anew("behind")
			appendAt(t, log, clock.now(), eventlogtest.Event("behind", log.Position()+9, 0))
		}, 22},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := newClock()
			log := open(t, "log", eventlog.Options{FS: vfs.NewMem(), Now: clock.now, MaxAge: 1 << 60})
			eventlogtest.Begin(t, log)
			begin := log.Floor()
			for range 20 {
				appendAt(t, log, clock.now(), eventlogtest.Event("behind", log.Position()+9, 0), eventlogtest.Event("other", log.Position()+9, 8))
			}
			deleteOrganization(t, log, "other", "")
			clock.move(time.Hour - c.waits)
			deleteOrganization(t, log, "behind", "")
			clock.move(c.waits)
			c.purge(t, log, clock)
			n := 0
			err := log.Read(t.Context(), "behind", begin, eventlogtest.At(1<<62, 0), func(*orgcast.Event) bool { n++; return true })
			if n != c.left || (c.left == 0) != errors.Is(err, eventlog.ErrBelowFloor) || c.left > 0 && err != nil {
				t.Errorf("who is behind reads %d events, want %d: %v", n, c.left, err)
			}
			if begin.Compare(log.FloorOf("behind")) >= 0 {
				t.Errorf("who comes now is let in below the deletion, from %s", log.FloorOf("behind"))
			}
			mustClose(t, log)
		})
	}
}

// TestAnOrganizationThatEndsAgainAndAgainWaitsNoLonger than one that ends once.
func TestAnOrganizationThatEndsAgainAndAgainWaitsNoLonger(t *testing.T) {
	clock := newClock()
	log := open(t, "log", eventlog.Options{FS: vfs.NewMem(), Now: clock.now, MaxAge: 1 << 60})
	eventlogtest.Begin(t, log)
	for range 20 {
		appendAt(t, log, clock.now(), eventlogtest.Event("a", log.Position()+9, 0))
	}
	for range 2 {
		deleteOrganization(t, log, "a", "")
		clock.move(30 * time.Minute)
		mustKeep(t, log)
		log.Batch().Anew("a")
		appendAt(t, log, clock.now(), eventlogtest.Event("a", log.Position()+9, 0))
		clock.move(30 * time.Minute)
		mustKeep(t, log)
	}
	if n := log.Stats().Events; n > 3 {
		t.Errorf("%d events are left", n)
	}
	mustClose(t, log)
}

func mustTrim(t *testing.T, log *eventlog.Log, _ *clock) {
	t.Helper()
	if err := log.Trim(1); err != nil {
		t.Fatal(err)
	}
}

// TestAPowerCutAroundADeletionLeavesItUndoneOrTheOrganizationGone, from the commit to
// the last table: nobody else misses anything, and what a start finds it finishes.
func TestAPowerCutAroundADeletionLeavesItUndoneOrTheOrganizationGone(t *testing.T) {
	c := &crashes{fs: vfs.NewCrashableMem()}
	clock := newClock()
	o := eventlog.Options{FS: c.wrap(), Now: clock.now, MaxAge: 1 << 60}
	log := open(t, "data/log", o)
	eventlogtest.Begin(t, log)
	begin := log.Floor()
	const segments, each = 4, 10
	for range segments {
		for range each {
			lsn := log.Position() + 9
			appendAt(t, log, clock.now(), eventlogtest.Event("org_1", lsn, 0), eventlogtest.Event("org_10", lsn, 8))
		}
		clock.move(6 * time.Hour)
	}
	settle(log)
	before := log.Position()
	c.mu.Lock()
	c.left = nil
	c.mu.Unlock()
	deleteOrganization(t, log, "org_1", "")
	settle(log)
	clock.move(time.Hour)
	mustKeep(t, log)
	mustClose(t, log)
	whole, gone := 0, 0
	for i, fs := range c.left {
		o.FS = fs
		log := open(t, "data/log", o)
		if err := log.Recovered(); err != nil {
			t.Fatal(err)
		}
		if n := len(eventlogtest.Read(t, log, "org_10", begin, eventlogtest.At(1<<62, 0))); n != segments*each {
			t.Fatalf("cut %d: %d of the other organization's events are left", i, n)
		}
		n := 0
		err := log.Read(t.Context(), "org_1", begin, eventlogtest.At(1<<62, 0), func(*orgcast.Event) bool { n++; return true })
		keys, countErr := log.EventKeys()
		switch {
		case countErr != nil:
			t.Fatal(countErr)
		case log.Position() == before && err == nil && n == segments*each && keys == 2*n:
			whole++
		case log.Position() == before+10 && errors.Is(err, eventlog.ErrBelowFloor) && keys == segments*each && log.Stats().Events == segments*each:
			gone++
		default:
			t.Fatalf("cut %d: at %s %d events are read, %d are on disk, %d are counted: %v", i, log.Position(), n, keys, log.Stats().Events, err)
		}
		mustClose(t, log)
	}
	if whole == 0 || gone < 10 {
		t.Errorf("%d power cuts before the commit, %d after", whole, gone)
	}
}

// TestALogOfBeforeOrganizationsHadAShareIsRead, counted and trimmed; what a purge that
// was killed in it left goes.
func TestALogOfBeforeOrganizationsHadAShareIsRead(t *testing.T) {
	clock := newClock()
	o := eventlog.Options{FS: vfs.NewMem(), Now: clock.now, MaxAge: 1 << 60}
	log := open(t, "log", o)
	eventlogtest.Begin(t, log)
	for i := range 100 {
		lsn := log.Position() + 9
		appendAt(t, log, clock.now(), eventlogtest.Event("a", lsn, 0), eventlogtest.Event("a", lsn, 8), eventlogtest.Event("b", lsn, 16))
		if i%20 == 19 {
			clock.move(6 * time.Hour)
			mustKeep(t, log)
		}
	}
	if err := log.Append(log.Batch(), log.Position()+10, time.Time{}); err != nil {
		t.Fatal(err)
	}
	deleteOrganization(t, log, "b", "") // as far as a purge that is killed has come
	mustKeep(t, log)                    // nothing is left for the sweeper to store
	want, _, err := log.Has()
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Unfair(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, log)
	log = open(t, "log", o)
	if err := log.Recovered(); err != nil {
		t.Fatal(err)
	}
	if n, err := log.EventKeys(); err != nil || n != 201 || log.Stats().Events != 201 {
		t.Fatalf("%d events are left, %d are counted: %v", n, log.Stats().Events, err)
	}
	has, stored, err := log.Has()
	if err != nil || has["a"] != want["a"] || has["b"] >= want["b"] || stored != 0 {
		t.Fatalf("counted %v with %d tallies, want %v: %v", has, stored, want, err)
	}
	if _, stored, err = log.Has(); err != nil || stored == 0 {
		t.Fatalf("%d tallies are kept: %v", stored, err)
	}
	if err := log.Trim(has["a"] / 2); err != nil {
		t.Fatal(err)
	}
	if n := len(eventlogtest.Read(t, log, "a", log.FloorOf("a"), eventlogtest.At(1<<62, 0))); n < 100 || n > 105 {
		t.Fatalf("%d events are left of half of 200", n)
	}
	mustClose(t, log)
}

// TestFloorsAreBoundedInMemory: beyond the bound the log's floor rises over the lower
// half, who are told that they can't resume, and nobody's floor falls.
func TestFloorsAreBoundedInMemory(t *testing.T) {
	folded := 0
	clock := newClock()
	log := open(t, "log", eventlog.Options{FS: vfs.NewMem(), Now: clock.now, MaxAge: 1 << 60, Hooks: eventlog.Hooks{Folded: func(n int) { folded += n }}})
	eventlogtest.Begin(t, log)
	name := func(i int) orgcast.OrganizationID { return orgcast.OrganizationID(fmt.Sprint("org_", i)) }
	const n = eventlog.MaxFloors + 1000
	floors := map[orgcast.OrganizationID]orgcast.Cursor{}
	for i := range n {
		floors[name(i)] = eventlogtest.At(2000+orgcast.LSN(i), 0)
	}
	appendAt(t, log, clock.now(), eventlogtest.Event("x", 3000+n, 0))
	begin := log.Floor()
	if err := log.RaiseFloors(floors); err != nil {
		t.Fatal(err)
	}
	mustKeep(t, log)
	if s := log.Stats(); s.Floors > eventlog.MaxFloors || folded == 0 || s.Floors+folded != n {
		t.Fatalf("%d floors of %d are left, %d were folded", s.Floors, n, folded)
	}
	if log.Floor().Compare(begin) <= 0 || log.FloorOf(name(0)) != log.Floor() || log.FloorOf(name(n-1)) != floors[name(n-1)] {
		t.Fatalf("the floor is %s, the first's %s, the last's %s", log.Floor(), log.FloorOf(name(0)), log.FloorOf(name(n-1)))
	}
	mustClose(t, log)
}
