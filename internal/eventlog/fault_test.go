package eventlog_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
)

// walSyncs calls f before every fsync of the write-ahead log.
func walSyncs(fs vfs.FS, f func() error) vfs.FS {
	return fresh{errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpFileFlush:
			if strings.HasSuffix(op.Path, ".log") {
				return f()
			}
		}
		return nil
	}))}
}

func TestAFailedSyncEndsAllWritingAndConfirmsNothing(t *testing.T) {
	var broken atomic.Bool
	mem := vfs.NewCrashableMem()
	fs := walSyncs(mem, func() error {
		if broken.Load() {
			return syscall.EIO
		}
		return nil
	})
	failed := make(chan error, 2)
	var durable atomic.Uint64
	log := open(t, "log", eventlog.Options{FS: fs, Hooks: eventlog.Hooks{
		Failed:  func(err error) { failed <- err },
		Durable: func(lsn orgcast.LSN) { durable.Store(uint64(lsn)) },
	}})
	eventlogtest.Begin(t, log)
	eventlogtest.Append(t, log, 1010, eventlogtest.Event("a", 1001, 0))
	settle(log)
	broken.Store(true)
	eventlogtest.Append(t, log, 1020, eventlogtest.Event("a", 1011, 0)) // told later
	if err := <-failed; !errors.Is(err, syscall.EIO) {
		t.Fatalf("failed with %v", err)
	}
	broken.Store(false) // the disk is well again; what it forgot is forgotten
	for range 3 {
		log.Batch().Event(eventlogtest.Event("a", 1021, 0))
		if err := log.Append(log.Batch(), 1030, eventlogtest.Committed); !errors.Is(err, syscall.EIO) {
			t.Fatalf("append after a failed sync: %v", err)
		}
	}
	if err := log.Health(); !errors.Is(err, syscall.EIO) || orgcast.Hint(err) == "" {
		t.Fatalf("health %v", err)
	}
	if log.Durable() != 1010 || durable.Load() != 1010 {
		t.Fatalf("durable %d, told %d", log.Durable(), durable.Load())
	}
	after := crash(mem, 0, 0)
	if err := log.Close(); err != nil && orgcast.Hint(err) == "" {
		t.Fatalf("close: %v", err)
	}
	if len(failed) != 0 {
		t.Fatal("the failure was told twice")
	}
	log = open(t, "log", eventlog.Options{FS: after})
	if log.Recovered() != nil || log.Position() != 1010 {
		t.Fatalf("position %d after the crash, recovered from %v", log.Position(), log.Recovered())
	}
	mustClose(t, log)
}

func TestASyncThatHangsIsSeenByItsAgeAlone(t *testing.T) {
	gate := make(chan struct{})
	var hang atomic.Bool
	clock := newClock()
	log := open(t, "log", eventlog.Options{Now: clock.now, FS: walSyncs(vfs.NewMem(), func() error {
		if hang.Load() {
			<-gate
		}
		return nil
	})})
	eventlogtest.Begin(t, log)
	clock.move(time.Hour)
	if err := log.Health(); err != nil {
		t.Fatalf("idle: %v", err)
	}
	hang.Store(true)
	eventlogtest.Append(t, log, 1010, eventlogtest.Event("a", 1001, 0)) // does not wait for it
	clock.move(4 * time.Second)
	if err := log.Health(); err != nil {
		t.Fatalf("after 4 s: %v", err)
	}
	clock.move(time.Second)
	if err := log.Health(); !errors.Is(err, eventlog.ErrStuck) || orgcast.Hint(err) == "" {
		t.Fatalf("after 5 s: %v", err)
	}
	if n := len(eventlogtest.Read(t, log, "a", log.Floor(), eventlogtest.At(1<<62, 0))); n != 1 {
		t.Fatal("what is applied can't be read")
	}
	if log.Durable() != eventlogtest.Start || log.Stats().InFlight != 1 {
		t.Fatalf("durable %d, %d in flight", log.Durable(), log.Stats().InFlight)
	}
	hang.Store(false)
	close(gate)
	mustClose(t, log)
	if log.Durable() != 1010 {
		t.Fatalf("durable %d", log.Durable())
	}
}

