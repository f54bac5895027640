package eventlog_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
)

const (
	damageDir   = "data/log"
	damageSeeds = 12
)

// disk is what a killed process left, and may be damaged.
type disk struct {
	*vfs.MemFS
	t *testing.T
	r *rand.Rand
}

// files lists those of a name's beginning and end, the newest last.
func (d disk) files(prefix, suffix string) []string {
	d.t.Helper()
	all, err := d.List(damageDir)
	if err != nil {
		d.t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(n string) bool { return !strings.HasPrefix(n, prefix) || !strings.HasSuffix(n, suffix) })
	if len(all) == 0 {
		d.t.Fatalf("no %s…%s", prefix, suffix)
	}
	slices.Sort(all)
	return all
}

func (d disk) newest(prefix, suffix string) string { return slices.Max(d.files(prefix, suffix)) }

func (d disk) table() string { names := d.files("", ".sst"); return names[d.r.IntN(len(names))] }

func (d disk) read(name string) []byte {
	d.t.Helper()
	f, err := d.Open(d.PathJoin(damageDir, name))
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

func (d disk) write(name string, b []byte) {
	d.t.Helper()
	f, err := d.Create(d.PathJoin(damageDir, name), vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write(b)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		d.t.Fatal(err)
	}
}

func (d disk) lose(name string) {
	d.t.Helper()
	if err := d.Remove(d.PathJoin(damageDir, name)); err != nil {
		d.t.Fatal(err)
	}
}

// tear leaves a beginning of the file.
func (d disk) tear(name string) {
	b := bytes.TrimRight(d.read(name), "\x00") // it may be allocated ahead
	d.write(name, b[:d.r.IntN(len(b)+1)])
}

// zero makes a part of it zero, to the end or not.
func (d disk) zero(name string) {
	b := d.read(name)
	from := d.r.IntN(len(b) + 1)
	n := len(b) - from
	if d.r.IntN(2) == 0 {
		n = d.r.IntN(n + 1)
	}
	clear(b[from : from+n])
	d.write(name, b)
}

func (d disk) flip(name string) {
	if b := d.read(name); len(b) > 0 {
		b[d.r.IntN(len(b))] ^= 1 << d.r.IntN(8)
		d.write(name, b)
	}
}

// harms are the ways in which a log comes back damaged. before is the disk of a life
// earlier.
var harms = map[string]func(d, before disk){
	"nothing happens":                    func(disk, disk) {},
	"the end of the WAL is torn":         func(d, _ disk) { d.tear(d.newest("", ".log")) },
	"bytes of the WAL are zero":          func(d, _ disk) { d.zero(d.newest("", ".log")) },
	"a bit of the WAL is flipped":        func(d, _ disk) { d.flip(d.newest("", ".log")) },
	"the newest WAL is lost":             func(d, _ disk) { d.lose(d.newest("", ".log")) },
	"the end of the MANIFEST is torn":    func(d, _ disk) { d.tear(d.newest("MANIFEST", "")) },
	"bytes of the MANIFEST are zero":     func(d, _ disk) { d.zero(d.newest("MANIFEST", "")) },
	"a bit of the MANIFEST is flipped":   func(d, _ disk) { d.flip(d.newest("MANIFEST", "")) },
	"the MANIFEST is lost":               func(d, _ disk) { d.lose(d.newest("MANIFEST", "")) },
	"the marker of the MANIFEST is lost": func(d, _ disk) { d.lose(d.newest("marker.manifest", "")) },
	"an older MANIFEST is back": func(d, before disk) {
		for _, prefix := range []string{"MANIFEST", "marker.manifest"} {
			for _, name := range d.files(prefix, "") {
				d.lose(name)
			}
			for _, name := range before.files(prefix, "") {
				d.write(name, before.read(name))
			}
		}
	},
	"a table is lost":             func(d, _ disk) { d.lose(d.table()) },
	"a table is torn":             func(d, _ disk) { d.tear(d.table()) },
	"bytes of a table are zero":   func(d, _ disk) { d.zero(d.table()) },
	"a bit of a table is flipped": func(d, _ disk) { d.flip(d.table()) },
	"all of it is of before": func(d, before disk) {
		for _, name := range d.files("", "") {
			d.lose(name)
		}
		for _, name := range before.files("", "") {
			d.write(name, before.read(name))
		}
	},
}

// lives returns what is on the disk each time that a log is killed. Now and then a
// life begins a segment, or writes tables.
func lives(t *testing.T, r *rand.Rand, n int) (left []disk) {
	t.Helper()
	clock, fs := newClock(), vfs.NewCrashableMem()
	for life := range n {
		log := open(t, damageDir, eventlog.Options{FS: fresh{fs}, Now: clock.now})
		if log.Recovered() != nil {
			t.Fatalf("a kill damaged the log: %v", log.Recovered())
		}
		if life == 0 {
			eventlogtest.Begin(t, log)
		}
		for range 1 + r.IntN(4) {
			for range 1 + r.IntN(60) {
				if err := appendSource(log, log.Position()+step); err != nil {
					t.Fatal(err)
				}
			}
			switch r.IntN(4) {
			case 0:
				if err := log.Flush(); err != nil {
					t.Fatal(err)
				}
			case 1:
				clock.move(7 * time.Hour)
			}
		}
		settle(log)
		killed := crash(fs, 100, 0)
		mustClose(t, log)
		fs = crash(killed, 100, 0)
		left = append(left, disk{killed, t, r})
	}
	return left
}

// holes holds a log against the source: what is between floor and position is there,
// once and in order, or it tells what is not. What can't be read is given up, and
// the floor rises.
func holes(t *testing.T, log *eventlog.Log) string {
	t.Helper()
	if err := checkState(log); err != nil {
		return err.Error()
	}
	for i := range 5 {
		org := orgcast.OrganizationID("org_" + strconv.Itoa(i))
		var floor orgcast.Cursor
		var got, want []orgcast.Cursor
		for tries := 0; ; tries++ {
			got, floor = nil, log.Floor()
			err := log.Read(t.Context(), org, floor, eventlogtest.At(1<<62, 0), func(e *orgcast.Event) bool {
				got = append(got, e.Cursor)
				return true
			})
			if err == nil {
				break
			}
			if tries == 20 {
				return fmt.Sprintf("it can't be read, and nothing is given up for it: %v", err)
			}
			mustKeep(t, log)
		}
		for end := eventlogtest.Start + step; end <= log.Position(); end += step {
			for _, e := range sourceTransaction(end) {
				if e.Organization == org && e.Cursor.Compare(floor) > 0 {
					want = append(want, e.Cursor)
				}
			}
		}
		if !slices.Equal(got, want) {
			return fmt.Sprintf("%s has %d events between %s and %s, not %d", org, len(got), floor, log.Position(), len(want))
		}
	}
	return ""
}

// TestADamagedLogIsFoundOutOrIsWhole damages what killed processes left, at random.
// At the next start the log is begun anew; or it is whole between its floor and its
// position, which may be one of before: that, the slot tells.
func TestADamagedLogIsFoundOutOrIsWhole(t *testing.T) {
	for name, do := range harms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			anew, whole := 0, 0
			for seed := range uint64(damageSeeds) {
				r := rand.New(rand.NewPCG(seed, 7))
				left := lives(t, r, 4)
				do(left[3], left[1+r.IntN(2)])
				log, err := eventlog.Open(damageDir, eventlog.Options{FS: fresh{left[3]}, Exit: func(int) { panic("the process was ended") }})
				if err != nil {
					t.Errorf("seed %d: open: %v", seed, err)
					continue
				}
				if _, _, ok := log.Identity(); !ok {
					anew++
				} else {
					whole++
					if what := holes(t, log); what != "" {
						t.Errorf("seed %d: %s", seed, what)
					}
				}
				if err := log.Close(); err != nil {
					t.Errorf("seed %d: close: %v", seed, err)
				}
			}
			if unharmed := name == "nothing happens" || name == "all of it is of before"; unharmed && anew > 0 {
				t.Errorf("%d of %d that are whole are begun anew", anew, anew+whole)
			}
			t.Logf("%d begun anew, %d whole", anew, whole)
		})
	}
}

// TestAWitnessThatIsDamagedOrGoneSaysNothing: it is no part of the log.
func TestAWitnessThatIsDamagedOrGoneSaysNothing(t *testing.T) {
	const file = "WITNESS"
	for name, do := range map[string]func(disk){
		"it is gone":             func(d disk) { d.lose(file) },
		"it is torn":             func(d disk) { b := d.read(file); d.write(file, b[:len(b)/2]) },
		"it is empty":            func(d disk) { d.write(file, nil) },
		"a bit of it is flipped": func(d disk) { b := d.read(file); b[0] ^= 1; d.write(file, b) },
	} {
		left := lives(t, rand.New(rand.NewPCG(1, 1)), 2)[1]
		do(left)
		log := open(t, damageDir, eventlog.Options{FS: fresh{left}})
		if log.Recovered() != nil {
			t.Errorf("%s: recovered from %v", name, log.Recovered())
		} else if what := holes(t, log); what != "" {
			t.Errorf("%s: %s", name, what)
		}
		mustClose(t, log)
		if len(left.read(file)) == 0 {
			t.Errorf("%s: there is no new one", name)
		}
	}
}
