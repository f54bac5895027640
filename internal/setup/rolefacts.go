package setup

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// roleFacts is a role's attributes and rights.
type roleFacts struct {
	name        string
	super       bool
	replication bool // REPLICATION, or membership of rds_replication
	bypassRLS   bool
	login       bool
	connect     bool     // to this database
	password    *string  // the stored verifier, when the current role may read it
	ownerOf     []string // wanted tables that it owns
	actsAs      []string // owners of wanted tables that it is a member of
	usage       map[string]bool
	selects     map[string]bool
}

func (f *facts) readRoles(ctx context.Context, conn *pgx.Conn, cfg Config) error {
	var me string
	if err := conn.QueryRow(ctx, `SELECT current_user`).Scan(&me); err != nil {
		return err
	}
	r, err := f.readRole(ctx, conn, cfg, me)
	if err != nil {
		return err
	}
	f.me = *r
	if cfg.Role == "" {
		return nil
	}
	f.role, err = f.readRole(ctx, conn, cfg, cfg.Role)
	if errors.Is(err, pgx.ErrNoRows) {
		f.role, err = nil, nil
	}
	return err
}

func (f *facts) readRole(ctx context.Context, conn *pgx.Conn, cfg Config, name string) (*roleFacts, error) {
	r := &roleFacts{name: name, usage: map[string]bool{}, selects: map[string]bool{}}
	err := conn.QueryRow(ctx, `
		SELECT rolsuper, rolbypassrls, rolcanlogin, has_database_privilege(oid, current_database(), 'CONNECT'),
		       rolreplication OR EXISTS (SELECT FROM pg_roles g WHERE g.rolname = 'rds_replication' AND pg_has_role(r.oid, g.oid, 'MEMBER'))
		FROM pg_roles r WHERE rolname = $1`, name).Scan(&r.super, &r.bypassRLS, &r.login, &r.connect, &r.replication)
	if err != nil {
		return nil, err
	}
	var readable bool
	if err := conn.QueryRow(ctx, `SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')`).Scan(&readable); err != nil {
		return nil, err
	}
	if readable {
		if err := conn.QueryRow(ctx, `SELECT rolpassword FROM pg_authid WHERE rolname = $1`, name).Scan(&r.password); err != nil {
			return nil, err
		}
	}
	var wanted []uint32
	for _, t := range cfg.Tables {
		if rel := f.byName[t.String()]; rel != nil {
			wanted = append(wanted, rel.oid)
		}
	}
	rows, err := conn.Query(ctx, `
		SELECT n.nspname::text, c.relname::text, pg_get_userbyid(c.relowner)::text, pg_has_role($1::name, c.relowner, 'MEMBER'),
		       has_schema_privilege($1::name, n.oid, 'USAGE'), has_table_privilege($1::name, c.oid, 'SELECT')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($2::oid[]) ORDER BY 1, 2`, name, wanted)
	if err != nil {
		return nil, err
	}
	var schema, table, owner string
	var acts, usage, selects bool
	_, err = pgx.ForEachRow(rows, []any{&schema, &table, &owner, &acts, &usage, &selects}, func() error {
		r.usage[schema], r.selects[schema+"."+table] = usage, selects
		switch {
		case owner == name:
			r.ownerOf = append(r.ownerOf, schema+"."+table)
		case acts && !r.super:
			r.actsAs = append(r.actsAs, owner)
		}
		return nil
	})
	return r, err
}
