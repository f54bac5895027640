package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/cluster"
	"github.com/oikion/orgcast/internal/pgtest"
)

// slotHouse is a server that runs through whatever happens to its slot, and a
// client that resumes at it again and again.
type slotHouse struct {
	*house
	s      *instance
	cookie string
	price  int
	cursor string
	looked int // so much of the server's log is of what came before
}

func (h *slotHouse) update(t testing.TB) {
	t.Helper()
	h.price++
	h.must(t, fmt.Sprintf(`UPDATE properties SET price = %d WHERE id = 'property_1'`, h.price))
}

// do executes a statement on a connection of its own, which it closes: the
// database comes and goes.
func (h *slotHouse) do(t testing.TB, sql string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), h.URL)
	if err != nil {
		return err
	}
	defer conn.Close(t.Context())
	_, err = conn.PgConn().Exec(t.Context(), sql).ReadAll()
	return err
}

func (h *slotHouse) must(t testing.TB, sql string) {
	t.Helper()
	if err := h.do(t, sql); err != nil {
		t.Fatalf("%v\nin %.200s", err, sql)
	}
}

func (h *slotHouse) slotName() string { return "orgcast_" + h.Name }

// walStatus is the slot's.
func (h *slotHouse) walStatus(t testing.TB) (status string, retained int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), h.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	err = conn.QueryRow(t.Context(), `SELECT coalesce(wal_status, ''), coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint
		FROM pg_replication_slots WHERE slot_name = $1`, h.slotName()).Scan(&status, &retained)
	if err != nil {
		t.Fatal(err)
	}
	return status, retained
}

// cured holds the server to what it must do by itself: to begin a new epoch for
// one of the reasons, to tell the client that resumes from before, and to be live.
func (h *slotHouse) cured(t testing.TB, what string, reasons ...string) {
	t.Helper()
	broken := time.Now()
	until(t, time.Minute, func() string {
		said := h.s.out.String()[h.looked:]
		if !slices.ContainsFunc(reasons, func(reason string) bool { return strings.Contains(said, reason) }) {
			return what + ": the log does not say why a new epoch begins: " + last(h.s.out.String(), 600)
		}
		return h.s.readiness(t)
	})
	ready := time.Since(broken)
	h.looked = len(h.s.out.String())
	c, err := connect(within(t, time.Minute), h.s.address, "organizationId=org_1", h.cookie, h.cursor)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer c.Close()
	if m := c.await(t, "reset"); m.Reason != "epoch" {
		t.Errorf("%s: reset %q, want epoch", what, m.Reason)
	}
	h.cursor = c.await(t, "ready").Cursor
	h.update(t)
	if prices, _ := c.prices(t, h.price); unbroken(prices, h.price, h.price) != "" {
		t.Errorf("%s: %s", what, unbroken(prices, h.price, h.price))
	}
	t.Logf("%s: live again after %v", what, ready.Round(time.Millisecond))
}

// TestTheServerOutlivesItsSlot: whatever becomes of the slot, or of the database
// under it, the server finds out and goes on by itself, and no client is left with
// a gap that it was not told of.
func TestTheServerOutlivesItsSlot(t *testing.T) {
	t.Parallel()
	own := pgtest.Own(t, map[string]string{
		"max_slot_wal_keep_size": "64MB", "min_wal_size": "32MB", "max_wal_size": "64MB", "checkpoint_timeout": "1h",
	})
	h := &slotHouse{house: settledOn(t, own, 1), price: 100}
	h.cookie = h.house.cookie(t, "user_1")
	h.s = serve(t, h.environ, nil)
	h.s.ready(t)
	c, _ := open(t, h.s.address, "organizationId=org_1", h.cookie, "")

	// An application that does nothing, beside a database that is busy: the slot
	// follows, and gives back the WAL.
	neighbour := pgtest.DatabaseOn(t, own, "CREATE TABLE noise (x text)")
	neighbour.Exec(t, "INSERT INTO noise SELECT repeat('x', 2000) FROM generate_series(1, 18000)")
	until(t, 30*time.Second, func() string {
		neighbour.Exec(t, "CHECKPOINT")
		if status, retained := h.walStatus(t); status != "reserved" || retained > 20<<20 {
			return fmt.Sprintf("the slot of an idle application is %s and keeps %d bytes", status, retained)
		}
		return ""
	})
	h.update(t)
	if prices, said := c.prices(t, h.price); unbroken(prices, h.price, h.price) != "" || len(said) > 0 {
		t.Fatalf("after the neighbour's work: %v %v", prices, said)
	}
	h.cursor = c.place(t, h)
	c.Close()

	h.drop(t)
	h.cured(t, "the slot is dropped", "the slot is gone")

	h.s.signal(t, syscall.SIGSTOP)
	h.letGo(t) // or the server waits for it, as long as it may be silent
	until(t, 20*time.Second, func() string {
		h.must(t, "SELECT pg_logical_emit_message(false, 'noise', repeat('x', 1000000)), pg_switch_wal()")
		h.must(t, "CHECKPOINT")
		if status, _ := h.walStatus(t); status != "lost" {
			return "the slot is " + status
		}
		return ""
	})
	h.s.signal(t, syscall.SIGCONT)
	h.cured(t, "the slot is invalidated", "the slot was invalidated")

	h.s.signal(t, syscall.SIGSTOP)
	h.letGo(t)
	until(t, 20*time.Second, func() string {
		h.update(t)
		if err := h.do(t, `SELECT pg_replication_slot_advance('`+h.slotName()+`', pg_current_wal_lsn())`); err != nil {
			return err.Error()
		}
		return ""
	})
	h.s.signal(t, syscall.SIGCONT)
	h.cured(t, "another has confirmed the slot", "the slot was confirmed beyond the log")

	h.restore(t, own, func() {})
	h.cured(t, "a backup is put back", "the database's WAL ends before the log")

	h.restore(t, own, func() {
		h.promote(t, own)
		h.must(t, "SELECT pg_logical_emit_message(false, 'noise', repeat('x', 1000000))") // beyond the log's end
	})
	// The server may be there before the message is.
	h.cured(t, "a standby that was behind took over", "the log lies on a timeline that the database has left", "the database's WAL ends before the log")

	h.replace(t, own)
	h.cured(t, "another cluster has the address", "the log is of another database cluster")
}

