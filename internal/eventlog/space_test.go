package eventlog_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
)

func TestTooLittleSpaceRefusesToOpen(t *testing.T) {
	fs := vfs.NewMem()
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1<<20 - 1, TotalBytes: 1 << 30})
	o := eventlog.Options{FS: fs, MinFree: 1 << 20}
	_, err := eventlog.Open("log", o)
	wantRefusal(t, err, eventlog.ErrNoSpace)
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 20, TotalBytes: 1 << 30})
	mustClose(t, open(t, "log", o))
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1, TotalBytes: 1 << 30})
	mustClose(t, open(t, "log", eventlog.Options{FS: fs, MinFree: -1}))
}

func TestALowDiskIsUnhealthyAndCostsTheOldestSegments(t *testing.T) {
	const minFree = 4 << 20
	clock, fs := newClock(), vfs.NewMem()
	free := func(n uint64) { fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: n, TotalBytes: 1 << 30}) }
	reserved := func() bool { _, err := fs.Stat("log/RESERVE"); return err == nil }
	free(100 << 20)
	log := open(t, "log", eventlog.Options{FS: fs, Now: clock.now, MinFree: minFree})
	eventlogtest.Begin(t, log)
	for i := range orgcast.LSN(5) {
		appendAt(t, log, clock.now(), eventlogtest.Event("a", 2000+10*i, 0))
		clock.move(6 * time.Hour)
	}
	settle(log)
	mustKeep(t, log)
	if err := log.Health(); err != nil || !reserved() || log.Stats().Segments != 5 {
		t.Fatalf("health %v, reserve %t, %d segments", err, reserved(), log.Stats().Segments)
	}
	free(minFree - 1)
	mustKeep(t, log)
	if err := log.Health(); !errors.Is(err, eventlog.ErrNoSpace) || orgcast.Hint(err) == "" {
		t.Fatalf("health %v", err)
	}
	if !reserved() || log.Stats().Segments != 4 {
		t.Fatalf("reserve %t, %d segments", reserved(), log.Stats().Segments)
	}
	free(minFree/4 - 1)
	for range 10 {
		mustKeep(t, log)
	}
	if reserved() || log.Stats().Segments != 1 {
		t.Fatalf("reserve %t, %d segments", reserved(), log.Stats().Segments)
	}
	free(2 * minFree)
	mustKeep(t, log)
	if err := log.Health(); err != nil || !reserved() || log.Stats().FreeBytes != 2*minFree {
		t.Fatalf("health %v, reserve %t", err, reserved())
	}
	mustClose(t, log)
}

// TestAFullDiskTakesNothingUntilThereIsSpace: a neighbour fills it between two
// looks of the keeper, which does not come here. What was refused comes again.
func TestAFullDiskTakesNothingUntilThereIsSpace(t *testing.T) {
	const minFree = 4 << 20
	clock, fs := newClock(), vfs.NewCrashableMem()
	free := func(n uint64) {
		fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: n, TotalBytes: 1 << 30})
		clock.move(time.Millisecond)
	}
	free(100 << 20)
	log := open(t, "log", eventlog.Options{FS: fs, Now: clock.now, MinFree: minFree})
	eventlogtest.Begin(t, log)
	for i := range orgcast.LSN(5) {
		put := func() error {
			log.Batch().Event(eventlogtest.Event("a", 2000+10*i, 0))
			return log.Append(log.Batch(), 2001+10*i, eventlogtest.Committed)
		}
		free(minFree - 1)
		for range 2 {
			if err := put(); !errors.Is(err, eventlog.ErrNoSpace) || orgcast.Hint(err) == "" {
				t.Fatalf("append to a full disk: %v", err)
			}
		}
		if err := log.Append(log.Batch(), 2001+10*i, time.Time{}); !errors.Is(err, eventlog.ErrNoSpace) {
			t.Fatalf("a position alone: %v", err)
		}
		free(minFree)
		if err := put(); err != nil {
			t.Fatalf("the same again, with space: %v", err)
		}
	}
	if n := len(eventlogtest.Read(t, log, "a", log.Floor(), eventlogtest.At(1<<62, 0))); n != 5 || log.Position() != 2041 {
		t.Fatalf("%d events, position %d", n, log.Position())
	}
	mustClose(t, log)
}
