package route

import (
	"cmp"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/sse"
)

// kind is what becomes of a table's rows.
type kind uint8

const (
	kindParent       kind = iota // only tells whose its children are
	kindProperty                 // property.update
	kindSync                     // data.sync
	kindMembership               // member.join, member.leave
	kindOrganization             // names
	kindSession                  // sessions
)

// table is one rule, ready for use.
type table struct {
	name     string // schema.table
	kind     kind
	entity   string
	id       string
	tenant   []tablePath
	columns  []ColumnRule
	created  string
	audience orgcast.Audience

	// rows is the index of a table that is some table's parent; nil otherwise.
	// Rows that the transaction at hand deleted stay until its end.
	rows    map[string]tenant
	deleted map[string]struct{}
	// final holds what the transaction at hand makes of rows after the first
	// row that could need them: see [Router.Scan]. If lost, one of these could
	// not be read, and nobody knows which.
	final map[string]tenant
	lost  bool
	// first holds what the transaction at hand found of rows that it has made
	// another tenant's since, and emptied all that it found in a table that it
	// truncated.
	first   map[string]tenant
	emptied map[string]tenant
	touched bool // it is in Router.touched
}

// maxReused bounds the maps that are cleared and used again: clearing one costs
// what its largest transaction had, each time.
const maxReused = 1024

func cleared[V any](m map[string]V) map[string]V {
	if len(m) > maxReused {
		return map[string]V{}
	}
	clear(m)
	return m
}

// settle ends a transaction: what it deleted is forgotten.
func (t *table) settle() {
	for key := range t.deleted {
		delete(t.rows, key)
	}
	t.deleted, t.final, t.first = cleared(t.deleted), cleared(t.final), cleared(t.first)
	t.emptied, t.lost, t.touched = nil, false, false
}

type tablePath struct {
	column string
	parent *table
}

// binding is a table's rule fitted to one version of the table: positions
// instead of names. It holds for the relation it was made for.
type binding struct {
	*table
	id      int // position of the primary key; -1: missing, and so on
	created int
	tenant  []boundPath
	columns []boundColumn
	// role, user, organization, title and expires are the positions of the
	// membership's, organizations' and sessions' columns.
	role, user, organization, title, expires int
	// missing is a column without which no row can be sent.
	missing string
}

type boundPath struct {
	column int
	parent *table
}

type boundColumn struct {
	position int
	// name is the name on the wire, quoted; isNew is what leads its new value in
	// a create, behind the end of the one before.
	name, isNew string
	encode      encoder
}

// bind fits the rule of rel's table to it; nil if no rule names the table.
func (r *Router) bind(rel *orgcast.Relation) *binding {
	t := r.tables[rel.Schema+"."+rel.Name]
	if t == nil {
		return nil
	}
	b := &binding{table: t}
	at := func(column string, needed bool) int {
		if column == "" {
			return -1
		}
		for i := range rel.Columns {
			if rel.Columns[i].Name == column {
				return i
			}
		}
		if r.hooks.ColumnMissing != nil {
			r.hooks.ColumnMissing(t.name, column)
		}
		if needed {
			b.missing = cmp.Or(b.missing, column)
		}
		return -1
	}
	b.id = at(t.id, true)
	b.created = at(t.created, false)
	for _, p := range t.tenant {
		b.tenant = append(b.tenant, boundPath{at(p.column, true), p.parent})
	}
	switch t.kind {
	case kindMembership:
		m := r.rules.Membership
		b.user, b.organization, b.role = at(m.User, true), at(m.Organization, true), at(m.Role, true)
	case kindSession:
		b.user, b.expires = at(r.rules.Sessions.User, true), at(r.rules.Sessions.Expires, true)
	case kindOrganization:
		b.title = at(r.rules.Organizations.Name, true)
	}
	for _, c := range t.columns {
		if i := at(c.Column, false); i >= 0 {
			name := string(sse.AppendString(nil, cmp.Or(c.As, c.Column)))
			b.columns = append(b.columns, boundColumn{i, name, `},` + name + `:{"new":`, r.types.encoderOf(rel.Columns[i].TypeOID)})
		}
	}
	return b
}

// maxBindings bounds the versions of tables that are kept; at the bound they
// are forgotten and made again.
const maxBindings = 4096

func (r *Router) binding(rel *orgcast.Relation) *binding {
	if rel == r.lastRelation {
		return r.lastBinding
	}
	b, ok := r.bindings[rel]
	if !ok {
		if len(r.bindings) >= maxBindings {
			clear(r.bindings)
		}
		b = r.bind(rel)
		r.bindings[rel] = b
	}
	r.lastRelation, r.lastBinding = rel, b
	return b
}