// place is where the stream is: the cursor of one more event.
func (c *connection) place(t testing.TB, h *slotHouse) string {
	t.Helper()
	h.update(t)
	return c.await(t, "property.update").ID
}

// letGo ends who reads the slot.
func (h *slotHouse) letGo(t testing.TB) {
	t.Helper()
	h.must(t, `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active AND slot_name = '`+h.slotName()+`'`)
}

// drop drops the slot under its reader.
func (h *slotHouse) drop(t testing.TB) {
	t.Helper()
	until(t, 20*time.Second, func() string {
		h.letGo(t)
		if err := h.do(t, `SELECT pg_drop_replication_slot('`+h.slotName()+`')`); err != nil {
			return err.Error() // it is still, or again, read
		}
		return ""
	})
}

// restore takes the database's files back to where they were some changes ago.
// between is done with the restored database before the server comes to see it.
func (h *slotHouse) restore(t testing.TB, c *cluster.Cluster, between func()) {
	t.Helper()
	data, copied := filepath.Join(c.Dir(), "data"), filepath.Join(c.Dir(), "backup")
	stopped(t, c, "fast", func() { replaceFiles(t, copied, data) })
	h.s.ready(t)
	stream, _ := open(t, h.s.address, "organizationId=org_1", h.cookie, h.cursor)
	for range 20 {
		h.update(t)
	}
	prices, _ := stream.prices(t, h.price)
	if what := unbroken(prices, h.price-19, h.price); what != "" {
		t.Fatal(what)
	}
	h.cursor = stream.place(t, h)
	stream.Close()
	h.s.signal(t, syscall.SIGSTOP)
	stopped(t, c, "immediate", func() { replaceFiles(t, data, copied) }) // fast waits for who reads the slot
	between()
	h.s.signal(t, syscall.SIGCONT)
}

// stopped does something while the database is stopped.
func stopped(t testing.TB, c *cluster.Cluster, mode string, do func()) {
	t.Helper()
	if err := c.Stop(t.Context(), mode); err != nil {
		t.Fatal(err)
	}
	do()
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// replaceFiles makes one directory a copy of another.
func replaceFiles(t testing.TB, to, from string) {
	t.Helper()
	for _, args := range [][]string{{"rm", "-rf", to}, {"cp", "-a", from, to}} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v %s", args, err, out)
		}
	}
}

// promote makes the database one that was a standby, and is on a timeline of its own.
func (h *slotHouse) promote(t testing.TB, c *cluster.Cluster) {
	t.Helper()
	stopped(t, c, "fast", func() {
		if err := os.WriteFile(filepath.Join(c.Dir(), "data", "standby.signal"), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	})
	if err := c.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// replace puts another cluster, with a database of the same name, where this one
// was.
func (h *slotHouse) replace(t testing.TB, old *cluster.Cluster) {
	t.Helper()
	if err := old.Stop(t.Context(), "fast"); err != nil {
		t.Fatal(err)
	}
	next, err := cluster.Start(t.Context(), cluster.Options{Port: old.Port()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := next.Close(); err != nil {
			t.Error(err)
		}
	})
	admin := &pgtest.DB{Name: "postgres", URL: next.URL("postgres")}
	admin.Exec(t, "CREATE DATABASE "+h.Name+" TEMPLATE template0")
	other := *h.house
	other.DB = &pgtest.DB{Name: h.Name, URL: next.URL(h.Name)}
	other.Exec(t, pgtest.OikionSchema())
	other.fill(t, 1)
	other.setUp(t)
	h.house = &other
}
