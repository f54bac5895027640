package rulecheck

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// column is one as the catalog has it.
type column struct {
	name string
	// typ is its type for people, base the name of what it is at bottom: a domain's
	// own type.
	typ, base string
	// labels are those of an enum; nil for another type.
	labels []string
	// key: it alone tells rows apart, by a primary key or a unique index of its own.
	key bool
}

// catalog is the columns of tables by "schema.table", in the table's order.
type catalog map[string][]column

func (c catalog) column(table, name string) (column, bool) {
	for _, col := range c[table] {
		if col.name == name {
			return col, true
		}
	}
	return column{}, false
}

// readCatalog reads the columns of tables, given as "schema.table".
func readCatalog(ctx context.Context, conn *pgx.Conn, tables []string) (catalog, error) {
	rows, err := conn.Query(ctx, `
		WITH RECURSIVE bottom AS (
			SELECT t.oid AS of, t.oid, t.typtype, t.typbasetype FROM pg_catalog.pg_type t
			UNION ALL
			SELECT b.of, t.oid, t.typtype, t.typbasetype FROM bottom b JOIN pg_catalog.pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd'
		)
		SELECT n.nspname || '.' || c.relname, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typname::text,
			CASE WHEN t.typtype = 'e' THEN ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) END,
			EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
				AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum)
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		JOIN bottom b ON b.of = a.atttypid AND b.typtype <> 'd' JOIN pg_catalog.pg_type t ON t.oid = b.oid
		WHERE n.nspname || '.' || c.relname = ANY ($1) ORDER BY 1, a.attnum`, tables)
	if err != nil {
		return nil, fmt.Errorf("read columns: %w", err)
	}
	all := catalog{}
	var table string
	var c column
	_, err = pgx.ForEachRow(rows, []any{&table, &c.name, &c.typ, &c.base, &c.labels, &c.key}, func() error {
		all[table] = append(all[table], c)
		c.labels = nil
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read columns: %w", err)
	}
	return all, nil
}
