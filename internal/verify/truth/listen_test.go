package truth

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/pgtest"
	"github.com/oikion/orgcast/internal/verify"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const published = `CREATE PUBLICATION p FOR TABLE organizations; ALTER TABLE organizations REPLICA IDENTITY FULL`

// until asks again and again until the answer is "", which is what is missing.
func until(t testing.TB, missing func() string) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		what := missing()
		if what == "" {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline.Done():
			t.Fatalf("still: %s", what)
		}
	}
}

// listening is a reader at work.
type listening struct {
	*Reader
	stop func() error

	mu   sync.Mutex
	told []verify.Transaction
}

func listen(t testing.TB, db *pgtest.DB) *listening {
	t.Helper()
	r, err := Open(t.Context(), db.URL, db.Name+"_truth", "p")
	if err != nil {
		t.Fatal(err)
	}
	l := &listening{Reader: r}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- r.Run(ctx, func(tx verify.Transaction) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.told = append(l.told, tx)
		})
	}()
	l.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := l.stop(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return l
}

// caughtUp waits until everything that is written was told.
func (l *listening) caughtUp(t testing.TB, db *pgtest.DB) {
	t.Helper()
	var end uint64
	if err := db.Conn(t).QueryRow(t.Context(), "SELECT pg_current_wal_flush_lsn() - '0/0'").Scan(&end); err != nil {
		t.Fatal(err)
	}
	until(t, func() string {
		if reached := l.Reached(); reached < end {
			return fmt.Sprintf("%x of %x is reached", reached, end)
		}
		return ""
	})
}

// ids are the organizations that were told to be made, in order.
func (l *listening) ids(t testing.TB) (ids []string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var last uint64
	for _, tx := range l.told {
		if tx.LSN <= last {
			t.Errorf("%x is told behind %x", tx.LSN, last)
		}
		last = tx.LSN
		for _, c := range tx.Changes {
			ids = append(ids, get(c.New, "id"))
		}
	}
	return ids
}

func there(t testing.TB, db *pgtest.DB) (ids []string) {
	t.Helper()
	rows, err := db.Conn(t).Query(t.Context(), "SELECT id FROM organizations")
	if err != nil {
		t.Fatal(err)
	}
	if ids, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		t.Fatal(err)
	}
	return ids
}

// write commits organizations, one or a few in a transaction, until it is told to
// stop. Whether a transaction was committed whose answer is lost, the table says.
func write(ctx context.Context, url, prefix string, stop <-chan struct{}, each time.Duration) error {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			conn.Close(context.WithoutCancel(ctx))
		}
	}()
	ticker := time.NewTicker(each)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = pgx.Connect(ctx, url); err != nil {
				conn = nil
				continue // the server is down
			}
		}
		_, err := conn.Exec(ctx, `INSERT INTO organizations (id, name) SELECT $1 || $2::int || '.' || i, 'x' FROM generate_series(1, $3::int) i`, prefix, n, 1+n%3)
		if err != nil && !conn.IsClosed() {
			return err
		}
	}
}

// cut ends the process that reads the slot, if one does.
func cut(t testing.TB, db *pgtest.DB) {
	t.Helper()
	_, err := db.Conn(t).Exec(t.Context(), "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active_pid IS NOT NULL", db.Name+"_truth")
	if err != nil {
		t.Fatal(err)
	}
}
