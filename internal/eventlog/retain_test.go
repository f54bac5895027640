package eventlog_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
)

// clock is a clock that the test moves.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(eventlogtest.Committed.UnixNano())
	return c
}

func (c *clock) now() time.Time        { return time.Unix(0, c.ns.Load()) }
func (c *clock) move(by time.Duration) { c.ns.Add(int64(by)) }
func open(t *testing.T, dir string, o eventlog.Options) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func mustClose(t *testing.T, log *eventlog.Log) {
	t.Helper()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

// settle waits until everything is fsynced.
func settle(log *eventlog.Log) {
	for log.Durable() != log.Position() {
		runtime.Gosched()
	}
}

func mustKeep(t *testing.T, log *eventlog.Log) {
	t.Helper()
	if err := log.Keep(); err != nil {
		t.Fatal(err)
	}
}

func appendAt(t *testing.T, log *eventlog.Log, at time.Time, events ...*orgcast.Event) {
	t.Helper()
	for _, e := range events {
		log.Batch().Event(e)
	}
	if err := log.Append(log.Batch(), events[len(events)-1].Cursor.LSN+1, at); err != nil {
		t.Fatal(err)
	}
}

func TestSegmentsOlderThanMaxAgeGo(t *testing.T) {
	clock, fs := newClock(), vfs.NewMem()
	var events atomic.Int64
	o := eventlog.Options{FS: fs, Now: clock.now, Hooks: eventlog.Hooks{Retired: func(n, _ int64) { events.Add(n) }}}
	log := open(t, "log", o)
	eventlogtest.Begin(t, log)
	for i := range orgcast.LSN(40) { // ten days, a segment each
		appendAt(t, log, clock.now(), eventlogtest.Event("a", 2000+10*i, 0), eventlogtest.Event("b", 2000+10*i, 8))
		clock.move(6 * time.Hour)
	}
	mustKeep(t, log)
	if n := log.Stats().Segments; n != 28 {
		t.Fatalf("%d segments are kept", n)
	}
	if events.Load() != 24 {
		t.Fatalf("%d events were told to be retired", events.Load())
	}
	for range 2 { // also after a restart
		floor := log.Floor()
		if floor != eventlogtest.At(2110, 8) {
			t.Fatalf("floor %s", floor)
		}
		if n := len(eventlogtest.Read(t, log, "a", floor, eventlogtest.At(1<<62, 0))); n != 28 {
			t.Fatalf("%d events are kept", n)
		}
		err := log.Read(t.Context(), "a", eventlogtest.At(2110, 7), eventlogtest.At(1<<62, 0), nil)
		if !errors.Is(err, eventlog.ErrBelowFloor) {
			t.Fatalf("below the floor: %v", err)
		}
		mustClose(t, log)
		log = open(t, "log", o)
	}
	// A log in which nothing happens keeps its newest.
	clock.move(1000 * time.Hour)
	mustKeep(t, log)
	if n := log.Stats().Segments; n != 1 {
		t.Fatalf("%d segments", n)
	}
	if n, err := log.EventKeys(); err != nil || n != 2 {
		t.Fatalf("%d events are on disk: %v", n, err)
	}
	mustClose(t, log)
}

func TestAClockThatStepsBackNeitherReordersNorRetires(t *testing.T) {
	clock := newClock()
	log := open(t, "log", eventlog.Options{FS: vfs.NewMem(), Now: clock.now})
	eventlogtest.Begin(t, log)
	steps := []time.Duration{7 * time.Hour, -500 * time.Hour, 8 * time.Hour, time.Hour}
	for i := range orgcast.LSN(40) {
		appendAt(t, log, clock.now(), eventlogtest.Event("a", 2000+10*i, 0))
		clock.move(steps[i%4])
	}
	events := eventlogtest.Read(t, log, "a", eventlogtest.At(2000, 0), eventlogtest.At(1<<62, 0))
	for i, e := range events {
		if e.Cursor.LSN != 2010+10*orgcast.LSN(i) {
			t.Fatalf("event %d is %s", i, e.Cursor)
		}
	}
	if len(events) != 39 {
		t.Fatalf("%d events", len(events))
	}
	mustClose(t, log)
}

// randomFrame can't be compressed.
func randomFrame(e *orgcast.Event, n int, random *rand.ChaCha8) *orgcast.Event {
	e.Frame = make([]byte, n)
	_, _ = random.Read(e.Frame) // never fails
	return e
}

func TestBytesAreTheBound(t *testing.T) {
	const bound = 32 << 20
	fs := vfs.NewMem()
	var retired, bytes atomic.Int64
	count := func(n, b int64) { retired.Add(n); bytes.Add(b) }
	o := eventlog.Options{FS: fs, MaxBytes: bound, Hooks: eventlog.Hooks{Retired: count, Trimmed: func(_ int, n, b int64) { count(n, b) }}}
	log := open(t, "log", o)
	eventlogtest.Begin(t, log)
	random := rand.NewChaCha8([32]byte{1})
	appended := 0
	for i := range orgcast.LSN(112) { // 512 KiB each
		for j := range uint64(32) {
			log.Batch().Event(randomFrame(eventlogtest.Event("a", 2000+10*i, j), 16<<10, random))
			appended++
		}
		if err := log.Append(log.Batch(), 2001+10*i, time.Now()); err != nil {
			t.Fatal(err)
		}
		if i%8 == 7 {
			mustKeep(t, log)
		}
	}
	if err := log.Flush(); err != nil {
		t.Fatal(err)
	}
	mustKeep(t, log)
	s := log.Stats()
	// A compaction that is under way holds the files that it reads.
	for begun := time.Now(); s.DiskBytes > bound*5/4 && time.Since(begun) < 30*time.Second; s = log.Stats() {
		<-time.After(20 * time.Millisecond)
		mustKeep(t, log)
	}
	if s.DiskBytes > bound*5/4 {
		t.Errorf("%d bytes on disk, the bound is %d", s.DiskBytes, bound)
	}
	if s.Events < 16*64 {
		t.Errorf("only %d events are left: more went than had to", s.Events)
	}
	if int64(appended) != s.Events+retired.Load() {
		t.Errorf("%d appended, %d left, %d told to be retired", appended, s.Events, retired.Load())
	}
	if got := bytes.Load() / (16 << 10); got < retired.Load() || got > retired.Load()*11/10 {
		t.Errorf("%d bytes were told to be retired with %d events", bytes.Load(), retired.Load())
	}
	mustClose(t, log)
	log = open(t, "log", o)
	if err := log.Recovered(); err != nil {
		t.Fatal(err)
	}
	if n := len(eventlogtest.Read(t, log, "a", log.FloorOf("a"), eventlogtest.At(1<<62, 0))); int64(n) != s.Events {
		t.Fatalf("%d events after a restart, %d before", n, s.Events)
	}
	mustClose(t, log)
}

func TestAnUnfinishedTransactionIsNotRetired(t *testing.T) {
	clock := newClock()
	log := open(t, "log", eventlog.Options{FS: vfs.NewMem(), Now: clock.now})
	eventlogtest.Begin(t, log)
	for i := range uint64(40) { // one transaction across ten days
		eventlogtest.Append(t, log, 0, eventlogtest.Event("a", 2000, i))
		clock.move(6 * time.Hour)
	}
	mustKeep(t, log)
	if n := log.Stats().Segments; n != 40 {
		t.Fatalf("%d segments", n)
	}
	eventlogtest.Append(t, log, 2001)
	mustKeep(t, log)
	if n := log.Stats().Segments; n != 1 {
		t.Fatalf("%d segments after its end", n)
	}
	mustClose(t, log)
}

func TestAKillWithinARetirementIsFinishedAtOpen(t *testing.T) {
	clock, o := newClock(), eventlog.Options{FS: vfs.NewMem()}
	o.Now = clock.now
	log := open(t, "log", o)
	eventlogtest.Begin(t, log)
	for i := range orgcast.LSN(3) {
		appendAt(t, log, clock.now(), eventlogtest.Event("a", 2000+10*i, 0))
		clock.move(6 * time.Hour)
	}
	if err := log.ForgetSegment(1); err != nil {
		t.Fatal(err)
	}
	mustClose(t, log)
	log = open(t, "log", o)
	if n, err := log.EventKeys(); err != nil || n != 2 {
		t.Fatalf("%d events on disk: %v", n, err)
	}
	mustClose(t, log)
}

// Readers run while segments are retired under them: what they are passed is
// complete, or they are told.
func TestAReaderNeverCrossesARetirementUnawares(t *testing.T) {
	clock := newClock()
	log := open(t, "log", eventlog.Options{FS: vfs.NewMem(), Now: clock.now, MaxAge: 48 * time.Hour})
	eventlogtest.Begin(t, log)
	done := make(chan struct{})
	var readers sync.WaitGroup
	var complete, refused atomic.Int64
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				// From the floor and from below it, up to what is applied.
				after, upTo := log.Floor(), orgcast.Position(eventlogtest.Epoch, log.Position())
				if after.LSN < 2000 {
					after = eventlogtest.At(1990, 0)
				}
				next := after.LSN + 10
				err := log.Read(t.Context(), "a", after, upTo, func(e *orgcast.Event) bool {
					if e.Cursor.LSN != next {
						t.Errorf("after %s: %s instead of LSN %d", after, e.Cursor, next)
						return false
					}
					next += 10
					return true
				})
				switch {
				case errors.Is(err, eventlog.ErrBelowFloor):
					refused.Add(1)
				case err != nil:
					t.Error(err)
					return
				case next <= upTo.LSN:
					t.Errorf("after %s: ended before %d, want up to %s", after, next, upTo)
				default:
					complete.Add(1)
				}
			}
		})
	}
	for i := range orgcast.LSN(1500) {
		appendAt(t, log, clock.now(), eventlogtest.Event("a", 2000+10*i, 0))
		clock.move(time.Hour)
		if i%5 == 0 {
			mustKeep(t, log)
		}
	}
	close(done)
	readers.Wait()
	if complete.Load() == 0 || log.Floor().LSN < 10_000 {
		t.Fatalf("%d complete reads, %d refused, floor %s: nothing was tried", complete.Load(), refused.Load(), log.Floor())
	}
	mustClose(t, log)
}

