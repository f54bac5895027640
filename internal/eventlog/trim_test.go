package eventlog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
)

// importer fills a log: history is what twenty others have, an event each at a time,
// and then one imports.
type importer struct {
	t        *testing.T
	log      *eventlog.Log
	random   *rand.ChaCha8
	lsn      orgcast.LSN
	appended int
}

const frame = 4 << 10

func (im *importer) commit(organizations ...orgcast.OrganizationID) {
	im.t.Helper()
	im.lsn += 10
	for i, o := range organizations {
		im.log.Batch().Event(randomFrame(eventlogtest.Event(o, im.lsn, uint64(i)), frame, im.random))
		im.appended++
	}
	if err := im.log.Append(im.log.Batch(), im.lsn+1, time.Now()); err != nil {
		im.t.Fatal(err)
	}
}

func (im *importer) history(rounds int) {
	im.t.Helper()
	for range rounds {
		for i := range 20 {
			im.commit(orgcast.OrganizationID(fmt.Sprint("org_", i)))
		}
	}
}

// count is how many of an organization's events are read from its floor on.
func (im *importer) count(o orgcast.OrganizationID) int {
	im.t.Helper()
	return len(eventlogtest.Read(im.t, im.log, o, im.log.FloorOf(o), eventlogtest.At(1<<62, 0)))
}