func TestAFatalErrorOfPebbleEndsTheProcess(t *testing.T) {
	var code int
	var failed error
	log := open(t, "log", eventlog.Options{FS: vfs.NewMem(), Exit: func(c int) { code = c }, Hooks: eventlog.Hooks{
		Failed: func(err error) { failed = err },
	}})
	eventlogtest.Begin(t, log)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Pebble was let go on")
			}
		}()
		log.Fatalf("fatal commit error: %v", syscall.EIO)
	}()
	if code != 1 || failed == nil || failed.Error() != "fatal commit error: input/output error" {
		t.Fatalf("exit code %d, failed with %v", code, failed)
	}
	if err := log.Append(log.Batch(), 2000, eventlogtest.Committed); err != failed {
		t.Fatalf("append: %v", err)
	}
	mustClose(t, log)
}

func TestABadBlockCostsItsSegmentAndNotTheProcess(t *testing.T) {
	clock := newClock()
	dir := t.TempDir() + "/log"
	damaged := make(chan error, 16)
	var retired atomic.Int64
	o := eventlog.Options{Now: clock.now, Exit: func(int) { panic("the process was ended") }, Hooks: eventlog.Hooks{
		Damaged: func(err error) { damaged <- err },
		Failed:  func(err error) { t.Errorf("failed: %v", err) },
		Retired: func(n, _ int64) { retired.Add(n) },
	}}
	log := open(t, dir, o)
	eventlogtest.Begin(t, log)
	for i := range orgcast.LSN(6) {
		appendAt(t, log, clock.now(), eventlogtest.Event("a", 2000+10*i, 0))
		clock.move(6 * time.Hour)
	}
	if err := log.Flush(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, log)
	// The tables of segments 1 to 6 are written in their order.
	flip(t, files(t, dir, "*.sst")[1], 30)
	log = open(t, dir, o) // counts the newest segments only
	if log.Recovered() != nil {
		t.Fatal(log.Recovered())
	}
	err := log.Read(t.Context(), "a", log.Floor(), eventlogtest.At(1<<62, 0), func(*orgcast.Event) bool { return true })
	if err == nil {
		t.Fatal("a bad block was read without an error")
	}
	if err := <-damaged; err == nil || strings.Contains(err.Error(), "data:") {
		t.Fatalf("damaged: %v", err)
	}
	mustKeep(t, log)
	if got := log.Floor(); got != eventlogtest.At(2010, 0) || retired.Load() != 2 {
		t.Fatalf("floor %s, %d retired", got, retired.Load())
	}
	if n := len(eventlogtest.Read(t, log, "a", log.Floor(), eventlogtest.At(1<<62, 0))); n != 4 {
		t.Fatalf("%d events are left", n)
	}
	mustClose(t, log)
}

func TestTroubleIsCountedAndToldOnce(t *testing.T) {
	var n int64
	var last error
	log := open(t, "log", eventlog.Options{FS: vfs.NewMem(), Hooks: eventlog.Hooks{
		Trouble: func(count int64, err error) { n, last = n+count, err },
	}})
	for range 10_000 {
		log.Trouble(syscall.ENOSPC)
	}
	mustClose(t, log) // the keeper is over
	log.TellTrouble()
	log.TellTrouble()
	if n != 10_000 || last != syscall.ENOSPC {
		t.Fatalf("%d times %v", n, last)
	}
}