func TestNoTableStraddlesASegment(t *testing.T) {
	clock := newClock()
	log := open(t, "log", eventlog.Options{FS: vfs.NewMem(), Now: clock.now, MaxBytes: 32 << 20})
	eventlogtest.Begin(t, log)
	random := rand.NewChaCha8([32]byte{2})
	for i := range orgcast.LSN(400) {
		log.Batch().State(orgcast.StateChange{Space: 'p', Key: binary.BigEndian.AppendUint64(nil, uint64(i)), Value: []byte("v")})
		appendAt(t, log, clock.now(), randomFrame(eventlogtest.Event("a", 2000+10*i, 0), 16<<10, random))
		clock.move(20 * time.Minute)
	}
	if err := log.Flush(); err != nil {
		t.Fatal(err)
	}
	tables, err := log.Tables()
	if err != nil {
		t.Fatal(err)
	}
	segments := log.Stats().Segments
	if len(tables) <= segments || segments < 20 {
		t.Fatalf("%d tables, %d segments", len(tables), segments)
	}
	for _, b := range tables {
		if (b[0][0] == 'e' || b[1][0] == 'e') && !bytes.Equal(b[0][:5], b[1][:5]) {
			t.Errorf("a table goes from %x to %x", b[0], b[1])
		}
	}
	mustClose(t, log)
}

