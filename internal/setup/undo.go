package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
)

// Undo takes away what setup made, and gives each table the replica identity
// that it had. The order is Apply's, backwards: a table leaves the publication
// before it loses its identity. The publication goes last, because the record
// of what was is its comment: an Undo that failed in the middle can be run
// again.
func Undo(ctx context.Context, conn *pgx.Conn, cfg Config) (*Report, error) {
	cfg = cfg.withDefaults()
	report := &Report{}
	err := exclusively(ctx, conn, func() error {
		f, err := inspect(ctx, conn, cfg)
		if err != nil {
			return err
		}
		rec, ours := f.record()
		if ours && rec.Orgcast > recordVersion {
			return newerRecord(cfg)
		}
		if ours {
			// The rules may have changed since: the record says which
			// tables and which role it is about.
			if f, err = inspect(ctx, conn, rec.config(cfg)); err != nil {
				return err
			}
		}
		p, err := planUndo(f, cfg, rec, ours)
		if err != nil {
			return err
		}
		report, err = run(ctx, conn, cfg, f, p)
		return err
	})
	return report, err
}

// config is cfg about the record's tables and role.
func (r record) config(cfg Config) Config {
	cfg.Tables, cfg.Role, cfg.RolePassword = nil, "", ""
	for _, t := range r.Tables {
		cfg.Tables = append(cfg.Tables, Table{Schema: t.Schema, Name: t.Table, Published: true})
	}
	if r.Role != nil {
		cfg.Role = r.Role.Name
		for _, pair := range r.Role.Select {
			if len(pair) == 2 {
				cfg.Tables = append(cfg.Tables, Table{Schema: pair[0], Name: pair[1], Read: true})
			}
		}
	}
	return cfg.withDefaults()
}

func planUndo(f *facts, cfg Config, rec record, ours bool) (*plan, error) {
	p := &plan{}
	if err := undoSlot(p, f, cfg); err != nil {
		return nil, err
	}
	switch {
	case f.publication == nil:
		p.add(step{name: "drop publication " + cfg.Publication, done: true})
		return p, nil
	case !ours:
		return nil, orgcast.WithHint("read setup's record", fmt.Errorf("publication %s has none: setup did not make it", cfg.Publication),
			"name the publication that setup made; or, if its comment was lost: DROP PUBLICATION "+quoteIdent(cfg.Publication))
	}
	for _, t := range rec.Tables {
		undoMembership(p, f, cfg, rec, t)
	}
	for _, t := range rec.Tables {
		undoIdentity(p, f, t)
	}
	undoRole(p, f, rec)
	undoPublication(p, f, cfg, rec)
	return p, nil
}

func undoSlot(p *plan, f *facts, cfg Config) error {
	s := step{
		name: "drop slot " + cfg.Slot,
		sql:  []string{"SELECT pg_drop_replication_slot(" + quoteLiteral(cfg.Slot) + ")"},
		done: f.slot == nil,
		hint: "as a superuser or as orgcast's own role: SELECT pg_drop_replication_slot(" + quoteLiteral(cfg.Slot) + "), then run this again",
	}
	if f.slot != nil {
		if why := foreignSlot(f); why != "" {
			return orgcast.WithHint(s.name, errors.New("it "+why), "name orgcast's own slot")
		}
		if f.slot.pid != nil {
			application := "unknown"
			if f.slot.application != nil && *f.slot.application != "" {
				application = *f.slot.application
			}
			return orgcast.WithHint(s.name, fmt.Errorf("it is in use by pid %d (application %s)", *f.slot.pid, application),
				"stop orgcast, then run this again")
		}
	}
	p.add(s)
	return nil
}

// foreignSlot says why the slot is not ours, or "".
func foreignSlot(f *facts) string {
	switch {
	case f.slot == nil:
		return ""
	case f.slot.plugin == "":
		return "is a physical slot"
	case f.slot.plugin != "pgoutput":
		return "is a slot of plugin " + f.slot.plugin
	case f.slot.database != f.database:
		return "belongs to database " + f.slot.database
	}
	return ""
}

func undoMembership(p *plan, f *facts, cfg Config, rec record, t recordTable) {
	// Of our own publication every table leaves: it is dropped in the end,
	// and the identities go before that.
	if !t.Added && !rec.Made {
		return
	}
	r := f.byName[t.Schema+"."+t.Table]
	if r == nil || r.oid != r.root || !t.Added && !isMember(f, r) {
		return
	}
	p.add(step{
		name:  "stop publishing " + r.String(),
		sql:   []string{"ALTER PUBLICATION " + quoteIdent(cfg.Publication) + " DROP TABLE ONLY " + r.ident()},
		done:  !isMember(f, r),
		table: r,
		weak:  true,
		hint:  "connect as the publication's owner or a superuser",
	})
}

func undoRole(p *plan, f *facts, rec record) {
	if rec.Role == nil {
		return
	}
	name := quoteIdent(rec.Role.Name)
	if f.role == nil {
		p.add(step{name: "drop role " + rec.Role.Name, done: true})
		return
	}
	// What is gone took its rights along.
	var revokes []string
	if rec.Role.Connect {
		revokes = append(revokes, "REVOKE CONNECT ON DATABASE "+quoteIdent(f.database)+" FROM "+name)
	}
	for _, pair := range rec.Role.Select {
		if len(pair) == 2 && f.byName[pair[0]+"."+pair[1]] != nil {
			revokes = append(revokes, "REVOKE SELECT ON TABLE "+pgx.Identifier(pair).Sanitize()+" FROM "+name)
		}
	}
	for _, schema := range rec.Role.Usage {
		if slices.Contains(f.schemas, schema) {
			revokes = append(revokes, "REVOKE USAGE ON SCHEMA "+quoteIdent(schema)+" FROM "+name)
		}
	}
	p.add(step{name: "take rights from role " + rec.Role.Name, sql: revokes, done: len(revokes) == 0,
		hint: "run this as the owner of the database and its tables"})
	if !rec.Role.Made {
		return
	}
	p.add(step{name: "drop role " + rec.Role.Name, sql: []string{"DROP ROLE " + name},
		hint: "connect as who made the role, or a superuser",
		optional: &Problem{Code: RoleKept, Text: "role " + rec.Role.Name + " could not be dropped: it has rights or objects elsewhere, or belongs to another",
			Hint: "as a superuser, in each of its databases: DROP OWNED BY " + name + "; then DROP ROLE " + name}})
}

func undoPublication(p *plan, f *facts, cfg Config, rec record) {
	if !rec.Made {
		p.add(step{name: "give publication " + cfg.Publication + " back its comment", sql: []string{commentOn(cfg, rec.Comment)},
			hint: "connect as the publication's owner or a superuser"})
		return
	}
	p.add(step{name: "drop publication " + cfg.Publication, sql: []string{"DROP PUBLICATION " + quoteIdent(cfg.Publication)},
		hint: "connect as the publication's owner or a superuser"})
}
