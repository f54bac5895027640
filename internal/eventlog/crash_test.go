package eventlog_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
)

// crash is the disk after a power cut: percent of what was not synced is there.
func crash(fs *vfs.MemFS, percent int, seed uint64) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, 0))})
}

// fresh makes a new file where Pebble would reuse an old one. MemFS locks itself
// twice over a reuse, and a CrashClone in between waits for ever; and errorfs
// would let the reused file's writes pass.
type fresh struct{ vfs.FS }

func (f fresh) ReuseForWrite(oldName, newName string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.Remove(oldName); err != nil {
		return nil, err
	}
	return f.Create(newName, c)
}

func openCrashed(t *testing.T, fs vfs.FS) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Open("data/log", eventlog.Options{FS: fresh{fs}})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Recovered(); err != nil {
		t.Fatalf("a power cut damaged the log: %v", err)
	}
	return log
}

func TestNothingThatWasDurableIsLostInAPowerCut(t *testing.T) {
	for seed := range uint64(4) {
		fs := vfs.NewCrashableMem()
		log := openCrashed(t, fs)
		eventlogtest.Begin(t, log)
		random := rand.New(rand.NewPCG(seed, 1))
		for range 6 { // each crash is of the log that the crash before left
			for range 50 + random.IntN(400) {
				if err := appendSource(log, log.Position()+step); err != nil {
					t.Fatal(err)
				}
			}
			if random.IntN(2) == 0 { // in the middle of a transaction
				eventlogtest.Append(t, log, 0, eventlogtest.Event("org_1", log.Position()+1, 0))
			}
			durable := log.Durable()
			crashed := crash(fs, []int{0, 10, 50, 90}[random.IntN(4)], seed)
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			fs = crashed
			log = openCrashed(t, fs)
			if log.Position() < durable {
				t.Fatalf("%d was durable, %d is there", durable, log.Position())
			}
			checkSource(t, log)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPowerCutWithinBeginLeavesTheOldTheNewOrAnEmptyLog(t *testing.T) {
	fs := vfs.NewCrashableMem()
	log := openCrashed(t, fs)
	eventlogtest.Begin(t, log)
	for range 100 {
		if err := appendSource(log, log.Position()+step); err != nil {
			t.Fatal(err)
		}
	}
	var within []*vfs.MemFS
	err := log.Begin(t.Context(), eventlogtest.Identity, eventlogtest.Epoch+1, 9000, func(put func(orgcast.StateChange) error) error {
		for i := range 30 {
			within = append(within, crash(fs, 10*i%100, uint64(i)))
			if err := put(orgcast.StateChange{Space: 'p', Key: []byte{byte(i)}, Value: make([]byte, 200_000)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	after := crash(fs, 0, 0)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for i, fs := range within {
		log := openCrashed(t, fs)
		if _, _, ok := log.Identity(); ok {
			t.Fatalf("crash %d: a log with half a snapshot", i)
		}
		eventlogtest.Begin(t, log)
		if n := log.Stats().Events; n != 0 {
			t.Fatalf("crash %d: %d events of another epoch", i, n)
		}
		if err := log.State(func(orgcast.Space, []byte, []byte) error {
			t.Errorf("crash %d: state of half a snapshot", i)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	log = openCrashed(t, after)
	if _, epoch, ok := log.Identity(); !ok || epoch != eventlogtest.Epoch+1 || log.Position() != 9000 {
		t.Fatal("Begin was not durable at its return")
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

// crashes collects what a power cut before every fsync would leave: none and all
// of what was not synced. (Not a part of it: while it replaces its MANIFEST, Pebble
// relies on the file system to keep two names of one directory in order.)
type crashes struct {
	fs   *vfs.MemFS
	mu   sync.Mutex
	left []*vfs.MemFS
}

func (c *crashes) wrap() vfs.FS {
	return fresh{errorfs.Wrap(c.fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpRemove:
			c.mu.Lock()
			defer c.mu.Unlock()
			c.left = append(c.left, crash(c.fs, 0, 0), crash(c.fs, 100, 0))
		}
		return nil
	}))}
}

func TestAPowerCutWithinTheRemovalOfATornTransaction(t *testing.T) {
	mem := vfs.NewCrashableMem()
	clock := newClock()
	log := open(t, "data/log", eventlog.Options{FS: mem, Now: clock.now})
	eventlogtest.Begin(t, log)
	for range 20 {
		if err := appendSource(log, log.Position()+step); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint64(4) { // over several segments
		eventlogtest.Append(t, log, 0, eventlogtest.Event("org_1", log.Position()+1, i), eventlogtest.Event("org_2", log.Position()+1, i+1<<32))
		if err := log.Discard(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint64(4) {
		eventlogtest.Append(t, log, 0, eventlogtest.Event("org_1", log.Position()+1, i))
		clock.move(7 * time.Hour)
	}
	mustClose(t, log)
	c := &crashes{fs: mem}
	log = openCrashed(t, c.wrap())
	checkSource(t, log)
	mustClose(t, log)
	if len(c.left) < 8 {
		t.Fatalf("only %d crashes", len(c.left))
	}
	for _, fs := range c.left {
		log := openCrashed(t, fs)
		if log.Position() != eventlogtest.Start+20*step {
			t.Fatalf("position %d", log.Position())
		}
		checkSource(t, log)
		mustClose(t, log)
	}
}

// TestAPowerCutAroundAPromotionLeavesAllOfATransactionsStateOrNone cuts the power
// before every fsync while a transaction in parts is appended whose state is
// promoted in many batches.
func TestAPowerCutAroundAPromotionLeavesAllOfATransactionsStateOrNone(t *testing.T) {
	c := &crashes{fs: vfs.NewCrashableMem()}
	log := openCrashed(t, c.wrap())
	const keys = 60
	change := func(i int, version byte) orgcast.StateChange {
		value := make([]byte, 32<<10) // two MiB in all: eight batches
		value[0] = version
		return orgcast.StateChange{Space: 'p', Key: []byte{byte(i)}, Value: value}
	}
	err := log.Begin(t.Context(), eventlogtest.Identity, eventlogtest.Epoch, eventlogtest.Start, func(put func(orgcast.StateChange) error) error {
		for i := range keys {
			if err := put(change(i, 1)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.left = nil
	c.mu.Unlock()
	const commit, end = 2000, 2010
	for i := range keys {
		log.Batch().Event(eventlogtest.Event("org_1", commit, uint64(i)))
		log.Batch().Stage(commit, change(i, 2))
		upTo := orgcast.LSN(0)
		if i == keys-1 {
			upTo = end
		}
		if err := log.Append(log.Batch(), upTo, eventlogtest.Committed); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, log)
	seen := map[orgcast.LSN]int{}
	for n, fs := range c.left {
		log := openCrashed(t, fs)
		position := log.Position()
		seen[position]++
		want := map[orgcast.LSN]byte{eventlogtest.Start: 1, end: 2}[position]
		counted := 0
		if err := log.State(func(_ orgcast.Space, key, value []byte) error {
			if counted++; value[0] != want {
				t.Errorf("crash %d: at %d, key %d is of version %d", n, position, key, value[0])
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if events := log.Stats().Events; counted != keys || events != map[byte]int64{1: 0, 2: keys}[want] {
			t.Errorf("crash %d: at %d, %d keys and %d events", n, position, counted, events)
		}
		if left, err := log.StagedKeys(); err != nil || left != 0 {
			t.Errorf("crash %d: %d staged keys are left: %v", n, left, err)
		}
		mustClose(t, log)
	}
	if seen[eventlogtest.Start] < 3 || seen[end] < 3 {
		t.Fatalf("crashes at %v: too few of a kind", seen)
	}
}

func TestAPowerCutWithinARetirementLeavesNoSilentGap(t *testing.T) {
	c := &crashes{fs: vfs.NewCrashableMem()}
	clock := newClock()
	o := eventlog.Options{FS: c.wrap(), Now: clock.now, MaxAge: 24 * time.Hour}
	log := open(t, "data/log", o)
	eventlogtest.Begin(t, log)
	for i := range orgcast.LSN(12) {
		appendAt(t, log, clock.now(), eventlogtest.Event("a", 2000+10*i, 0))
		settle(log)
		mustKeep(t, log)
		clock.move(6 * time.Hour)
	}
	mustClose(t, log)
	floors := map[orgcast.Cursor]bool{}
	for _, fs := range c.left {
		o.FS = fs
		log := open(t, "data/log", o)
		if err := log.Recovered(); err != nil {
			t.Fatal(err)
		}
		if log.Position() >= 2000 {
			floor := log.Floor()
			floors[floor] = true
			next := max(floor.LSN+10, 2000)
			for _, e := range eventlogtest.Read(t, log, "a", floor, eventlogtest.At(1<<62, 0)) {
				if e.Cursor.LSN != next {
					t.Fatalf("above %s: %s instead of LSN %d", floor, e.Cursor, next)
				}
				next += 10
			}
			if next != log.Position()+9 {
				t.Fatalf("above %s: nothing from %d on, position %d", floor, next, log.Position())
			}
		}
		mustClose(t, log)
	}
	if len(floors) < 5 {
		t.Fatalf("%d crashes with %d floors", len(c.left), len(floors))
	}
}
