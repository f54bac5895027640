package setup

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// hold opens a transaction that has read table, as a forgotten psql does.
func hold(t *testing.T, w *world, table string) pgx.Tx {
	t.Helper()
	conn := w.ConnURL(t, w.URL+"&application_name=forgotten-psql")
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT 'a secret value' FROM "+table); err != nil {
		t.Fatal(err)
	}
	return tx
}

func TestAHeldTableNamesItsHolderAndStopsNobodyElse(t *testing.T) {
	w := newWorld(t)
	before := w.state(t)
	w.cfg.LockTimeout, w.cfg.LockWait = 20*time.Millisecond, 200*time.Millisecond
	tx := hold(t, w, "listings")
	_, err := Apply(t.Context(), w.Conn(t), w.cfg)
	wantHinted(t, err, "set replica identity of public.listings", fmt.Sprintf("pid %d", tx.Conn().PgConn().PID()), "application forgotten-psql")
	if err != nil && strings.Contains(err.Error(), "secret") {
		t.Errorf("the error shows the holder's query: %v", err)
	}
	w.write(t, w.ConnAs(t, w.app, "app"), "after a lock timeout")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	// What the first attempt changed must not become what was.
	w.apply(t)
	w.undo(t)
	differ(t, "state after undo", w.state(t), before)
}

func TestATableThatIsLetGoIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.cfg.LockTimeout, w.cfg.LockWait = 20*time.Millisecond, time.Minute
	tx := hold(t, w, "addresses") // the first table
	watch := w.Conn(t)
	done := make(chan error, 1)
	go func() {
		// Let go only after setup was seen waiting.
		for {
			var waiting bool
			err := watch.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'addresses'::regclass AND NOT granted)`).Scan(&waiting)
			if err != nil || waiting {
				done <- errors.Join(err, tx.Rollback(t.Context()))
				return
			}
		}
	}()
	w.apply(t)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestTwoSetupsExcludeEachOther(t *testing.T) {
	w := newWorld(t)
	other := w.Conn(t)
	if _, err := other.Exec(t.Context(), `SELECT pg_advisory_lock($1)`, int64(setupLock)); err != nil {
		t.Fatal(err)
	}
	before := w.state(t)
	_, err := Apply(t.Context(), w.Conn(t), w.cfg)
	wantHinted(t, err, "another setup")
	_, err = Undo(t.Context(), w.Conn(t), w.cfg)
	wantHinted(t, err, "another setup")
	differ(t, "state", w.state(t), before)
	if _, err := other.Exec(t.Context(), `SELECT pg_advisory_unlock($1)`, int64(setupLock)); err != nil {
		t.Fatal(err)
	}
	// A failed setup lets go too: the same connection can go on.
	conn := w.Conn(t)
	broken := w.cfg
	broken.Tables = []Table{{Schema: "public", Name: "nope", Published: true}}
	if _, err := Apply(t.Context(), conn, broken); err == nil {
		t.Fatal("no error")
	}
	w.apply(t)
}
