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
