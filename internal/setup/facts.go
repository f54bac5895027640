package setup

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
)

// facts is everything that setup and check know of the database. One reader
// fills it; the plans and the checks are functions of it.
type facts struct {
	version     int
	standby     bool
	walLevel    string
	database    string
	provider    Provider
	schemas     []string
	rdsRole     bool // the role rds_replication exists
	me          roleFacts
	slot        *slotFacts
	slotsFree   int
	publication *publicationFacts
	byName      map[string]*relation // wanted tables by Table.String
	relations   []*relation          // wanted tables, their partitions, members
	role        *roleFacts           // Config.Role, nil when it does not exist
}

type slotFacts struct {
	database, plugin string
	pid              *int32
	application      *string
}

type publicationFacts struct {
	allTables bool // FOR ALL TABLES, or TABLES IN SCHEMA
	operations,
	viaRoot bool
	comment string
	members map[uint32]member
}

type member struct{ columnList, rowFilter bool }

// inspect reads the catalog. It takes no lock that an application waits for.
func inspect(ctx context.Context, conn *pgx.Conn, cfg Config) (*facts, error) {
	f := &facts{}
	for _, read := range []struct {
		what string
		do   func(context.Context, *pgx.Conn, Config) error
	}{
		{"server", f.readServer},
		{"slots", f.readSlot},
		{"publication", f.readPublication},
		{"tables", f.readRelations},
		{"roles", f.readRoles},
	} {
		if err := read.do(ctx, conn, cfg); err != nil {
			return nil, fmt.Errorf("inspect %s: %w", read.what, err)
		}
	}
	return f, nil
}

func (f *facts) readServer(ctx context.Context, conn *pgx.Conn, cfg Config) error {
	err := conn.QueryRow(ctx, `
		SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), current_setting('wal_level'), current_database(),
		       EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication'), ARRAY(SELECT nspname::text FROM pg_namespace)`,
	).Scan(&f.version, &f.standby, &f.walLevel, &f.database, &f.rdsRole, &f.schemas)
	if err != nil {
		return err
	}
	if p := TooOld(f.version); p != nil {
		return orgcast.WithHint("check "+string(p.Code), errors.New(p.Text), p.Hint)
	}
	f.provider, err = detectProvider(ctx, conn, cfg.Host)
	return err
}

func (f *facts) readSlot(ctx context.Context, conn *pgx.Conn, cfg Config) error {
	err := conn.QueryRow(ctx, `
		SELECT current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots)`).Scan(&f.slotsFree)
	if err != nil {
		return err
	}
	var s slotFacts
	err = conn.QueryRow(ctx, `
		SELECT coalesce(s.database, ''), coalesce(s.plugin, ''), s.active_pid, a.application_name
		FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
		WHERE s.slot_name = $1`, cfg.Slot).Scan(&s.database, &s.plugin, &s.pid, &s.application)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	f.slot = &s
	return nil
}

func (f *facts) readPublication(ctx context.Context, conn *pgx.Conn, cfg Config) error {
	p := publicationFacts{members: map[uint32]member{}}
	var oid uint32
	err := conn.QueryRow(ctx, `
		SELECT oid, puballtables, pubinsert AND pubupdate AND pubdelete AND pubtruncate, pubviaroot,
		       coalesce(obj_description(oid, 'pg_publication'), '')
		FROM pg_publication WHERE pubname = $1`, cfg.Publication).Scan(&oid, &p.allTables, &p.operations, &p.viaRoot, &p.comment)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	f.publication = &p

	// Column lists, row filters and TABLES IN SCHEMA came with 15.
	lists := "false, false"
	if f.version >= 150000 {
		lists = "prattrs IS NOT NULL, prqual IS NOT NULL"
		var schemas bool
		if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_publication_namespace WHERE pnpubid = $1)`, oid).Scan(&schemas); err != nil {
			return err
		}
		p.allTables = p.allTables || schemas
	}
	// The view lists what is published in the end, pg_publication_rel what
	// was named: a partitioned table without publish_via_partition_root is
	// only in the second.
	rows, err := conn.Query(ctx, `
		SELECT c.oid, false, false FROM pg_publication_tables t
		JOIN pg_namespace n ON n.nspname = t.schemaname JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
		WHERE t.pubname = $1
		UNION ALL SELECT prrelid, `+lists+` FROM pg_publication_rel WHERE prpubid = $2`, cfg.Publication, oid)
	if err != nil {
		return err
	}
	var rel uint32
	var m member
	_, err = pgx.ForEachRow(rows, []any{&rel, &m.columnList, &m.rowFilter}, func() error {
		have := p.members[rel]
		p.members[rel] = member{have.columnList || m.columnList, have.rowFilter || m.rowFilter}
		return nil
	})
	return err
}
