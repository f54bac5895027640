package eventlog_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
)

// TestWhatWasPurgedIsInNoFile of the directory, after the next start.
func TestWhatWasPurgedIsInNoFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	canary, kept := "canary-"+rand.Text(), "kept-"+rand.Text()
	log := open(t, dir, eventlog.Options{})
	eventlogtest.Begin(t, log)
	for i := range orgcast.LSN(500) {
		mine, other := eventlogtest.Event("org_1", 2000+10*i, 0), eventlogtest.Event("org_10", 2000+10*i, 8)
		mine.Frame, other.Frame = []byte(canary), []byte(kept)
		eventlogtest.Append(t, log, 2001+10*i, mine, other)
		if i == 250 { // half of it in tables, half in the write-ahead log
			if err := log.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !found(t, dir, canary) {
		t.Fatal("the test does not find what is there")
	}
	p, err := log.Purge(t.Context(), "org_1")
	if err != nil || p.Events != 500 {
		t.Fatalf("%+v, %v", p, err)
	}
	mustClose(t, log)
	log = open(t, dir, eventlog.Options{})
	if n := len(eventlogtest.Read(t, log, "org_10", log.Floor(), eventlogtest.At(1<<62, 0))); n != 500 {
		t.Fatalf("%d of the other organization's events are left", n)
	}
	mustClose(t, log) // waits for the files that are being removed
	if found(t, dir, canary) || !found(t, dir, kept) {
		t.Fatalf("in the files: purged %v, kept %v", found(t, dir, canary), found(t, dir, kept))
	}
}

// found tells whether a text is in a file of the directory.
func found(t *testing.T, dir, text string) (found bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // Pebble has just removed it
		}
		found = found || bytes.Contains(content, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestAPowerCutWithinAPurge leaves the organization as it was, or gone to the
// last event.
func TestAPowerCutWithinAPurge(t *testing.T) {
	memory := vfs.NewCrashableMem()
	clock := newClock()
	o := eventlog.Options{FS: fresh{memory}, Now: clock.now}
	log := open(t, "data/log", o)
	eventlogtest.Begin(t, log)
	const segments, each = 20, 30
	for s := range orgcast.LSN(segments) {
		for i := range orgcast.LSN(each) {
			lsn := 2000 + 10*(s*each+i)
			appendAt(t, log, clock.now(), eventlogtest.Event("org_1", lsn, 0), eventlogtest.Event("org_10", lsn, 8))
		}
		clock.move(6 * time.Hour)
	}
	settle(log)
	purged := make(chan error, 1)
	go func() {
		_, err := log.Purge(t.Context(), "org_1")
		purged <- err
	}()
	var within []*vfs.MemFS
	for running := true; running; {
		select {
		case err := <-purged:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
		}
		within = append(within, crash(memory, 10*len(within)%100, uint64(len(within))))
	}
	mustClose(t, log)
	whole, gone := 0, 0
	for i, fs := range within {
		log := openCrashed(t, fs)
		before, last := log.Floor(), eventlogtest.At(1<<62, 0)
		if n := len(eventlogtest.Read(t, log, "org_10", before, last)); n != segments*each {
			t.Fatalf("cut %d: %d of the other organization's events are left", i, n)
		}
		n := 0
		err := log.Read(t.Context(), "org_1", before, last, func(*orgcast.Event) bool { n++; return true })
		keys, countErr := log.EventKeys()
		switch {
		case countErr != nil:
			t.Fatal(countErr)
		case err == nil && n == segments*each && keys == 2*n:
			whole++
		case errors.Is(err, eventlog.ErrBelowFloor) && n == 0 && keys == segments*each && log.Stats().Events == segments*each:
			gone++
		default:
			t.Fatalf("cut %d: %d of %d events are read, %d are on disk, %d are counted: %v", i, n, segments*each, keys, log.Stats().Events, err)
		}
		mustClose(t, log)
	}
	if gone == 0 {
		t.Errorf("%d power cuts, and none after the beginning", whole)
	}
}

// TestRetentionOutlivesAPurge: the floor of an organization goes when that of the
// log has come so far.
func TestRetentionOutlivesAPurge(t *testing.T) {
	clock, o := newClock(), eventlog.Options{FS: vfs.NewMem()}
	o.Now = clock.now
	log := open(t, "log", o)
	eventlogtest.Begin(t, log)
	appendAt(t, log, clock.now(), eventlogtest.Event("a", 2000, 0), eventlogtest.Event("b", 2000, 8), eventlogtest.Event("c", 2000, 16))
	if _, err := log.Purge(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	clock.move(12 * time.Hour)
	appendAt(t, log, clock.now(), eventlogtest.Event("a", 3000, 0))
	if _, err := log.Purge(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	clock.move(7*24*time.Hour - time.Hour)
	mustKeep(t, log)
	if n, err := log.PurgedKeys(); err != nil || n != 1 || log.FloorOf("a") != log.Floor() || log.FloorOf("b").Compare(log.Floor()) <= 0 {
		t.Fatalf("%d floors are kept: %v; the log's is %s, a's %s, b's %s", n, err, log.Floor(), log.FloorOf("a"), log.FloorOf("b"))
	}
	b := log.FloorOf("b")
	mustClose(t, log)
	log = open(t, "log", o)
	if log.FloorOf("a") != log.Floor() || log.FloorOf("b") != b {
		t.Fatalf("after a restart: the log's floor is %s, a's %s, b's %s", log.Floor(), log.FloorOf("a"), log.FloorOf("b"))
	}
	mustClose(t, log)
}

// TestNoReaderCrossesAPurge while events are appended: he gets all, or is told.
func TestNoReaderCrossesAPurge(t *testing.T) {
	clock := newClock()
	log := open(t, "log", eventlog.Options{FS: vfs.NewMem(), Now: clock.now})
	eventlogtest.Begin(t, log)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		defer cancel()
		for i := range orgcast.LSN(3000) {
			appendAt(t, log, clock.now(), eventlogtest.Event("a", 2000+10*i, 0), eventlogtest.Event("b", 2000+10*i, 8))
			clock.move(time.Minute)
		}
	})
	for range 2 {
		running.Go(func() {
			for ctx.Err() == nil {
				from, to := log.FloorOf("a"), orgcast.Position(eventlogtest.Epoch, log.Position())
				to.Index = 1 << 63
				n := orgcast.LSN(0)
				err := log.Read(ctx, "a", from, to, func(*orgcast.Event) bool { n++; return true })
				// An event at every tenth LSN from 2000 on.
				want := (to.LSN-2000)/10 + 1
				if from.LSN >= 2000 {
					want -= (from.LSN-2000)/10 + 1
				}
				if to.LSN < 2000 {
					want = 0
				}
				if err == nil && n != want || err != nil && !errors.Is(err, eventlog.ErrBelowFloor) && ctx.Err() == nil {
					t.Errorf("from %s to %s: %d events, want %d; %v", from, to, n, want, err)
					return
				}
			}
		})
	}
	purges := 0
	for ctx.Err() == nil {
		if _, err := log.Purge(t.Context(), "a"); err != nil {
			t.Error(err)
			break
		}
		purges++
	}
	running.Wait()
	if n := len(eventlogtest.Read(t, log, "b", log.Floor(), eventlogtest.At(1<<62, 0))); n != 3000 {
		t.Errorf("after %d purges of a, %d of b's events are left", purges, n)
	}
	mustClose(t, log)
}
