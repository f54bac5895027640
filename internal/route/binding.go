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
	kindPart                     // property.update of the property it is a part of
	kindSync                     // data.sync
	kindActivity                 // user.activity
	kindMembership               // member.join, member.leave
	kindOrganization             // organization.change, names
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
	part     tablePath // of a part: its property
	archive  []Archived
	activity *activity
	notify   *NotifyRule

	// rows is the index of a table that is some table's parent; nil otherwise.
	// Rows that the transaction at hand deleted stay until its end.
	rows    *parentIndex
	deleted map[string]struct{}
	// final holds what the transaction at hand makes of rows after the first
	// row that could need them: see [Router.Scan]. If lost, one of these could
	// not be read, and nobody knows which.
	final map[string]tenant
	lost  bool
	// scanned holds what it first makes of those that it makes another's once more.
	scanned map[string]tenant
	// midway: it is truncated behind the first row that could need it, so that a
	// row that comes may be one that is gone again: what hangs on it is withheld,
	// and everybody refetches.
	midway bool
	// asked: the transaction at hand has rows that hang on its rows.
	asked bool
	// first holds what the transaction at hand found of rows that it has made
	// another tenant's since, and emptied all that it found in a table that it
	// truncated.
	first   map[string]tenant
	emptied *parentIndex
	// orphans: it was truncated without all that hangs on it.
	orphans bool
	touched bool // it is in Router.touched
	// late: a part was told after its property's delete (it comes again later in
	// the transaction), so that the delete does not stand for its parts' any more.
	late bool
}

// maxReused bounds the maps that are cleared and used again: clearing one costs
// what its largest transaction had, each time.
const maxReused = 1024

func cleared[K comparable, V any](m map[K]V) map[K]V {
	if len(m) > maxReused {
		return map[K]V{}
	}
	clear(m)
	return m
}

// settle ends a transaction: what it deleted is forgotten.
func (t *table) settle() {
	for key := range t.deleted {
		t.rows.remove(key)
	}
	t.deleted, t.final, t.first, t.scanned = cleared(t.deleted), cleared(t.final), cleared(t.first), cleared(t.scanned)
	t.emptied, t.orphans, t.lost, t.midway, t.asked, t.touched, t.late = nil, false, false, false, false, false, false
}

// arrival is what the transaction at hand first makes of a row that comes later.
func (t *table) arrival(key []byte) (tenant, bool) {
	if first, ok := t.scanned[string(key)]; ok {
		return first, true
	}
	last, ok := t.final[string(key)]
	return last, ok
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
	// dropped are the names on the wire, quoted, of those that the table no longer
	// has.
	dropped []string
	// role, user, organization, title and expires are the positions of the
	// membership's, organizations' and sessions' columns; user and title those of a
	// notification too.
	role, user, organization, title, expires int
	// part is the position of a part's property.
	part    int
	archive []boundArchive
	// action, resourceType, resourceID and metadata are those of an activity.
	action, resourceType, resourceID, metadata int
	// changes are the columns of an organization.change, by its changeType.
	changes [changeTypes][]boundColumn
	// missing is a column without which no row can be sent.
	missing string
}

type boundPath struct {
	column int
	parent *table
}

type boundColumn struct {
	position int
	// name is the name on the wire, quoted.
	name string
	// isNew leads its new value in a create, behind the end of the one before.
	isNew lead
	// field is what it is called in updatedFields, quoted.
	field  string
	encode encoder
	// null is what a null is.
	null string
}

// lead is a short text that is appended over and over: a copy of a fixed size is
// two moves, where append is a call.
type lead struct {
	text  string
	block [32]byte
}

func newLead(text string) (l lead) {
	l.text = text
	copy(l.block[:], text)
	return l
}

func (l *lead) append(dst []byte) []byte {
	n := len(dst)
	if len(l.text) > len(l.block) || cap(dst)-n < len(l.block) {
		return append(dst, l.text...)
	}
	*(*[len(l.block)]byte)(dst[n : n+len(l.block)]) = l.block
	return dst[:n+len(l.text)]
}

// boundArchive is one way to tell that an update archives a row.
type boundArchive struct {
	position int
	value    string
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
	column := func(c ColumnRule, prefix string) (bound boundColumn, ok bool) {
		i := at(c.Column, false)
		if i < 0 {
			return bound, false
		}
		as := cmp.Or(c.As, c.Column)
		name := string(sse.AppendString(nil, as))
		oid := rel.Columns[i].TypeOID
		return boundColumn{i, name, newLead(`},` + name + `:{"new":`), string(sse.AppendString(nil, prefix+as)), r.types.encoderOf(oid), r.types.nullOf(oid)}, true
	}
	prefix := ""
	switch t.kind {
	case kindMembership:
		m := r.rules.Membership
		b.user, b.organization, b.role = at(m.User, true), at(m.Organization, true), at(m.Role, true)
	case kindSession:
		b.user, b.expires = at(r.rules.Sessions.User, true), at(r.rules.Sessions.Expires, true)
	case kindOrganization:
		o := r.rules.Organizations
		b.title = at(o.Name, true)
		for _, c := range o.Columns {
			if bound, ok := column(c, ""); ok && c.Column == o.Name {
				b.changes[changeName] = append(b.changes[changeName], bound)
			} else if ok {
				b.changes[changeSettings] = append(b.changes[changeSettings], bound)
			}
		}
		for _, c := range o.Billing.Columns {
			if bound, ok := column(c, ""); ok {
				b.changes[changeBilling] = append(b.changes[changeBilling], bound)
			}
		}
	case kindPart:
		b.part, prefix = at(t.part.column, true), bareName(t.name)+"."
	case kindActivity:
		a := t.activity
		b.user, b.action, b.resourceType, b.resourceID = at(a.rule.User, true), at(a.rule.Action, true), at(a.rule.ResourceType, true), at(a.rule.ResourceID, true)
		b.metadata = at(a.rule.Metadata.Column, false)
	}
	for _, c := range t.columns {
		if bound, ok := column(c, prefix); ok {
			b.columns = append(b.columns, bound)
		} else {
			b.dropped = append(b.dropped, string(sse.AppendString(nil, cmp.Or(c.As, c.Column))))
		}
	}
	for _, a := range t.archive {
		if i := at(a.Column, false); i >= 0 {
			b.archive = append(b.archive, boundArchive{i, a.Value})
		}
	}
	if t.notify != nil {
		b.user, b.title = at(t.notify.User, false), at(t.notify.Title, false)
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
