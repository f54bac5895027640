package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/route"
)

// copySnapshot reads parents, members and organizations as they were when the
// slot was made, to the row: what the slot sends begins where they end.
func copySnapshot(ctx context.Context, conn *pgx.Conn, snapshot string, tables []route.Snapshot, put func(orgcast.StateChange) error) (err error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("begin snapshot: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // read only: there is nothing to lose
	for _, sql := range []string{
		"SET TRANSACTION SNAPSHOT '" + strings.ReplaceAll(snapshot, "'", "''") + "'",
		// With it on, rows would be missing without a word; off, it is an error.
		"SET LOCAL row_security = off",
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("import snapshot: %w", err)
		}
	}
	for i := range tables {
		if err := copyTable(ctx, conn, &tables[i], put); err != nil {
			err = fmt.Errorf("read snapshot of %s: %w", tables[i].Table, err)
			var refused *pgconn.PgError
			if errors.As(err, &refused) && refused.Code == "42501" {
				return orgcast.WithHint("begin a new epoch", err,
					"Run `orgcast setup`: the role needs SELECT on this table, and BYPASSRLS if it has row-level security.")
			}
			return err
		}
	}
	return nil
}

// copyTable reads one table, in the text form that the WAL will have too.
func copyTable(ctx context.Context, conn *pgx.Conn, table *route.Snapshot, put func(orgcast.StateChange) error) error {
	columns := make([]string, len(table.Columns))
	for i, c := range table.Columns {
		columns[i] = pgx.Identifier{c}.Sanitize()
	}
	sql := "SELECT " + strings.Join(columns, ", ") + " FROM " + pgx.Identifier{table.Table.Schema, table.Table.Name}.Sanitize()
	rows := conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil)
	for rows.NextRow() {
		change, err := table.State(rows.Values())
		if err == nil {
			err = put(change)
		}
		if err != nil {
			rows.Close()
			return err
		}
	}
	_, err := rows.Close()
	return err
}

// readTypes reads what the types are that PostgreSQL does not have built in.
func readTypes(ctx context.Context, conn *pgx.Conn) (route.Types, error) {
	rows, err := conn.Query(ctx, `SELECT oid, typbasetype, CASE WHEN typcategory = 'A' THEN typelem ELSE 0 END
		FROM pg_catalog.pg_type WHERE oid >= 16384`)
	if err != nil {
		return nil, fmt.Errorf("read types: %w", err)
	}
	types := route.Types{}
	var oid, base, element uint32
	if _, err := pgx.ForEachRow(rows, []any{&oid, &base, &element}, func() error {
		types[oid] = route.Type{Base: base, Element: element}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read types: %w", err)
	}
	return types, nil
}
