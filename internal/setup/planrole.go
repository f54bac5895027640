package setup

import (
	"fmt"
	"slices"

	"github.com/oikion/orgcast"
)

// roleConflicts are the roles that setup does not touch.
func roleConflicts(f *facts, cfg Config) []Problem {
	if cfg.Role == "" {
		return nil
	}
	other := "put a role of orgcast's own into ORGCAST_DATABASE_URL, one that does not exist yet"
	if cfg.Role == f.me.name {
		return []Problem{{Code: RoleOwner, Fatal: true, Hint: other,
			Text: "role " + cfg.Role + " is the one that setup itself runs as"}}
	}
	if f.role == nil {
		return nil
	}
	rec, _ := f.record()
	switch made := rec.Role != nil && rec.Role.Made && rec.Role.Name == cfg.Role; {
	case len(f.role.ownerOf) > 0:
		return []Problem{{Code: RoleOwner, Fatal: true, Table: f.role.ownerOf[0], Hint: other,
			Text: fmt.Sprintf("role %s owns %s: with REPLICATION the application could read every published row past row-level security", cfg.Role, f.role.ownerOf[0])}}
	case !made && !f.role.super && (!f.role.login || !f.role.replication):
		return []Problem{{Code: RoleNoReplication, Fatal: true,
			Text: fmt.Sprintf("role %s was not made by setup and lacks LOGIN or REPLICATION", cfg.Role),
			Hint: other + "; or, if it is orgcast's: " + f.provider.replicationHint(quoteIdent(cfg.Role))}}
	}
	return nil
}

// record is what the publication's comment says, if it is ours.
func (f *facts) record() (record, bool) {
	if f.publication == nil {
		return record{}, false
	}
	return parseRecord(f.publication.comment)
}

func planRole(p *plan, f *facts, cfg Config, rec record) error {
	if cfg.Role == "" {
		p.warn(Problem{Code: RoleShared, Text: "no role was made: serve will run as " + f.me.name,
			Hint: "put a role of orgcast's own into ORGCAST_DATABASE_URL and the owner's URL into ORGCAST_SETUP_DATABASE_URL"})
		return nil
	}
	if rec.Role != nil && rec.Role.Name != cfg.Role {
		return orgcast.WithHint("plan role", fmt.Errorf("setup gave rights to role %s before, and now it is to be %s", rec.Role.Name, cfg.Role),
			"keep the role, or run setup --undo first")
	}
	before := rec.String()
	if rec.Role == nil {
		rec.Role = &recordRole{Name: cfg.Role}
	} else {
		role := *rec.Role
		rec.Role = &role
	}
	if f.role == nil {
		rec.Role.Made = true
	}
	grants := planGrants(f, cfg, rec.Role)
	if err := planAttributes(p, f, cfg, rec, before); err != nil {
		return err
	}
	p.steps = append(p.steps, grants...)
	// Last: who may not grant it can have run all the rest.
	planBypass(p, f, cfg, rec.Role.Made)

	if f.role != nil && f.role.super {
		p.warn(Problem{Code: RoleSuperuser, Text: "role " + cfg.Role + " is a superuser",
			Hint: "serve needs LOGIN, REPLICATION and SELECT on a few tables; give it a role of its own"})
	}
	if f.role != nil && len(f.role.actsAs) > 0 {
		p.warn(Problem{Code: RoleShared, Text: fmt.Sprintf("role %s is a member of %s, who owns mapped tables", cfg.Role, f.role.actsAs[0]),
			Hint: "REVOKE " + quoteIdent(f.role.actsAs[0]) + " FROM " + quoteIdent(cfg.Role)})
	}
	return nil
}

