package setup

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// readRelations reads the wanted tables with their partitions, and the
// publication's members, wanted or not.
func (f *facts) readRelations(ctx context.Context, conn *pgx.Conn, cfg Config) error {
	schemas, names := make([]string, len(cfg.Tables)), make([]string, len(cfg.Tables))
	for i, t := range cfg.Tables {
		schemas[i], names[i] = t.Schema, t.Name
	}
	var members []uint32
	if f.publication != nil {
		for oid := range f.publication.members {
			members = append(members, oid)
		}
	}
	lists := "'{}'::text[]"
	if f.version >= 150000 {
		lists = `ARRAY(SELECT p.pubname::text FROM pg_publication_rel pr JOIN pg_publication p ON p.oid = pr.prpubid
			WHERE pr.prrelid IN (c.oid, t.root) AND pr.prattrs IS NOT NULL ORDER BY 1)`
	}
	rows, err := conn.Query(ctx, `
		WITH wanted AS (
			SELECT c.oid FROM unnest($1::text[], $2::text[]) w(schema, name)
			JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
			WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
			UNION SELECT unnest($3::oid[])
		), tree AS (
			SELECT oid, oid AS root FROM wanted
			UNION SELECT p.relid::oid, w.oid FROM wanted w, pg_partition_tree(w.oid) p
		)
		SELECT c.oid, t.root, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text, c.relreplident::text,
			coalesce((SELECT ic.relname::text FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
				WHERE i.indrelid = c.oid AND i.indisreplident), ''),
			EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate AND i.indisvalid),
			c.relrowsecurity, row_security_active(c.oid), pg_get_userbyid(c.relowner)::text, pg_has_role(c.relowner, 'USAGE'),
			has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
			ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
			ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated <> ''),
			ARRAY(SELECT ic.relname::text FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
				WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL),
			`+lists+`
		FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
		ORDER BY t.root, t.root <> c.oid, c.oid`, schemas, names, members)
	if err != nil {
		return err
	}
	f.byName = map[string]*relation{}
	f.relations, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (*relation, error) {
		r := &relation{}
		err := row.Scan(&r.oid, &r.root, &r.schema, &r.name, &r.kind, &r.persistence, &r.identity, &r.index, &r.primary,
			&r.rowSecurity, &r.rowSecurityHere, &r.owner, &r.owned, &r.selectHere, &r.columns, &r.generated, &r.indexes, &r.columnLists)
		if err == nil && r.root == r.oid {
			f.byName[r.String()] = r
		}
		return r, err
	})
	return err
}

// tree is the wanted table and all its partitions, root first; nil when it
// does not exist.
func (f *facts) tree(t Table) []*relation {
	root := f.byName[t.String()]
	if root == nil {
		return nil
	}
	var tree []*relation
	for _, r := range f.relations {
		if r.root == root.oid {
			tree = append(tree, r)
		}
	}
	return tree
}