// TestAnImportTakesItsOwnReplayAndNobodyElses: twenty organizations with 7.5 MiB of
// history between them, and one that imports 44 MiB into a log of 32.
func TestAnImportTakesItsOwnReplayAndNobodyElses(t *testing.T) {
	const bound, rounds, imported = 32 << 20, 96, 11264
	var trimmed, retired, bytes, times atomic.Int64
	o := eventlog.Options{FS: vfs.NewMem(), MaxBytes: bound, Hooks: eventlog.Hooks{
		Trimmed: func(n int, e, b int64) { times.Add(int64(n)); trimmed.Add(e); bytes.Add(b) },
		Retired: func(e, _ int64) { retired.Add(e) },
	}}
	im := &importer{t: t, log: open(t, "log", o), random: rand.NewChaCha8([32]byte{7}), lsn: 2000}
	eventlogtest.Begin(t, im.log)
	begin := im.log.Floor()
	im.history(rounds)
	for i := range imported / 64 {
		im.commit(slices.Repeat([]orgcast.OrganizationID{"importer"}, 64)...)
		if i%4 == 3 { // what waits to be flushed is much of so small a log
			if err := im.log.FlushMemtables(); err != nil {
				t.Fatal(err)
			}
			mustKeep(t, im.log)
		}
	}
	if err := im.log.Flush(); err != nil {
		t.Fatal(err)
	}
	mustKeep(t, im.log)
	for round := range 2 { // also after a restart
		for i := range 20 {
			o := orgcast.OrganizationID(fmt.Sprint("org_", i))
			if n := im.count(o); n != rounds || im.log.FloorOf(o) != begin {
				t.Errorf("%s has %d of its %d events, from %s", o, n, rounds, im.log.FloorOf(o))
			}
		}
		err := im.log.Read(t.Context(), "importer", begin, eventlogtest.At(1<<62, 0), func(*orgcast.Event) bool {
			t.Error("a gap is read over")
			return false
		})
		if !errors.Is(err, eventlog.ErrBelowFloor) {
			t.Errorf("the importer reads from the beginning: %v", err)
		}
		// Its share is what the others leave. An eighth goes at a time, an eighth is free
		// before, and of so small a log the write-ahead log and memtables are another.
		n, s := im.count("importer"), im.log.Stats()
		if share := (bound*5/8 - 20*rounds*frame) / frame; n < share {
			t.Errorf("the importer has %d events left, its share is %d", n, share)
		}
		if s.DiskBytes > bound*5/4 {
			t.Errorf("%d bytes on disk, the bound is %d", s.DiskBytes, bound)
		}
		if int64(im.appended) != s.Events+trimmed.Load() || n != int(s.Events)-20*rounds || s.Floors != 1 {
			t.Errorf("%d appended, %d counted, %d trimmed; the importer has %d; %d floors", im.appended, s.Events, trimmed.Load(), n, s.Floors)
		}
		if round == 0 {
			mustClose(t, im.log)
			im.log = open(t, "log", o)
			if err := im.log.Recovered(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if retired.Load() != 0 || times.Load() == 0 || bytes.Load() < trimmed.Load()*frame {
		t.Errorf("%d events were retired for everybody, %d times one lost its own, %d bytes of %d events", retired.Load(), times.Load(), bytes.Load(), trimmed.Load())
	}
	mustClose(t, im.log)
}

// TestWhatIsForEverybodyGoesWithWholeSegments: it can't go alone.
func TestWhatIsForEverybodyGoesWithWholeSegments(t *testing.T) {
	const bound = 32 << 20
	var trimmed, retired atomic.Int64
	o := eventlog.Options{FS: vfs.NewMem(), MaxBytes: bound, Hooks: eventlog.Hooks{
		Trimmed: func(_ int, e, _ int64) { trimmed.Add(e) }, Retired: func(e, _ int64) { retired.Add(e) },
	}}
	im := &importer{t: t, log: open(t, "log", o), random: rand.NewChaCha8([32]byte{8}), lsn: 2000}
	eventlogtest.Begin(t, im.log)
	begin := im.log.Floor()
	im.history(2)
	for i := range 160 { // 40 MiB
		im.commit(slices.Repeat([]orgcast.OrganizationID{orgcast.Everyone}, 64)...)
		if i%4 == 3 {
			mustKeep(t, im.log)
		}
	}
	if err := im.log.Flush(); err != nil { // what it takes does not change any more
		t.Fatal(err)
	}
	mustKeep(t, im.log)
	if retired.Load() == 0 || im.log.Floor() == begin || im.log.FloorOf("org_1") != im.log.Floor() {
		t.Fatalf("%d retired, %d trimmed, floor %s", retired.Load(), trimmed.Load(), im.log.Floor())
	}
	if s := im.log.Stats(); int64(im.appended) != s.Events+retired.Load()+trimmed.Load() || s.DiskBytes > bound*5/4 {
		t.Errorf("%d appended, %d left, %d retired, %d trimmed; %d bytes", im.appended, s.Events, retired.Load(), trimmed.Load(), s.DiskBytes)
	}
	if n := im.count("org_1"); n != int(im.log.Stats().Events) {
		t.Errorf("%d events are read of %d", n, im.log.Stats().Events)
	}
	mustClose(t, im.log)
}

// TestAPowerCutWithinATrimLeavesNoSilentGap: whose events go has all above its floor,
// and nobody else misses anything.
func TestAPowerCutWithinATrimLeavesNoSilentGap(t *testing.T) {
	c := &crashes{fs: vfs.NewCrashableMem()}
	clock := newClock()
	o := eventlog.Options{FS: c.wrap(), Now: clock.now, MaxAge: 1 << 60}
	log := open(t, "data/log", o)
	eventlogtest.Begin(t, log)
	begin := log.Floor()
	const segments, each = 6, 20
	for range segments {
		for range each {
			lsn := log.Position() + 9
			appendAt(t, log, clock.now(), eventlogtest.Event("few", lsn, 0), eventlogtest.Event("many", lsn, 1),
				eventlogtest.Event("many", lsn, 2), eventlogtest.Event("many", lsn, 3), eventlogtest.Event(orgcast.Everyone, lsn, 4))
		}
		clock.move(6 * time.Hour)
	}
	for range each { // in which nothing is another's
		appendAt(t, log, clock.now(), eventlogtest.Event("many", log.Position()+9, 0))
	}
	settle(log)
	position := log.Position()
	c.mu.Lock()
	c.left = nil
	c.mu.Unlock()
	size := eventlog.EventSize(eventlogtest.Event("many", position, 0))
	for range 4 { // 200 of its 380 events, of which it keeps more than the other has
		if err := log.Trim(50 * size); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, log)
	floors := map[orgcast.Cursor]bool{}
	for i, fs := range c.left {
		o.FS = fs
		log := open(t, "data/log", o)
		if err := log.Recovered(); err != nil {
			t.Fatal(err)
		}
		if log.Position() != position || log.Floor() != begin {
			t.Fatalf("cut %d: position %d, floor %s", i, log.Position(), log.Floor())
		}
		few := eventlogtest.Read(t, log, "few", begin, eventlogtest.At(1<<62, 0))
		if len(few) != 2*segments*each {
			t.Fatalf("cut %d: %d events are left of who lost none", i, len(few))
		}
		floor := log.FloorOf("many")
		floors[floor] = true
		want := 0
		for lsn := eventlogtest.Start + 9; lsn < position; lsn += 10 {
			for index := range uint64(3) {
				first := index + 1
				if lsn > eventlogtest.Start+segments*each*10 {
					if first = 0; index > 0 {
						continue
					}
				}
				if eventlogtest.At(lsn, first).Compare(floor) > 0 {
					want++
				}
			}
		}
		n := 0
		for _, e := range eventlogtest.Read(t, log, "many", floor, eventlogtest.At(1<<62, 0)) {
			if e.Organization == "many" {
				n++
			}
		}
		keys, err := log.EventKeys()
		if err != nil {
			t.Fatal(err)
		}
		if n != want || int64(keys) != log.Stats().Events || keys != n+len(few) {
			t.Fatalf("cut %d: above %s %d events of %d; %d on disk, %d counted", i, floor, n, want, keys, log.Stats().Events)
		}
		mustClose(t, log)
	}
	if len(floors) != 5 {
		t.Fatalf("%d cuts with %d floors", len(c.left), len(floors))
	}
}