// What retention leaves is what can be replayed, and how far back that is.
func TestTheOldestEventAndPositionMoveWithRetention(t *testing.T) {
	clock := newClock()
	log := open(t, "log", eventlog.Options{FS: vfs.NewMem(), Now: clock.now})
	defer mustClose(t, log)
	eventlogtest.Begin(t, log)
	if s := log.Stats(); !s.Oldest.IsZero() || s.Floor != orgcast.Position(eventlogtest.Epoch, eventlogtest.Start) {
		t.Errorf("an empty log's oldest is %v, from %v", s.Oldest, s.Floor)
	}
	begun := clock.now()
	for i := range orgcast.LSN(40) { // ten days, a segment each
		appendAt(t, log, clock.now(), eventlogtest.Event("a", 2000+10*i, 0))
		clock.move(6 * time.Hour)
		if s := log.Stats(); i == 12 && !s.Oldest.Equal(begun) {
			t.Errorf("before retention: the oldest is of %v, want %v", s.Oldest, begun)
		}
	}
	mustKeep(t, log)
	s := log.Stats()
	if age := clock.now().Sub(s.Oldest); age > 7*24*time.Hour || age < 6*24*time.Hour {
		t.Errorf("after it: the oldest is %v old", age)
	}
	if first := eventlogtest.Read(t, log, "a", s.Floor, eventlogtest.At(1<<62, 0))[0]; first.Cursor.LSN != s.Floor.LSN+10 {
		t.Errorf("from %v the first is %v", s.Floor, first.Cursor)
	}
}
