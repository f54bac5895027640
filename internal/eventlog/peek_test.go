package eventlog_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
)

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || d.IsDir() {
			all[path] = info.Mode().String()
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = info.Mode().String() + string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPeekTellsWhatALogIsOfAndChangesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	if _, err := eventlog.Peek(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("of no directory: %v", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if p, err := eventlog.Peek(dir); err != nil || !p.Empty {
		t.Fatalf("of an empty directory: %+v, %v", p, err)
	}
	log := open(t, dir, eventlog.Options{})
	id := eventlog.Identity{SystemID: 7, Timeline: 2, Database: "d", Slot: "s", Rules: "r"}
	if err := log.Begin(t.Context(), id, 5, 100, func(func(orgcast.StateChange) error) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := eventlog.Peek(dir); !errors.Is(err, eventlog.ErrLocked) {
		t.Fatalf("of a log in use: %v", err)
	}
	mustClose(t, log)
	if err := os.Chmod(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	p, err := eventlog.Peek(dir)
	if want := (eventlog.Peeked{Identity: id, Epoch: 5, Position: 100}); err != nil || p != want {
		t.Fatalf("%+v, %v, want %+v", p, err, want)
	}
	if !maps.Equal(before, contents(t, dir)) {
		t.Error("peeking changed the directory")
	}
	mustClose(t, open(t, dir, eventlog.Options{}))
}

func TestPeekLeavesWhatIsBrokenOrForeignAsItIs(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(name, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := eventlog.Peek(dir)
	wantRefusal(t, err, eventlog.ErrForeign)
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	mustClose(t, open(t, dir, eventlog.Options{}))
	manifests, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	if err != nil || len(manifests) == 0 {
		t.Fatal(manifests, err)
	}
	for _, m := range manifests {
		if err := os.WriteFile(m, []byte("not a manifest"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := contents(t, dir)
	if _, err = eventlog.Peek(dir); err == nil || orgcast.Hint(err) == "" {
		t.Fatalf("of a broken log: %v, want an error with a hint", err)
	}
	if !maps.Equal(before, contents(t, dir)) {
		t.Error("peeking into a broken log changed the directory")
	}
}
