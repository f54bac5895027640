package replication

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/cluster"
	"github.com/oikion/orgcast/internal/pgtest"
)

func TestNewSlotThatIsHeldBackNamesTheBlockersAndLeavesNothing(t *testing.T) {
	db, config := database(t)
	writer := db.ConnURL(t, db.URL+"&application_name=long-import")
	tx, err := writer.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "INSERT INTO unpublished VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	inspect := db.ConnAs(t, db.Role("feed"), "feed pass")
	blocked := config
	blocked.CreateTimeout, blocked.Inspect = 200*time.Millisecond, inspect
	_, _, err = connect(t, blocked).CreateSlot(t.Context())
	got, ok := errors.AsType[*BlockedError](err)
	if !ok || !errors.Is(err, ErrBlocked) || orgcast.Hint(err) == "" {
		t.Fatalf("got %v", err)
	}
	if !slices.ContainsFunc(got.Blockers, func(b Blocker) bool {
		return b.PID == int32(writer.PgConn().PID()) && b.Application == "long-import"
	}) {
		t.Errorf("the blocker is not named: %v", err)
	}
	conn := db.Conn(t)
	if slot, err := ReadSlot(t.Context(), conn, config.Slot); slot != nil || err != nil {
		t.Errorf("after the refusal there is %+v, %v", slot, err)
	}
	// Without a connection to ask, the refusal itself remains.
	blocked.Inspect = nil
	if _, _, err := connect(t, blocked).CreateSlot(t.Context()); !errors.Is(err, ErrBlocked) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := connect(t, blocked).CreateSlot(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	createSlot(t, config)
	if _, _, err := connect(t, config).CreateSlot(t.Context()); !errors.Is(err, ErrSlotExists) {
		t.Errorf("second slot of the name: %v", err)
	}
	if err := connect(t, config).DropSlot(t.Context()); err != nil {
		t.Error(err)
	}
	if err := connect(t, config).DropSlot(t.Context()); !errors.Is(err, ErrSlotLost) {
		t.Errorf("second drop: %v", err)
	}
	if slot, err := ReadSlot(t.Context(), conn, config.Slot); slot != nil || err != nil {
		t.Errorf("dropped slot is %+v, %v", slot, err)
	}
}

func TestStreamRefusesWhatWouldBeAGap(t *testing.T) {
	db, config := database(t)
	stream := func(config Config, from orgcast.LSN) error {
		f := newFeed(from)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		return connect(t, config).Stream(ctx, from, f.confirm, f)
	}
	check := func(name string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) || orgcast.Hint(err) == "" {
			t.Errorf("%s: got %v (%s), want %v", name, err, orgcast.Hint(err), want)
		}
	}
	check("no slot", stream(config, 1), ErrSlotLost)
	from := createSlot(t, config)
	check("slot ahead of us", stream(config, from-1), ErrSlotAhead)
	check("we are beyond the WAL", stream(config, from+1<<30), ErrBeyondWAL)

	other := pgtest.Database(t, schema)
	elsewhere := config
	elsewhere.URL = other.URL
	check("another database's slot", stream(elsewhere, from), ErrSlotForeign)

	missing := config
	missing.Slot, missing.Publication = config.Slot+"_2", "nothing"
	_, _, err := connect(t, missing).CreateSlot(t.Context())
	check("slot before publication", err, ErrPublication)

	// A publication that is younger than the slot is never seen by it.
	db.Exec(t, "INSERT INTO rows VALUES (1)")
	db.Exec(t, "CREATE PUBLICATION young FOR TABLE rows")
	young := config
	young.Publication = "young"
	if db.Major(t) < 18 { // from there on it is passed over with a warning: see app's fingerprint
		check("publication younger than the slot", stream(young, from), ErrPublication)
		db.Exec(t, "DROP PUBLICATION feed; INSERT INTO rows VALUES (2)")
		check("dropped publication", stream(config, from), ErrPublication)
	}

	// The server gives up a slot that keeps too much.
	db.Exec(t, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
	db.Exec(t, "SELECT pg_reload_conf()")
	conn := db.Conn(t)
	var slot *Slot
	for range 20 {
		db.Exec(t, "SELECT pg_switch_wal(); INSERT INTO unpublished SELECT 1 + coalesce(max(id), 0) FROM unpublished")
		db.Exec(t, "CHECKPOINT")
		if slot = readSlotOf(t, conn, config.Slot); slot.Lost() {
			break
		}
	}
	if !slot.Lost() {
		t.Fatalf("slot is %+v", slot)
	}
	db.Exec(t, "ALTER SYSTEM RESET max_slot_wal_keep_size")
	db.Exec(t, "SELECT pg_reload_conf()")
	check("invalidated slot", stream(config, from), ErrSlotLost)
}

func TestErrorsNameWhomToLookAt(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&SlotActiveError{Slot: "s"}, `replication slot "s" is in use`},
		{&SlotActiveError{Slot: "s", PID: 7, Application: "orgcast", Address: "10.0.0.1"}, `replication slot "s" is in use by pid 7, application "orgcast", from 10.0.0.1`},
		{&BlockedError{Waited: time.Second}, "running transactions hold back the new slot, after 1s"},
		{&BlockedError{Waited: time.Second, Blockers: []Blocker{{PID: 7, Application: "import", User: "app"}, {Prepared: "tx1", User: "app"}}},
			`running transactions hold back the new slot, after 1s: pid 7, application "import" of "app", prepared transaction "tx1" of "app"`},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestConnectTellsWhatIsWrong(t *testing.T) {
	db, config := database(t)
	role := db.Role("plain")
	db.Exec(t, "CREATE ROLE "+role+" LOGIN PASSWORD 'plain pass'")
	with := func(change func(*Config)) Config {
		c := config
		change(&c)
		return c
	}
	for _, c := range []struct {
		name   string
		config Config
		want   error // nil: only a hint
	}{
		{"wrong password", with(func(c *Config) { c.URL = db.URLAs(db.Role("feed"), "s3cret wrong") }), ErrAuthentication},
		{"no such role", with(func(c *Config) { c.URL = db.URLAs("nobody", "s3cret") }), ErrAuthentication},
		{"no REPLICATION", with(func(c *Config) { c.URL = db.URLAs(role, "plain pass") }), ErrPermission},
		{"no server", with(func(c *Config) { c.URL = "postgres://u:s3cret@127.0.0.1:1/x?sslmode=disable" }), ErrDisconnected},
		{"no such database", with(func(c *Config) { c.URL = strings.Replace(c.URL, "/"+db.Name, "/missing", 1) }), nil},
		{"bad URL", with(func(c *Config) { c.URL = "postgres://u:s3cret@h:port/x" }), nil},
		{"bad slot", with(func(c *Config) { c.Slot = "Slot-1" }), nil},
		{"negative timeout", with(func(c *Config) { c.ReadTimeout = -time.Second }), nil},
		{"no publication", with(func(c *Config) { c.Publication = "" }), nil},
	} {
		conn, err := Connect(t.Context(), c.config)
		if err == nil {
			conn.Close()
			t.Errorf("%s: connected", c.name)
			continue
		}
		if c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if orgcast.Hint(err) == "" || strings.Contains(err.Error()+orgcast.Hint(err), "s3cret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q, hint %q", c.name, err, orgcast.Hint(err))
		}
	}
}

