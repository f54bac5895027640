package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/route"
	"github.com/oikion/orgcast/internal/session"
)

// rules reads the rule file.
func rules(_ context.Context, s *Scene) (out []Finding) {
	scheme, err := session.SchemeFromEnv(func(name string) string { return s.Environ[name] })
	if err != nil {
		scheme = session.Auto // told with the sessions
	}
	r, err := s.LoadRules(s.config.Rules, scheme)
	if err != nil {
		for _, e := range apart(err) {
			// The lines of the file come after the first.
			text, _, _ := strings.Cut(e.Error(), "\n")
			out = append(out, found(RulesInvalid, text, cureOf(e, "correct the rule file "+s.config.Rules+"; serve shows the line")))
		}
		return out
	}
	s.rules, s.setup = r, s.SetupConfig(s.config, r)
	s.good(fmt.Sprintf("rules: %s maps %d tables", s.config.Rules, len(r.Tables)))
	for _, name := range slices.Sorted(maps.Keys(r.Tables)) {
		var sensitive []string
		for _, c := range r.Tables[name].Columns {
			if c.Sensitive {
				sensitive = append(sensitive, c.Column)
			}
		}
		if len(sensitive) > 0 {
			f := found(SensitiveColumn, fmt.Sprintf("columns of %s that look like secrets are sent to browsers: %s", name, some(sensitive)),
				"take them out of the rule unless every member of the organization may read them")
			f.Table = name
			out = append(out, f)
		}
	}
	return out
}

// apart takes joined errors apart.
func apart(err error) []error {
	if joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok && orgcast.Hint(err) == "" {
		return joined.Unwrap()
	}
	return []error{err}
}

// tenantNames are columns that say whose a row is, in any spelling, besides those
// of the rules.
var tenantNames = []string{"organizationid", "orgid", "tenantid", "workspaceid"}

func bare(column string) string { return strings.ReplaceAll(strings.ToLower(column), "_", "") }

// tenantColumns finds tables that belong to an organization and are in no rule:
// nothing of them is sent, which may be meant.
func tenantColumns(ctx context.Context, s *Scene) []Finding {
	names := slices.Clone(tenantNames)
	mapped := map[string]bool{}
	for _, t := range s.rules.All() {
		mapped[t.String()] = true
	}
	for _, t := range s.rules.Tables {
		for _, p := range t.Tenant {
			if p.Table == "" {
				names = append(names, bare(p.Column))
			}
		}
	}
	rows, err := s.conn.Query(ctx, `
		SELECT DISTINCT n.nspname::text || '.' || c.relname::text
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p' AND a.attnum > 0 AND NOT a.attisdropped
		  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
		  AND replace(lower(a.attname), '_', '') = ANY ($1) ORDER BY 1`, names)
	if err != nil {
		return failed("look for tenant columns", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return failed("look for tenant columns", err)
	}
	tables = slices.DeleteFunc(tables, func(t string) bool { return mapped[t] })
	if len(tables) == 0 {
		return nil
	}
	return []Finding{found(TenantUnmapped, "tables that have an organization's column and are in no rule, so nothing of them is sent: "+some(tables),
		"name those in the rules that pages are to follow; else nothing is to be done")}
}

// childrenOf lists the tables whose rows are told whose they are by a parent's.
func childrenOf(r *route.Rules, parent string) (children []string) {
	qualify := func(name string) string {
		if strings.Contains(name, ".") {
			return name
		}
		return r.Schema + "." + name
	}
	for _, name := range slices.Sorted(maps.Keys(r.Tables)) {
		if slices.ContainsFunc(r.Tables[name].Tenant, func(p route.Path) bool { return p.Table != "" && qualify(p.Table) == parent }) {
			children = append(children, qualify(name))
		}
	}
	return children
}
