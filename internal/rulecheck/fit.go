package rulecheck

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/route"
	"github.com/oikion/orgcast/internal/setup"
)

// Fit holds the rules against a live database, and completes the report of
// [Describe]. It only reads.
func (r *Report) Fit(ctx context.Context, conn *pgx.Conn, rules *route.Rules, source []byte, config setup.Config) error {
	state, err := setup.Check(ctx, conn, config)
	if err != nil {
		return err
	}
	r.Database = &Database{Name: state.Database, Role: state.Role, Version: state.Version}
	var tables []string
	for _, t := range config.Tables {
		tables = append(tables, t.String())
	}
	columns, err := readCatalog(ctx, conn, tables)
	if err != nil {
		return err
	}
	f := &fitting{report: r, rules: rules, lines: route.NewLines(source), columns: columns}
	for _, p := range state.Problems {
		// Of server, slot and role the doctor tells.
		if p.Table != "" || strings.HasPrefix(string(p.Code), "publication_") {
			f.fromSetup(p)
		}
	}
	f.special()
	for _, name := range slices.Sorted(maps.Keys(rules.Tables)) {
		f.table(name)
	}
	f.complete()
	slices.SortStableFunc(r.Problems, func(a, b Problem) int { return a.Line - b.Line })
	return nil
}

// fitting is one look at a database.
type fitting struct {
	report  *Report
	rules   *route.Rules
	lines   route.Lines
	columns catalog
}

// fromSetup takes over what serve would say, with the line that it is about.
func (f *fitting) fromSetup(p setup.Problem) {
	severity := Warning
	if p.Fatal {
		severity = Fatal
	}
	place := f.place(p.Table)
	if p.Column != "" {
		place = f.columnPlace(place, p.Column)
	}
	f.add(severity, string(p.Code), place, p.Table, p.Hint, "%s", p.Text)
}

// place is where the file names a table; nil if it does not.
func (f *fitting) place(table string) []any {
	switch table {
	case qualify(f.rules, f.rules.Organizations.Table):
		return []any{"organizations"}
	case qualify(f.rules, f.rules.Membership.Table):
		return []any{"membership"}
	}
	if s := f.rules.Sessions; s != nil && table == qualify(f.rules, s.Table) {
		return []any{"sessions"}
	}
	if name := named(f.rules, table); f.lines.Of("tables", name) > 0 && qualify(f.rules, name) == table {
		if _, ok := f.rules.Tables[name]; ok {
			return []any{"tables", name}
		}
	}
	return nil
}

// columnPlace is where a table's rule names a column first.
func (f *fitting) columnPlace(place []any, column string) []any {
	with := func(more ...any) []any { return slices.Concat(place, more) }
	if len(place) == 2 {
		rule := f.rules.Tables[place[1].(string)]
		for i, c := range rule.Columns {
			if c.Column == column {
				return with("columns", i)
			}
		}
		for i, p := range rule.Tenant {
			if p.Column == column {
				return with("tenant", i)
			}
		}
		for member, name := range map[string]string{"id": rule.ID, "createdBy": rule.CreatedBy} {
			if name == column && f.lines.Of(with(member)...) > f.lines.Of(place...) {
				return with(member)
			}
		}
		if rule.Activity != nil {
			return with("activity")
		}
		return place
	}
	if len(place) == 1 && place[0] == "organizations" {
		for i, c := range f.rules.Organizations.Columns {
			if c.Column == column {
				return with("columns", i)
			}
		}
		for i, c := range f.rules.Organizations.Billing.Columns {
			if c.Column == column {
				return with("billing", "columns", i)
			}
		}
	}
	return place
}

func (f *fitting) add(severity Severity, code string, place []any, table, hint, format string, args ...any) {
	p := Problem{Severity: severity, Code: code, Table: table, Text: fmt.Sprintf(format, args...), Hint: hint}
	if len(place) > 0 {
		p.Line, p.Place = f.lines.Of(place...), pathOf(place)
	}
	f.report.Problems = append(f.report.Problems, p)
}

// pathOf prints a place as the rule file's own problems are.
func pathOf(place []any) string {
	var b strings.Builder
	for i, step := range place {
		if n, ok := step.(int); ok {
			fmt.Fprintf(&b, "[%d]", n)
			continue
		}
		if i > 0 {
			b.WriteByte('.')
		}
		fmt.Fprint(&b, step)
	}
	return b.String()
}

// complete says of each table what of it stays, and of each column its type.
func (f *fitting) complete() {
	for i := range f.report.Tables {
		t := &f.report.Tables[i]
		leaves := map[string]bool{}
		for _, p := range f.rules.Tables[named(f.rules, t.Table)].Tenant {
			leaves[p.Column] = p.Table == "" // every event has its organization
		}
		for j := range t.Sends {
			s := &t.Sends[j]
			for k := range s.Columns {
				name, _, _ := strings.Cut(s.Columns[k].Column, ": ") // of a metadata path
				leaves[name] = true
				if c, ok := f.columns.column(t.Table, name); ok {
					s.Columns[k].Type = c.typ
				}
				if s.Columns[k].Sensitive {
					place := f.columnPlace(f.place(t.Table), name)
					f.add(Warning, "sensitive_column", place, t.Table, "take it out unless every member of the organization may read it",
						"%s.%s looks like a secret and is sent", t.Table, name)
				}
			}
		}
		for _, c := range f.columns[t.Table] {
			if leaves[c.name] {
				continue
			}
			t.Stays = append(t.Stays, c.name)
			if looks, never := route.Credential(t.Table, c.name); looks || never {
				t.Secrets = append(t.Secrets, c.name)
			}
		}
	}
}
