package route

import (
	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/plant"
	"github.com/oikion/orgcast/internal/publish"
)

// Members tells who belongs to an organization, as of the transaction before
// the one at hand.
type Members interface {
	Membership(orgcast.UserID, orgcast.OrganizationID) (orgcast.Membership, bool)
}

// Router turns changes into events. It is used by one goroutine.
type Router struct {
	rules   *Rules
	members Members
	types   Types
	hooks   Hooks

	tables   map[string]*table // by schema.table
	bindings map[*orgcast.Relation]*binding
	interned map[string]orgcast.OrganizationID
	owners   *owners                // of all parents
	last     orgcast.OrganizationID // that was interned
	// organizations are those that exist, as of this place.
	organizations map[orgcast.OrganizationID]struct{}
	policy        publish.SQLPolicy
	// secret opens sealed messages; nil: none is ours.
	secret   *publish.Secret
	receipts Receipts
	// said are the batches that the transaction at hand brought.
	said map[[16]byte]*publish.Receipt

	lastRelation *orgcast.Relation
	lastBinding  *binding

	// of the transaction at hand
	tx      orgcast.Transaction
	epoch   orgcast.Epoch
	millis  int64
	actor   orgcast.UserID
	touched []*table // that are to be settled
	// scanned: some parent may be another's at the commit, so that a new version
	// must be resolved at both places.
	scanned bool
	// rewritten: some parent is no longer what the transaction found, so that an
	// old row's version must be resolved at both places.
	rewritten bool
	// emptied: some parent table is truncated; owed: behind that it can't be said whose
	// some row was or is, and everybody is to be told at the end to refetch.
	emptied, owed bool
	ordinal       uint64 // of the change at hand
	// told holds what the transaction at hand told of rows since then: whose the
	// version is that it made.
	told map[toldRow]orgcast.OrganizationID

	// joined tells of those whose membership the transaction at hand changed
	// whether they are members; everybodyLeft is a truncated table before that.
	joined        map[member]bool
	left          map[member]bool // of them, those who were members before and left
	everybodyLeft bool
	// membershipOID is the table of members: see [Router.SetMembership].
	membershipOID uint32

	head    head
	changed []int32 // scratch: positions in binding.columns
	scratch []byte
}

// New returns a router with an empty parent index.
func New(rules *Rules, members Members, hooks Hooks) *Router {
	r := &Router{
		rules: rules, members: members, hooks: hooks,
		tables:   map[string]*table{},
		bindings: map[*orgcast.Relation]*binding{},
		interned: map[string]orgcast.OrganizationID{},
		owners:   &owners{},
		told:     map[toldRow]orgcast.OrganizationID{},
		joined:   map[member]bool{},
		left:     map[member]bool{},
		said:     map[[16]byte]*publish.Receipt{},

		organizations: map[orgcast.OrganizationID]struct{}{},
	}
	r.policy = publish.SQLPolicy{Types: rules.Publish.SQL.types(), Exists: func(id orgcast.OrganizationID) bool {
		_, ok := r.organizations[id]
		return ok
	}}
	add := func(t *table) *table { r.tables[t.name] = t; return t }
	add(&table{name: rules.qualify(rules.Membership.Table), kind: kindMembership, id: rules.Membership.ID})
	add(&table{name: rules.qualify(rules.Organizations.Table), kind: kindOrganization, id: rules.Organizations.ID})
	if s := rules.Sessions; s != nil {
		add(&table{name: rules.qualify(s.Table), kind: kindSession, id: s.Token})
	}
	for name, rule := range rules.Tables {
		t := add(&table{
			name: rules.qualify(name), entity: rule.Entity, id: rule.ID, created: rule.CreatedBy, columns: rule.Columns,
			audience: orgcast.Audience{Roles: rule.Roles}, archive: rule.Archive, notify: rule.Notify,
		})
		switch rule.Event {
		case orgcast.PropertyUpdate.String():
			t.kind = kindProperty
			if rule.Part != "" {
				t.kind = kindPart
			}
		case orgcast.UserActivity.String():
			t.kind, t.activity = kindActivity, newActivity(rule.Activity)
		case orgcast.DataSync.String():
			t.kind = kindSync
		}
	}
	for name, rule := range rules.Tables {
		t := r.tables[rules.qualify(name)]
		for _, p := range rule.Tenant {
			path := tablePath{column: p.Column}
			if p.Table != "" {
				path.parent = r.tables[rules.qualify(p.Table)]
				if path.parent.rows == nil {
					path.parent.rows = newParentIndex(r.owners)
					path.parent.deleted = map[string]struct{}{}
					path.parent.final = map[string]tenant{}
					path.parent.first = map[string]tenant{}
					path.parent.scanned = map[string]tenant{}
				}
			}
			t.tenant = append(t.tenant, path)
			if t.kind == kindPart && p.Column == rule.Part && p.Table != "" {
				t.part = path
			}
		}
	}
	return r
}

// SetTypes says what the types are that are not built in. Tables described
// before keep what they had.
func (r *Router) SetTypes(types Types) { r.types = types }

