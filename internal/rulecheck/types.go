package rulecheck

import (
	"fmt"
	"slices"
	"strings"
)

// What setup does not look at: whether values can ever be what the rule takes them
// for. A column that is missing is told already.

// special looks at the tables that have a place of their own in the file.
func (f *fitting) special() {
	o, m := f.rules.Organizations, f.rules.Membership
	organizations, members := qualify(f.rules, o.Table), qualify(f.rules, m.Table)
	f.isKey([]any{"organizations", "id"}, organizations, o.ID)
	f.isKey([]any{"membership", "id"}, members, m.ID)
	f.alike([]any{"membership", "organization"}, members, m.Organization, organizations, o.ID)
	f.areRoles([]any{"organizations", "billing", "roles"}, organizations, o.Billing.Roles)
	if s := f.rules.Sessions; s != nil {
		table := qualify(f.rules, s.Table)
		f.isKey([]any{"sessions", "token"}, table, s.Token)
		f.isOf([]any{"sessions", "expires"}, table, s.Expires, "timestamp", "timestamptz")
	}
}

// table looks at one of the file's tables.
func (f *fitting) table(name string) {
	rule, table := f.rules.Tables[name], qualify(f.rules, name)
	at := func(more ...any) []any { return append([]any{"tables", name}, more...) }
	f.isKey(at("id"), table, rule.ID)
	for i, p := range rule.Tenant {
		if p.Table == "" {
			f.alike(at("tenant", i), table, p.Column, qualify(f.rules, f.rules.Organizations.Table), f.rules.Organizations.ID)
			continue
		}
		parent := named(f.rules, p.Table)
		f.alike(at("tenant", i), table, p.Column, qualify(f.rules, parent), f.rules.Tables[parent].ID)
	}
	f.areRoles(at("roles"), table, rule.Roles)
	for i, a := range rule.Archive {
		if c, ok := f.columns.column(table, a.Column); ok && a.Value != "" && c.labels != nil && !slices.Contains(c.labels, a.Value) {
			f.add(Wrong, "archive_unknown", at("archive", i), table, "write one of "+some(c.labels),
				"%s.%s can't become %s: its type %s has no such label", table, a.Column, a.Value, c.typ)
		}
	}
	if a := rule.Activity; a != nil && a.Metadata.Column != "" {
		f.isOf(at("activity", "metadata", "column"), table, a.Metadata.Column, "json", "jsonb")
	}
}

// isKey: rows that one id does not tell apart are told as one.
func (f *fitting) isKey(place []any, table, name string) {
	if c, ok := f.columns.column(table, name); ok && !c.key {
		f.add(Wrong, "id_not_unique", place, table, "name the column of the primary key, or give it a unique index",
			"%s.%s does not tell rows apart: no primary key or unique index is of it alone", table, name)
	}
}

// isOf: a value of another type is none.
func (f *fitting) isOf(place []any, table, name string, types ...string) {
	if c, ok := f.columns.column(table, name); ok && !slices.Contains(types, c.base) {
		f.add(Wrong, "type_unfit", place, table, "name a column of type "+strings.Join(types, " or "), "%s.%s is %s", table, name, c.typ)
	}
}

// areRoles: a role that no membership can have sees nothing, and nobody is told.
func (f *fitting) areRoles(place []any, table string, roles []string) {
	m := f.rules.Membership
	c, ok := f.columns.column(qualify(f.rules, m.Table), m.Role)
	if !ok || c.labels == nil {
		return
	}
	for i, role := range roles {
		if !slices.Contains(c.labels, role) {
			f.add(Wrong, "role_unknown", append(slices.Clone(place), i), table, "write one of "+some(c.labels),
				"no member can have the role %s: %s has no such label", role, c.typ)
		}
	}
}

// alike: keys are compared as PostgreSQL prints them, byte for byte.
func (f *fitting) alike(place []any, table, name, parent, id string) {
	child, ok := f.columns.column(table, name)
	key, ok2 := f.columns.column(parent, id)
	if !ok || !ok2 || family(child.base) == family(key.base) {
		return
	}
	f.add(Wrong, "key_types_differ", place, table, "name the column that the foreign key is of",
		"%s.%s is %s, and %s.%s, which it is compared with as text, is %s", table, name, child.typ, parent, id, key.typ)
}

// family is the types whose equal values are printed alike.
func family(base string) string {
	switch base {
	case "int2", "int4", "int8":
		return "integer"
	case "text", "varchar", "uuid", "name", "citext":
		return "text" // a uuid in a text column is printed as it was written
	}
	return base
}

// some are the first of a list.
func some(list []string) string {
	const most = 12
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

// At is the file's name with the problem's line, as compilers print it.
func (p *Problem) At(file string) string {
	if p.Line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, p.Line)
}