// TestAPromotionThatCannotBeReadEndsTheLog: the position is past the transaction
// already, so that going on would lose what it changed. The next start finishes it.
func TestAPromotionThatCannotBeReadEndsTheLog(t *testing.T) {
	var broken atomic.Bool
	mem := vfs.NewMem()
	fs := fresh{errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && strings.HasSuffix(op.Path, ".sst") && (op.Kind == errorfs.OpFileReadAt || op.Kind == errorfs.OpFileRead) {
			return syscall.EIO
		}
		return nil
	}))}
	var failed atomic.Bool
	log := open(t, "log", eventlog.Options{FS: fs, Hooks: eventlog.Hooks{Failed: func(error) { failed.Store(true) }}})
	eventlogtest.Begin(t, log)
	const changes = 100
	for i := range changes {
		log.Batch().Stage(2000, orgcast.StateChange{Space: orgcast.SpaceMembers, Key: []byte{byte(i)}, Value: []byte("v")})
	}
	if err := log.Append(log.Batch(), 0, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := log.Flush(); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	err := log.Append(log.Batch(), 2010, eventlogtest.Committed)
	broken.Store(false)
	if err == nil || log.Health() == nil || !failed.Load() {
		t.Fatalf("appended: %v, health %v, told %v", err, log.Health(), failed.Load())
	}
	log.Close()
	again := open(t, "log", eventlog.Options{FS: fs})
	n := 0
	if err := again.State(func(orgcast.Space, []byte, []byte) error { n++; return nil }); err != nil || n != changes {
		t.Errorf("after the next start there are %d of %d, %v", n, changes, err)
	}
	mustClose(t, again)
}

// TestCloseMayMeetAPurge: both need the writer's turn.
func TestCloseMayMeetAPurge(t *testing.T) {
	for range 100 {
		log := open(t, "log", eventlog.Options{FS: vfs.NewMem()})
		eventlogtest.Begin(t, log)
		for j := range orgcast.LSN(5) {
			eventlogtest.Append(t, log, 2001+10*j, eventlogtest.Event("a", 2000+10*j, 0))
		}
		var meeting sync.WaitGroup
		meeting.Go(func() { _, _ = log.Purge(t.Context(), "a") }) // done, or ended by Close
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		meeting.Wait()
	}
}

// TestASlowDiskHoldsTheWriterBackAndNothingElse: each fsync takes long. What is
// appended is read at once, durable later and in order, and nobody calls it stuck.
func TestASlowDiskHoldsTheWriterBackAndNothingElse(t *testing.T) {
	const sync, batches = 20 * time.Millisecond, 500
	var syncs atomic.Int64
	var last atomic.Uint64
	log := open(t, "log", eventlog.Options{
		FS: walSyncs(vfs.NewMem(), func() error {
			syncs.Add(1)
			<-time.After(sync)
			return nil
		}),
		Hooks: eventlog.Hooks{Durable: func(end orgcast.LSN) {
			if before := last.Swap(uint64(end)); before >= uint64(end) {
				t.Errorf("durable up to %d after %d", end, before)
			}
		}},
	})
	eventlogtest.Begin(t, log)
	begun := syncs.Load()
	for i := range orgcast.LSN(batches) {
		eventlogtest.Append(t, log, 2001+10*i, eventlogtest.Event("a", 2000+10*i, 0))
		if err := log.Health(); err != nil {
			t.Fatalf("batch %d: %v", i, err)
		}
		if n := log.Stats().InFlight; n > 129 { // one is on its way in
			t.Fatalf("%d batches wait for their fsync", n)
		}
	}
	if n := len(eventlogtest.Read(t, log, "a", log.Floor(), eventlogtest.At(1<<62, 0))); n != batches {
		t.Fatalf("%d of %d events can be read", n, batches)
	}
	if log.Durable() >= log.Position() {
		t.Fatal("all is durable already: the disk is not slow")
	}
	settle(log)
	if n := syncs.Load() - begun; log.Durable() != log.Position() || last.Load() != uint64(log.Position()) || n > batches/4 {
		t.Fatalf("durable %d, told %d, position %d, %d fsyncs for %d batches", log.Durable(), last.Load(), log.Position(), n, batches)
	}
	mustClose(t, log)
}
