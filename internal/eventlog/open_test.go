package eventlog_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
)

// wantRefusal is an error that is of kind want and tells the operator what to do.
func wantRefusal(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	if orgcast.Hint(err) == "" {
		t.Fatalf("error %v has no hint", err)
	}
}

func TestOneDirectoryOneProcess(t *testing.T) {
	mem := vfs.NewMem()
	for dir, fs := range map[string]vfs.FS{"log": mem, filepath.Join(t.TempDir(), "log"): nil} {
		log := open(t, dir, eventlog.Options{FS: fs})
		_, err := eventlog.Open(dir, eventlog.Options{FS: fs})
		wantRefusal(t, err, eventlog.ErrLocked)
		mustClose(t, log)
		mustClose(t, open(t, dir, eventlog.Options{FS: fs}))
	}
}

func TestTheDirectoryIsForItsOwnerOnly(t *testing.T) {
	wide := t.TempDir()
	if err := os.Chmod(wide, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{wide, filepath.Join(t.TempDir(), "data", "log")} {
		mustClose(t, open(t, dir, eventlog.Options{}))
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Fatalf("mode %s: %v", info.Mode(), err)
		}
	}
}

func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	for name, text := range map[string]string{"notes.txt": "x", "ORGCAST": "something else\n"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := eventlog.Open(dir, eventlog.Options{})
		wantRefusal(t, err, eventlog.ErrForeign)
		names, err := os.ReadDir(dir)
		if err != nil || len(names) != 1 {
			t.Fatalf("files %v: %v", names, err)
		}
	}
}

func TestANewerFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	mustClose(t, open(t, dir, eventlog.Options{}))
	if err := os.WriteFile(filepath.Join(dir, "ORGCAST"), []byte("orgcast event log 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := eventlog.Open(dir, eventlog.Options{})
	wantRefusal(t, err, eventlog.ErrNewer)
}

func TestABoundThatIsTooSmallIsRefused(t *testing.T) {
	if _, err := eventlog.Open("log", eventlog.Options{FS: vfs.NewMem(), MaxBytes: 1 << 20}); orgcast.Hint(err) == "" {
		t.Fatalf("error %v", err)
	}
}

// filled makes a log on disk of which most is in tables, and a part in the
// write-ahead log.
func filled(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	log := open(t, dir, eventlog.Options{})
	eventlogtest.Begin(t, log, orgcast.StateChange{Space: 'm', Key: []byte("k"), Value: []byte("v")})
	for i := range 1200 {
		if i == 300 {
			if err := log.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if err := appendSource(log, log.Position()+step); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, log)
	return dir
}

// files lists those with the suffix or prefix, the newest last.
func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no %s in %s: %v", pattern, dir, err)
	}
	return names
}

func flip(t *testing.T, name string, at int) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 0xff
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedLogIsSetAside(t *testing.T) {
	tests := map[string]func(t *testing.T, dir string){
		"a table is missing":        func(t *testing.T, dir string) { remove(t, files(t, dir, "*.sst")[0]) },
		"a table is cut":            func(t *testing.T, dir string) { cut(t, files(t, dir, "*.sst")[0], 100) },
		"a state block is bad":      func(t *testing.T, dir string) { names := files(t, dir, "*.sst"); flip(t, names[len(names)-1], 20) },
		"the MANIFEST is missing":   func(t *testing.T, dir string) { remove(t, files(t, dir, "MANIFEST-*")[0]) },
		"the marker is missing":     func(t *testing.T, dir string) { remove(t, files(t, dir, "marker.format-version.*")[0]) },
		"the WAL has a flipped bit": func(t *testing.T, dir string) { names := files(t, dir, "*.log"); flip(t, names[len(names)-1], 200) },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filled(t)
			damage(t, dir)
			var damaged, failed error
			log := open(t, dir, eventlog.Options{Hooks: eventlog.Hooks{
				Damaged: func(err error) { damaged = err },
				Failed:  func(err error) { failed = err },
			}})
			if log.Recovered() == nil || damaged == nil {
				t.Fatal("nothing was said")
			}
			if failed != nil {
				t.Fatalf("the new log is told to have failed: %v", failed)
			}
			if _, _, ok := log.Identity(); ok {
				t.Fatal("the new log is not empty")
			}
			if _, err := os.Stat(dir + ".damaged/ORGCAST"); err != nil {
				t.Fatal(err)
			}
			eventlogtest.Begin(t, log)
			mustClose(t, log)
			if log = open(t, dir, eventlog.Options{}); log.Recovered() != nil {
				t.Fatalf("damaged again: %v", log.Recovered())
			}
			mustClose(t, log)
		})
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, name string, by int64) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, info.Size()-by); err != nil {
		t.Fatal(err)
	}
}

func TestAHoleIsFoundByCounting(t *testing.T) {
	fs := vfs.NewMem()
	for round := range 2 { // the second replaces what the first set aside
		log := open(t, "data/log", eventlog.Options{FS: fs})
		eventlogtest.Begin(t, log)
		for i := range orgcast.LSN(10) {
			eventlogtest.Append(t, log, 2010+10*i, eventlogtest.Event("a", 2000+10*i, 0))
		}
		if err := log.Lose(1, eventlogtest.Event("a", 2050, 0)); err != nil {
			t.Fatal(err)
		}
		mustClose(t, log)
		log = open(t, "data/log", eventlog.Options{FS: fs})
		if log.Recovered() == nil || !strings.Contains(log.Recovered().Error(), "9 events of 10") {
			t.Fatalf("round %d: recovered from %v", round, log.Recovered())
		}
		mustClose(t, log)
	}
	if names, err := fs.List("data"); err != nil || len(names) != 2 {
		t.Fatalf("directories %v: %v", names, err)
	}
}

func TestAnErrorOfTheDiskIsNotDamage(t *testing.T) {
	for _, errno := range []error{syscall.EIO, syscall.EACCES, syscall.EMFILE} {
		mem := vfs.NewMem()
		log := open(t, "log", eventlog.Options{FS: mem})
		eventlogtest.Begin(t, log)
		mustClose(t, log)
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpOpen && strings.Contains(op.Path, "MANIFEST") {
				return &os.PathError{Op: "open", Path: op.Path, Err: errno}
			}
			return nil
		}))
		if _, err := eventlog.Open("log", eventlog.Options{FS: fs}); !errors.Is(err, errno) || orgcast.Hint(err) == "" {
			t.Fatalf("error %v, hint %q", err, orgcast.Hint(err))
		}
		log = open(t, "log", eventlog.Options{FS: mem})
		if _, _, ok := log.Identity(); !ok {
			t.Fatal("the log was given up")
		}
		mustClose(t, log)
	}
}
