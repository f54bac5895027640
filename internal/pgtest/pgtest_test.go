package pgtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oikion/orgcast/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m, pgtest.WithSetting("work_mem", "5MB")) }

func TestDatabasesShareAServerAndNothingElse(t *testing.T) {
	a := pgtest.Database(t, pgtest.OikionSchema())
	b := pgtest.Database(t, pgtest.OikionSchema())
	a.Exec(t, `INSERT INTO organizations (id, name) VALUES ($1, $2)`, "org_a", "Acme")
	count := func(db *pgtest.DB) (n int) {
		if err := db.Conn(t).QueryRow(t.Context(), `SELECT count(*) FROM organizations`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if count(a) != 1 || count(b) != 0 {
		t.Errorf("organizations in a, b = %d, %d, want 1, 0", count(a), count(b))
	}
	var workMem string
	if err := a.Conn(t).QueryRow(t.Context(), `SHOW work_mem`).Scan(&workMem); err != nil || workMem != "5MB" {
		t.Errorf("work_mem = %q, %v, want the option's", workMem, err)
	}
}

func TestCleanupDropsSlotDatabaseAndRoles(t *testing.T) {
	var name, named, granted string
	t.Run("a test with all of them", func(t *testing.T) {
		db := pgtest.Database(t, `CREATE TABLE things (id int)`)
		name, named, granted = db.Name, db.Role("reader"), "granted"
		db.Exec(t, `CREATE ROLE `+named+` LOGIN PASSWORD 'x'`)
		db.Exec(t, `CREATE ROLE `+granted+`; GRANT SELECT ON things TO `+granted)
		db.Exec(t, `SELECT pg_create_logical_replication_slot('left_behind', 'pgoutput')`)
		db.ConnAs(t, named, "x")
	})
	var n int
	err := pgtest.Database(t).Conn(t).QueryRow(context.Background(), `
		SELECT (SELECT count(*) FROM pg_database WHERE datname = $1)
		     + (SELECT count(*) FROM pg_roles WHERE rolname IN ($2, $3))
		     + (SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'left_behind')`, name, named, granted).Scan(&n)
	if err != nil || n != 0 {
		t.Errorf("%d things left, %v", n, err)
	}
}

func TestDatabaseOutlivesARestart(t *testing.T) {
	db := pgtest.Database(t, `CREATE TABLE things (id int)`)
	db.Exec(t, `INSERT INTO things VALUES (1)`)
	c := pgtest.Cluster(t)
	if err := c.Stop(t.Context(), "immediate"); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	pgtest.Database(t).Exec(t, `SELECT 1`)
}

// A database per test must stay cheap, or tests start to share.
func TestACopyOfTheSchemaIsCheap(t *testing.T) {
	pgtest.Database(t, pgtest.OikionSchema()) // the template
	best := time.Hour
	for range 5 {
		start := time.Now()
		pgtest.Database(t, pgtest.OikionSchema())
		best = min(best, time.Since(start))
	}
	t.Logf("a database costs %v", best)
	// The bound is 150 ms on a free machine; the best of five on a busy one
	// may be several times that. Running the schema again costs more.
	if best > time.Second {
		t.Errorf("a database costs %v", best)
	}
}

// A stream that a failed test left open must not keep its database.
func TestCleanupEndsAnOpenStream(t *testing.T) {
	var stream *pgconn.PgConn
	t.Run("a test that forgets its stream", func(t *testing.T) {
		db := pgtest.Database(t)
		var err error
		if stream, err = pgconn.Connect(context.Background(), db.URL+"&replication=database"); err != nil {
			t.Fatal(err)
		}
		if _, err := pglogrepl.CreateReplicationSlot(t.Context(), stream, "forgotten", "pgoutput", pglogrepl.CreateReplicationSlotOptions{}); err != nil {
			t.Fatal(err)
		}
		db.Exec(t, `CREATE PUBLICATION p`)
		err = pglogrepl.StartReplication(t.Context(), stream, "forgotten", 0, pglogrepl.StartReplicationOptions{
			PluginArgs: []string{"proto_version '1'", "publication_names 'p'"}})
		if err != nil {
			t.Fatal(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var err error
	for err == nil { // keepalives that were on their way
		_, err = stream.ReceiveMessage(ctx)
	}
	if ctx.Err() != nil {
		t.Error("the stream goes on")
	}
	stream.Close(ctx)
}