// firstType is the least OID of a type that is not built in.
const firstType = 16384

// Knows tells whether all types of a table that is sent are known.
func (r *Router) Knows(rel *orgcast.Relation) bool {
	if r.tables[rel.Schema+"."+rel.Name] == nil {
		return true
	}
	for i := range rel.Columns {
		oid := rel.Columns[i].TypeOID
		if _, ok := r.types[oid]; oid >= firstType && !ok {
			return false
		}
	}
	return true
}

// Class tells what a relation is to others: see [Router.Scan].
type Class uint8

// The classes, as bits.
const (
	// ClassParent is a table that says whose other tables' rows are.
	ClassParent Class = 1 << iota
	// ClassChild is a table whose rows ask a parent.
	ClassChild
)

// Class tells what rel is to others.
func (r *Router) Class(rel *orgcast.Relation) (c Class) {
	t := r.tables[rel.Schema+"."+rel.Name]
	if t == nil {
		return 0
	}
	if t.rows != nil {
		c |= ClassParent
	}
	for _, p := range t.tenant {
		if p.parent != nil {
			c |= ClassChild
		}
	}
	return c
}

// Begin starts a transaction.
func (r *Router) Begin(tx orgcast.Transaction, epoch orgcast.Epoch) {
	r.tx, r.epoch, r.millis, r.actor = tx, epoch, tx.CommitTime.UnixMilli(), ""
	r.head.made = false
	r.joined, r.left, r.everybodyLeft = cleared(r.joined), cleared(r.left), false
	clear(r.said)
}

// Scan looks at a change of a parent table before the transaction is routed. It
// is needed for a transaction in which a row of a child table comes before a
// new or updated row of a parent table, or before a TRUNCATE, and is then to be
// given every such change that follows.
func (r *Router) Scan(c *orgcast.Change) {
	switch c.Operation {
	case orgcast.Insert, orgcast.Update:
	case orgcast.Truncate:
		for _, rel := range c.Truncated {
			if t := r.tables[rel.Schema+"."+rel.Name]; t != nil && t.rows != nil {
				r.touch(t)
				t.midway = true
			}
		}
		return
	default:
		return
	}
	b := r.binding(c.Relation)
	if b == nil || b.rows == nil {
		return
	}
	r.touch(b.table)
	r.scanned = true
	switch {
	case b.id < 0:
		b.lost = true
	case c.New[b.id].Kind == orgcast.Text:
		key := string(c.New[b.id].Text)
		if before, again := b.final[key]; again {
			if _, ok := b.scanned[key]; !ok && !r.says(before, b.tenant, c.New) {
				b.scanned[key] = before
			}
		}
		b.final[key] = r.tenantOf(b.tenant, c.New)
	case c.New[b.id].Kind != orgcast.Null:
		b.lost = true
	}
}

// Route appends to out what becomes of one change: events, and changes of what
// is known. Nothing of it aliases the change.
func (r *Router) Route(c *orgcast.Change, out *Output) {
	if c.Operation == orgcast.Message && c.Prefix == publish.PrefixSealed {
		r.payRefetch(out) // it may have an event at the last sub-index itself
	}
	r.ordinal = c.Ordinal
	switch c.Operation {
	case orgcast.Truncate:
		r.truncate(c, out)
		return
	case orgcast.Message:
		r.message(c, out)
		return
	}
	b := r.binding(c.Relation)
	if b == nil {
		return
	}
	if b.missing != "" {
		r.unreadable(b, c, out)
		r.withhold(b.table, ReasonColumnMissing)
		return
	}
	switch b.kind {
	case kindMembership:
		r.membership(b, c, out)
	case kindOrganization:
		r.organization(b, c, out)
	case kindSession:
		r.session(b, c, out)
	default:
		r.row(b, c, out)
	}
}

// Commit ends the transaction: what it deleted is forgotten. Who has to refetch
// because of all of it is told behind its last change.
func (r *Router) Commit(out *Output) {
	r.payRefetch(out)
	for _, t := range r.touched {
		t.settle()
	}
	if plant.ParentLate {
		plantedIndex()
	}
	r.touched, r.scanned = r.touched[:0], false
	r.emptied, r.owed = false, false
	if r.rewritten {
		r.rewritten, r.told = false, map[toldRow]orgcast.OrganizationID{}
	}
}

func (r *Router) touch(t *table) {
	if !t.touched {
		t.touched = true
		r.touched = append(r.touched, t)
	}
}

// unreadable takes a row of a table that lacks a column that its rule needs, for
// what hangs on it: nothing that it was known for can be trusted any more.
func (r *Router) unreadable(b *binding, c *orgcast.Change, out *Output) {
	switch {
	case b.kind == kindMembership:
		r.distrust(b, c, out)
	case b.kind == kindSession:
		r.distrustSessions(b, c, out)
	case b.rows == nil:
	case b.id >= 0:
		r.index(b, c, out)
	default:
		r.empty(b.table, out)
	}
}

func (r *Router) withhold(t *table, reason Reason) {
	if r.hooks.Withheld != nil {
		r.hooks.Withheld(t.name, reason)
	}
}
