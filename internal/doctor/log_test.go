package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/setup"
)

func TestTheDirectoryIsLookedAt(t *testing.T) {
	env := offline(t)
	dir := env["ORGCAST_DATA_DIR"]
	look := func() []Finding { return examine(t, Options{Environ: env}).Findings }

	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	want(t, look(), DataDirOpen, Warning, "", "chmod 700 "+dir)
	env["ORGCAST_LOG_BYTES"] = "1000000TiB"
	want(t, look(), DiskShort, Warning, "", "ORGCAST_LOG_BYTES")
	env["ORGCAST_DATA_DIR"] = filepath.Join(dir, "a", "b")
	want(t, look(), DataDirMissing, Note, "", "serve makes it")
	if _, err := os.Stat(filepath.Join(dir, "a")); err == nil {
		t.Error("the doctor made the data directory")
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, unusable := range []string{file, filepath.Join(file, "below")} {
		env["ORGCAST_DATA_DIR"] = unusable
		want(t, look(), DataDirUnusable, Fatal, "", "can't be used")
	}
	want(t, room(dir, eventlog.MinFree-1, 0), DiskFull, Fatal, "", "256 MiB")
	want(t, room(dir, 1<<30, 1<<30), DiskShort, Warning, "", "grow by 1.0 GiB")
	if out := append(room(dir, 2<<30, 1<<30), room(dir, -1, 1<<30)...); len(out) > 0 {
		t.Errorf("enough room, and a system that does not tell: %+v", out)
	}
}

func TestALogThatIsNotOursToReadIsLeftAlone(t *testing.T) {
	env := offline(t)
	dir := filepath.Join(env["ORGCAST_DATA_DIR"], "log")
	look := func() []Finding { return examine(t, Options{Environ: env}).Findings }

	log, err := eventlog.Open(dir, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, look(), LogLocked, Note, "", "an orgcast runs here")
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	manifests, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	if err != nil || len(manifests) == 0 {
		t.Fatal(manifests, err)
	}
	for _, m := range manifests {
		if err := os.WriteFile(m, []byte("broken"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want(t, look(), LogDamaged, Warning, "", "begun anew")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "holiday.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, look(), LogForeign, Fatal, "", "holiday.jpg")
}

func TestWhetherServeCanGoOnIsSaid(t *testing.T) {
	w := newWorld(t)
	var system int64
	if err := w.Conn(t).QueryRow(t.Context(), `SELECT system_identifier FROM pg_control_system()`).Scan(&system); err != nil {
		t.Fatal(err)
	}
	ours := eventlog.Identity{SystemID: uint64(system), Timeline: 1, Database: w.Name, Slot: w.slot(), Rules: "x"}
	begin := func(id eventlog.Identity, at orgcast.LSN) {
		t.Helper()
		log, err := eventlog.Open(filepath.Join(w.env["ORGCAST_DATA_DIR"], "log"), eventlog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := log.Begin(t.Context(), id, 1, at, func(func(orgcast.StateChange) error) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	begin(ours, 100)
	want(t, w.examine(t).Findings, LogDiscontinued, Warning, "", "the slot is gone")

	var confirmed string
	w.Exec(t, `SELECT pg_create_logical_replication_slot('`+w.slot()+`', 'pgoutput')`)
	if err := w.Conn(t).QueryRow(t.Context(), `SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $1`, w.slot()).Scan(&confirmed); err != nil {
		t.Fatal(err)
	}
	want(t, w.examine(t).Findings, LogDiscontinued, Warning, "", "confirmed beyond the event log")
	begin(ours, 1<<62)
	want(t, w.examine(t).Findings, LogDiscontinued, Warning, "", "WAL ends before")

	position, err := orgcast.ParseLSN(confirmed)
	if err != nil {
		t.Fatal(err)
	}
	for text, change := range map[string]func(*eventlog.Identity){
		"another database cluster": func(id *eventlog.Identity) { id.SystemID++ },
		`of database "elsewhere"`:  func(id *eventlog.Identity) { id.Database = "elsewhere" },
		`from slot "elsewhere"`:    func(id *eventlog.Identity) { id.Slot = "elsewhere" },
	} {
		id := ours
		change(&id)
		begin(id, position)
		want(t, w.examine(t).Findings, LogOfAnother, Warning, "", text)
	}
	begin(ours, position)
	if r := w.examine(t); len(worse(r)) > 0 {
		t.Errorf("a log that goes on: %+v", r.Findings)
	}

	// Somebody drops the publication, the application writes, and somebody sets up
	// again.
	w.Exec(t, `DROP PUBLICATION orgcast`)
	w.Exec(t, `INSERT INTO users (id) VALUES ('u')`)
	w.apply(t)
	want(t, w.examine(t).Findings, Code(setup.SlotOlder), Warning, "", "pg_drop_replication_slot")
	_, err = w.Conn(t).Exec(t.Context(), `SELECT pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', 'orgcast')`, w.slot())
	if w.Major(t) < 18 {
		if err == nil || !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("read: %v, want PostgreSQL to say what the doctor foresaw", err)
		}
	} else if err != nil { // the row is left out
		t.Errorf("read: %v, want PostgreSQL to go on", err)
	}
	if err := os.RemoveAll(filepath.Join(w.env["ORGCAST_DATA_DIR"], "log")); err != nil {
		t.Fatal(err)
	}
	want(t, w.examine(t).Findings, Code(setup.SlotOlder), Warning, "", "first start")
}