// pooler answers one connection as a pooler does.
func pooler(t *testing.T, answer func(*pgproto3.Backend)) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		backend := pgproto3.NewBackend(conn, conn)
		if _, err := backend.ReceiveStartupMessage(); err != nil {
			t.Error(err)
			return
		}
		answer(backend)
		if err := backend.Flush(); err != nil {
			t.Error(err)
		}
		for {
			if _, err := backend.Receive(); err != nil {
				return
			}
		}
	})
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	return "postgres://u:p@" + listener.Addr().String() + "/db?sslmode=disable"
}

func TestPoolerIsRefusedByName(t *testing.T) {
	ready := func(b *pgproto3.Backend) {
		b.Send(&pgproto3.AuthenticationOk{})
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	}
	for name, answer := range map[string]func(*pgproto3.Backend){
		"refuses the parameter": func(b *pgproto3.Backend) {
			b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: "unsupported startup parameter: replication"})
		},
		"takes commands for SQL": func(b *pgproto3.Backend) {
			ready(b)
			b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42601", Message: `syntax error at or near "IDENTIFY_SYSTEM"`})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		},
		"answers something": func(b *pgproto3.Backend) {
			ready(b)
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte("OK")})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		},
	} {
		_, err := Connect(t.Context(), Config{URL: pooler(t, answer), Slot: "s", Publication: "p"})
		if !errors.Is(err, ErrPooler) || orgcast.Hint(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServerThatDoesNotDecodeIsRefusedAndAPromotionIsInTheHistory(t *testing.T) {
	server, err := cluster.Start(t.Context(), cluster.Options{Settings: map[string]string{"wal_level": "replica"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	config := Config{URL: server.URL("postgres"), Slot: "s", Publication: "p"}
	if _, err := Connect(t.Context(), config); !errors.Is(err, ErrNotLogical) || orgcast.Hint(err) == "" {
		t.Fatalf("got %v", err)
	}
	sql := func(text string) {
		t.Helper()
		c, err := pgx.Connect(t.Context(), server.URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(t.Context())
		if _, err := c.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	sql("ALTER SYSTEM SET wal_level = logical")
	if err := server.Stop(t.Context(), "fast"); err != nil {
		t.Fatal(err)
	}
	// A server that was a standby for a moment is on a new timeline.
	if err := os.WriteFile(filepath.Join(server.Dir(), "data", "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	sql("SELECT pg_promote()")
	c := connect(t, config)
	system, err := c.IdentifySystem(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	history, err := c.TimelineHistory(t.Context(), system.Timeline)
	if err != nil {
		t.Fatal(err)
	}
	if system.Timeline != 2 || len(history) != 1 || history[0].Timeline != 1 || history[0].At == 0 || history[0].At > system.WALEnd {
		t.Errorf("timeline %d with history %v, WAL ends at %v", system.Timeline, history, system.WALEnd)
	}
	if none, err := c.TimelineHistory(t.Context(), 1); none != nil || err != nil {
		t.Errorf("timeline 1 has history %v, %v", none, err)
	}
}
