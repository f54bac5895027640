package truth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oikion/orgcast/internal/pgtest"
	"github.com/oikion/orgcast/internal/verify"
)

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
