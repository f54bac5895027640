package route

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/oikion/orgcast"
)

// Table is one table that the rules name, for those who set up the database and
// read the snapshot.
type Table struct {
	Schema, Name string
	// Columns are those that the rules name, the primary key first.
	Columns []string
	// Read is a table that is read at the snapshot: its rows tell whose others
	// are, who belongs where, or which sessions there are.
	Read bool
	// Membership is the table of memberships.
	Membership bool
	// TenantOnly says that row-level security may be on: the tenant is all that
	// its policies know.
	TenantOnly bool
}

// String is the table's qualified name.
func (t Table) String() string { return t.Schema + "." + t.Name }

// All lists every table that the rules name, in the order of their names.
func (r *Rules) All() []Table {
	parents := map[string]bool{}
	for _, t := range r.Tables {
		for _, p := range t.Tenant {
			if p.Table != "" {
				parents[r.qualify(p.Table)] = true
			}
		}
	}
	split := func(name string) (schema, table string) {
		schema, table, _ = strings.Cut(r.qualify(name), ".")
		return schema, table
	}
	var all []Table
	add := func(t Table, name string, columns ...string) {
		t.Schema, t.Name = split(name)
		for _, c := range columns {
			if c != "" && !slices.Contains(t.Columns, c) {
				t.Columns = append(t.Columns, c)
			}
		}
		all = append(all, t)
	}
	o, m := r.Organizations, r.Membership
	organization := []string{o.ID, o.Name}
	for _, c := range slices.Concat(o.Columns, o.Billing.Columns) {
		organization = append(organization, c.Column)
	}
	add(Table{Read: true, TenantOnly: o.RLS == tenantOnly}, o.Table, organization...)
	add(Table{Read: true, Membership: true, TenantOnly: m.RLS == tenantOnly}, m.Table, m.ID, m.User, m.Organization, m.Role)
	if s := r.Sessions; s != nil {
		add(Table{Read: true}, s.Table, s.Token, s.User, s.Expires)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Tables)) {
		t := r.Tables[name]
		columns := []string{t.ID}
		for _, p := range t.Tenant {
			columns = append(columns, p.Column)
		}
		columns = append(columns, t.CreatedBy)
		for _, c := range t.Columns {
			columns = append(columns, c.Column)
		}
		if a := t.Activity; a != nil {
			columns = append(columns, a.User, a.Action, a.ResourceType, a.ResourceID, a.Metadata.Column)
		}
		add(Table{Read: parents[r.qualify(name)], TenantOnly: t.RLS == tenantOnly}, name, columns...)
	}
	slices.SortFunc(all, func(a, b Table) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// snapshotColumns are the columns that are read of a table at the snapshot.
func (r *Rules) snapshotColumns(t Table) []string {
	switch t.String() {
	case r.qualify(r.Organizations.Table):
		return []string{r.Organizations.ID, r.Organizations.Name}
	case r.qualify(r.Membership.Table):
		m := r.Membership
		return []string{m.ID, m.User, m.Organization, m.Role}
	}
	if s := r.Sessions; s != nil && t.String() == r.qualify(s.Table) {
		return []string{s.Token, s.User, s.Expires}
	}
	rule := r.table(t.String())
	columns := []string{rule.ID}
	for _, p := range rule.Tenant {
		columns = append(columns, p.Column)
	}
	return columns
}

// Snapshot is a table that is copied from the slot's snapshot.
type Snapshot struct {
	Table   Table
	Columns []string
	table   *table
	router  *Router
}

// Snapshots lists the tables to copy.
func (r *Router) Snapshots() []Snapshot {
	var list []Snapshot
	for _, t := range r.rules.All() {
		if t.Read {
			list = append(list, Snapshot{t, r.rules.snapshotColumns(t), r.tables[t.String()], r})
		}
	}
	return list
}

// State turns one row of the snapshot, its Columns in PostgreSQL's text form and
// nil for a null, into what is known of it. Whoever copies hands it to the log,
// from which router and access load it like at any other start.
func (s *Snapshot) State(row [][]byte) (orgcast.StateChange, error) {
	if len(row) != len(s.Columns) || row[0] == nil {
		return orgcast.StateChange{}, fmt.Errorf("read snapshot of %s: a row without key", s.Table)
	}
	switch s.table.kind {
	case kindOrganization:
		return orgcast.StateChange{Space: orgcast.SpaceOrganizations, Key: row[0], Value: append([]byte{}, row[1]...)}, nil
	case kindSession:
		id := orgcast.NameSession(row[0])
		session, reason := session(row[0], row[1], row[2])
		if reason != "" {
			return orgcast.StateChange{Space: orgcast.SpaceSessions, Key: id[:]}, nil // it makes no session
		}
		return orgcast.StateChange{Space: orgcast.SpaceSessions, Key: id[:], Value: session.Append(nil)}, nil
	case kindMembership:
		m, reason := newMember(row[0], row[1], row[2], row[3])
		if reason != "" {
			return orgcast.StateChange{Space: orgcast.SpaceMembers, Key: row[0]}, nil // it makes nobody a member
		}
		return orgcast.StateChange{Space: orgcast.SpaceMembers, Key: row[0], Value: m.Append(nil)}, nil
	}
	values := make([]orgcast.Value, len(row))
	paths := make([]boundPath, len(s.table.tenant))
	for i, text := range row {
		values[i] = orgcast.Value{Kind: orgcast.Null}
		if text != nil {
			values[i] = orgcast.Value{Kind: orgcast.Text, Text: text}
		}
	}
	for i, p := range s.table.tenant {
		paths[i] = boundPath{column: i + 1, parent: p.parent} // behind the key
	}
	return orgcast.StateChange{
		Space: orgcast.SpaceParents,
		Key:   parentKey(nil, s.table, row[0]),
		Value: appendTenant([]byte{}, s.router.tenantOf(paths, values)),
	}, nil
}

// Forget empties the parent index, before it is loaded again.
func (r *Router) Forget() {
	for _, t := range r.tables {
		if t.rows != nil {
			t.rows.clear()
		}
		t.settle()
	}
	r.touched, r.scanned, r.rewritten = r.touched[:0], false, false
	r.emptied, r.owed = false, false
	*r.owners = owners{}
	clear(r.told)
	clear(r.organizations)
	clear(r.joined)
	clear(r.left)
	r.everybodyLeft = false
	clear(r.bindings)
	r.lastRelation, r.lastBinding = nil, nil
}

// Load takes one stored entry of [orgcast.SpaceParents] or
// [orgcast.SpaceOrganizations]. Other spaces are not the router's.
func (r *Router) Load(space orgcast.Space, key, value []byte) error {
	switch space {
	case orgcast.SpaceParents:
		return r.loadParent(key, value)
	case orgcast.SpaceOrganizations:
		r.organizations[orgcast.OrganizationID(key)] = struct{}{}
	}
	return nil
}