// planAttributes makes the role, or sets right what is ours. That the role is
// ours is recorded in the transaction that makes it: a role that somebody else
// makes after our failure must not be dropped by undo.
func planAttributes(p *plan, f *facts, cfg Config, rec record, before string) error {
	name := quoteIdent(cfg.Role)
	s := step{name: "create role " + cfg.Role, hint: f.provider.replicationHint(name)}
	if f.role == nil && f.provider == "" {
		s.hint = "run setup once with a superuser's ORGCAST_SETUP_DATABASE_URL, or as superuser: CREATE ROLE " + name +
			" LOGIN REPLICATION, then give it the password in ORGCAST_DATABASE_URL and run setup again"
	}
	s.hint += "; making a role needs CREATEROLE (and, before PostgreSQL 16, a superuser for REPLICATION)"
	var password string
	if cfg.RolePassword != "" {
		literal, err := passwordLiteral(cfg.RolePassword, f.provider.plainPassword())
		if err != nil {
			return err
		}
		password = " PASSWORD " + literal
	}
	replication, grant := " REPLICATION", []string(nil)
	if f.rdsRole {
		replication, grant = "", []string{"GRANT rds_replication TO " + name}
	}
	remind := "-- then, in psql: \\password " + oneLine(name) + "   (the password in ORGCAST_DATABASE_URL)"

	switch {
	case f.role == nil:
		s.sql = slices.Concat([]string{"CREATE ROLE " + name + " LOGIN" + replication + password}, grant, []string{commentOn(cfg, rec.String())})
		s.shown = slices.Concat([]string{"CREATE ROLE " + name + " LOGIN" + replication}, grant, []string{commentOn(cfg, rec.String()), remind})
		p.add(s)
		return nil
	case rec.String() != before:
		p.add(step{name: "record rights of role " + cfg.Role, sql: []string{commentOn(cfg, rec.String())},
			hint: "connect as the publication's owner or a superuser"})
	}
	p.add(step{name: s.name, done: true})
	if !rec.Role.Made {
		return nil
	}
	if !f.role.login || !f.role.replication {
		p.add(step{name: "set attributes of role " + cfg.Role, hint: s.hint,
			sql: slices.Concat([]string{"ALTER ROLE " + name + " LOGIN" + replication}, grant)})
	}
	if cfg.RolePassword != "" {
		p.add(step{name: "set password of role " + cfg.Role,
			sql:   []string{"ALTER ROLE " + name + password},
			shown: []string{remind},
			done:  f.role.password != nil && verifies(*f.role.password, cfg.RolePassword),
			hint:  "connect as who made the role, or a superuser"})
	}
	return nil
}

// planBypass: the snapshot reads parents and members of every organization,
// with row_security off, so a policy is an error there and never silence.
func planBypass(p *plan, f *facts, cfg Config, made bool) {
	for _, t := range cfg.Tables {
		r := f.byName[t.String()]
		if !t.Read || !r.rowSecurity {
			continue
		}
		set := "ALTER ROLE " + quoteIdent(cfg.Role) + " BYPASSRLS"
		problem := Problem{Code: ReadRowSecurity, Table: t.String(), Fatal: true,
			Text: fmt.Sprintf("%s has row-level security, and role %s can't read past it at the snapshot", t, cfg.Role),
			Hint: "as superuser: " + set}
		switch done := f.role != nil && (f.role.bypassRLS || f.role.super); {
		case done || made:
			p.add(step{name: "let role " + cfg.Role + " read past row-level security", sql: []string{set}, done: done, optional: &problem})
		default:
			p.warn(problem)
		}
		return
	}
}

// planGrants grants on whole tables: by its REPLICATION the role reads every
// column of a published table anyway. What it gives goes into rec.
func planGrants(f *facts, cfg Config, rec *recordRole) []step {
	name := quoteIdent(cfg.Role)
	have := f.role
	if have == nil {
		have = &roleFacts{}
	}
	steps := []step{{
		name: "let role " + cfg.Role + " connect",
		sql:  []string{"GRANT CONNECT ON DATABASE " + quoteIdent(f.database) + " TO " + name},
		done: have.connect,
		hint: "connect as the database's owner",
	}}
	rec.Connect = rec.Connect || !have.connect
	seen := map[string]bool{}
	for _, t := range cfg.Tables {
		if !t.Read {
			continue
		}
		if !seen[t.Schema] {
			seen[t.Schema] = true
			steps = append(steps, step{
				name: fmt.Sprintf("let role %s use schema %s", cfg.Role, t.Schema),
				sql:  []string{"GRANT USAGE ON SCHEMA " + quoteIdent(t.Schema) + " TO " + name},
				done: have.usage[t.Schema],
				hint: "connect as the schema's owner",
			})
			if !have.usage[t.Schema] && !slices.Contains(rec.Usage, t.Schema) {
				rec.Usage = append(slices.Clone(rec.Usage), t.Schema)
			}
		}
		steps = append(steps, step{
			name: fmt.Sprintf("let role %s read %s", cfg.Role, t),
			sql:  []string{"GRANT SELECT ON TABLE " + t.ident() + " TO " + name},
			done: have.selects[t.String()],
			hint: "run setup as the table's owner, " + f.byName[t.String()].owner,
		})
		pair := []string{t.Schema, t.Name}
		if !have.selects[t.String()] && !slices.ContainsFunc(rec.Select, func(s []string) bool { return slices.Equal(s, pair) }) {
			rec.Select = append(slices.Clone(rec.Select), pair)
		}
	}
	return steps
}
