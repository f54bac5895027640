package truth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// TestEveryTransactionIsToldOnceInOrder whatever happens to the connection and the
// server: what is told is what the table has at the end, once, in commit order.
func TestEveryTransactionIsToldOnceInOrder(t *testing.T) {
	db := pgtest.Database(t, pgtest.OikionSchema(), published)
	l := listen(t, db)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for i := range 3 {
		writers.Go(func() {
			if err := write(t.Context(), db.URL, fmt.Sprintf("w%d-", i), stop, 2*time.Millisecond); err != nil {
				t.Error(err)
			}
		})
	}
	grown := func(by int) {
		t.Helper()
		from := len(l.ids(t))
		until(t, func() string {
			if n := len(l.ids(t)) - from; n < by {
				return fmt.Sprintf("%d of %d more are told", n, by)
			}
			return ""
		})
	}
	c := pgtest.Cluster(t)
	for _, mode := range []string{"", "immediate", "", "fast", "", ""} {
		grown(30)
		if mode == "" {
			cut(t, db)
			continue
		}
		if err := c.Stop(t.Context(), mode); err != nil {
			t.Fatal(err)
		}
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	grown(30)
	close(stop)
	writers.Wait()
	l.caughtUp(t, db)
	told, want := l.ids(t), there(t, db)
	slices.Sort(told)
	slices.Sort(want)
	if !slices.Equal(told, want) {
		t.Errorf("%d rows are told, %d are there", len(told), len(want))
	}
}

// TestTheSnapshotAndWhatIsToldAreTheWhole leaves nothing out where one ends and the
// other begins, and has nothing in both.
func TestTheSnapshotAndWhatIsToldAreTheWhole(t *testing.T) {
	db := pgtest.Database(t, pgtest.OikionSchema(), published)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	writers.Go(func() {
		if err := write(t.Context(), db.URL, "w", stop, time.Millisecond); err != nil {
			t.Error(err)
		}
	})
	until(t, func() string {
		if len(there(t, db)) < 10 {
			return "ten are not there yet"
		}
		return ""
	})
	l := listen(t, db)
	until(t, func() string {
		if len(l.ids(t)) < 10 {
			return "ten are not told yet"
		}
		return ""
	})
	close(stop)
	writers.Wait()
	l.caughtUp(t, db)
	s := l.Snapshot()
	all := append(slices.Collect(maps.Keys(s.Organizations)), l.ids(t)...)
	want := there(t, db)
	slices.Sort(all)
	slices.Sort(want)
	if len(s.Organizations) < 10 || !slices.Equal(all, want) {
		t.Errorf("%d in the snapshot, %d told, %d are there", len(s.Organizations), len(all)-len(s.Organizations), len(want))
	}
	for _, tx := range l.told {
		if tx.LSN <= s.LSN {
			t.Errorf("%x is told, and the snapshot is of %x", tx.LSN, s.LSN)
		}
	}
}

// TestReachedMovesByWhatIsNotPublished too: else nobody could wait for the end.
func TestReachedMovesByWhatIsNotPublished(t *testing.T) {
	db := pgtest.Database(t, pgtest.OikionSchema(), published)
	l := listen(t, db)
	for _, sql := range []string{
		`INSERT INTO users (id, name) VALUES ('u', 'u')`,
		`SELECT pg_logical_emit_message(false, 'orgcast', 'outside of any transaction')`,
		`CREATE TABLE other (id int)`,
	} {
		db.Exec(t, sql)
		l.caughtUp(t, db)
	}
	if ids := l.ids(t); len(ids) > 0 {
		t.Errorf("%q is told", ids)
	}
}

// TestChangesAreAsTheLogHasThem in each form that a change may have.
func TestChangesAreAsTheLogHasThem(t *testing.T) {
	db := pgtest.Database(t, pgtest.OikionSchema(), published, `ALTER PUBLICATION p ADD TABLE activities, notes, interactions;
		INSERT INTO users (id, name) VALUES ('u', 'u'); INSERT INTO organizations (id, name) VALUES ('o', 'o')`)
	l := listen(t, db)
	db.Exec(t, `DO $$ BEGIN
		INSERT INTO users (id, name) VALUES ('v', 'v');
		PERFORM pg_logical_emit_message(true, 'orgcast', 'said');
		PERFORM pg_logical_emit_message(false, 'orgcast', 'outside');
		UPDATE organizations SET name = 'p' WHERE id = 'o';
		ALTER TABLE organizations ADD COLUMN extra int;
		UPDATE organizations SET extra = 7 WHERE id = 'o';
		INSERT INTO notes (id, content, "createdBy") VALUES ('n', repeat('x', 5000), 'u');
		ALTER TABLE notes ALTER content SET STORAGE EXTERNAL;
		UPDATE notes SET content = repeat('y', 5000);
		UPDATE notes SET "propertyId" = NULL;
		UPDATE notes SET id = 'm';
		DELETE FROM notes;
		TRUNCATE activities, interactions;
	END $$`)
	l.caughtUp(t, db)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.told) != 1 || len(l.told[0].Changes) != 9 {
		t.Fatalf("%+v", l.told)
	}
	tx := l.told[0]
	if tx.XID == 0 || time.Since(tx.Committed) > time.Hour || tx.Seen.IsZero() {
		t.Errorf("%+v", tx)
	}
	at := func(i int) verify.Change { return tx.Changes[i] }
	_, sent := at(5).New["content"]
	if c := at(0); c.Kind != verify.Message || c.Prefix != "orgcast" || c.Content != "said" {
		t.Errorf("the message is %+v", c)
	}
	if c := at(1); c.Kind != verify.Update || get(c.Old, "name") != "o" || get(c.New, "name") != "p" {
		t.Errorf("the update is %+v", c)
	}
	if _, before := at(1).New["extra"]; before || get(at(2).New, "extra") != "7" || at(2).Old["extra"] != nil {
		t.Errorf("with a new column it is %+v", at(2))
	}
	if c := at(3); c.Kind != verify.Insert || c.Old != nil || len(get(c.New, "content")) != 5000 {
		t.Errorf("the insert is %+v", c)
	}
	if c := at(5); c.Old != nil || sent || c.New["propertyId"] != nil {
		t.Errorf("what is not sent again is %+v", c)
	}
	if c := at(6); len(c.Old) != 1 || get(c.Old, "id") != "n" || get(c.New, "id") != "m" {
		t.Errorf("of an old row that is its key alone it is %+v", c)
	}
	if c := at(7); c.Kind != verify.Delete || len(c.Old) != 1 || c.New != nil {
		t.Errorf("the delete is %+v", c)
	}
	if c := at(8); c.Kind != verify.Truncate || c.Table != "activities" || !slices.Equal(c.Also, []string{"interactions"}) {
		t.Errorf("TRUNCATE is %+v", c)
	}
}

// TestALostSlotIsAGap and no reason to go on as if nothing were.
func TestALostSlotIsAGap(t *testing.T) {
	for name, harm := range map[string]string{
		"dropped":  `SELECT pg_drop_replication_slot('%[1]s')`,
		"advanced": `SELECT pg_replication_slot_advance('%[1]s', pg_current_wal_flush_lsn())`,
	} {
		t.Run(name, func(t *testing.T) {
			db := pgtest.Database(t, pgtest.OikionSchema(), published)
			slot := db.Name + "_truth"
			r, err := Open(t.Context(), db.URL, slot, "p")
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			db.Exec(t, `INSERT INTO organizations (id, name) VALUES ('o', 'o')`)
			db.Exec(t, fmt.Sprintf(harm, slot))
			err = r.Run(t.Context(), func(tx verify.Transaction) { t.Errorf("told %+v", tx) })
			if !errors.Is(err, ErrGap) {
				t.Errorf("run: %v", err)
			}
		})
	}
}
