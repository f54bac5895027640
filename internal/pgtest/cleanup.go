package pgtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/cluster"
)

// dropTimeout bounds one database's cleanup; a slot whose walsender does not
// end is the one thing it waits for.
const dropTimeout = 30 * time.Second

func (db *DB) drop(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
	defer cancel()
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.conn != nil {
		db.conn.Close(ctx)
	}
	if err := db.dropAll(ctx); err != nil {
		t.Errorf("pgtest: drop database %s: %v", db.Name, err)
	}
}

func (db *DB) dropAll(ctx context.Context) error {
	// A crash test may leave the server stopped.
	if err := db.cluster.Start(ctx); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, db.cluster.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if err := dropSlots(ctx, conn, db.Name); err != nil {
		return err
	}
	roles, err := rolesOf(ctx, conn, db.Name)
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "DROP DATABASE "+db.Name+" WITH (FORCE)"); err != nil {
		return err
	}
	for _, role := range roles {
		if _, err := conn.Exec(ctx, "DROP ROLE "+role); err != nil {
			return err
		}
	}
	return nil
}

// rolesOf lists the roles that bear the database's name, and those that own or
// may use something in it, quoted.
func rolesOf(ctx context.Context, conn *pgx.Conn, database string) ([]string, error) {
	const firstNormalOID = 16384 // below are the roles that initdb made
	rows, err := conn.Query(ctx, `
		SELECT quote_ident(rolname) FROM pg_roles r
		WHERE r.oid >= $2 AND (starts_with(rolname, $1 || '_') OR r.oid IN (
			SELECT s.refobjid FROM pg_shdepend s, pg_database d
			WHERE d.datname = $1 AND s.refclassid = 'pg_authid'::regclass
			  AND (s.dbid = d.oid OR s.classid = 'pg_database'::regclass AND s.objid = d.oid)))
		ORDER BY r.oid DESC`, database, firstNormalOID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// dropSlots ends the slots' walsenders and drops the slots. The walsender
// frees its slot a moment after it is told to end, hence the loop.
func dropSlots(ctx context.Context, conn *pgx.Conn, database string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		var left int
		err := conn.QueryRow(ctx, `
			WITH slots AS (SELECT slot_name, active_pid FROM pg_replication_slots WHERE database = $1),
			ended AS (SELECT pg_terminate_backend(active_pid) FROM slots WHERE active_pid IS NOT NULL)
			SELECT (SELECT count(*) FROM ended) + count(*) FROM slots`, database).Scan(&left)
		if err != nil {
			return err
		}
		if left == 0 {
			return nil
		}
		_, err = conn.Exec(ctx, `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1 AND NOT active`, database)
		if err != nil && ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("slots stay active: %w", errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

// leftovers is an error when a test's database, slot or role outlived its
// test.
func leftovers(ctx context.Context, c *cluster.Cluster) error {
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var databases, slots, roles int
	err = conn.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM pg_database WHERE datname ~ '^test[0-9]+$'),
		       (SELECT count(*) FROM pg_replication_slots),
		       (SELECT count(*) FROM pg_roles WHERE rolname <> 'postgres' AND rolname !~ '^pg_')`).Scan(&databases, &slots, &roles)
	if err != nil {
		return err
	}
	if databases+slots+roles > 0 {
		return fmt.Errorf("tests left %d databases, %d slots, %d roles", databases, slots, roles)
	}
	return nil
}
