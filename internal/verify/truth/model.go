package truth

import (
	"slices"

	"github.com/oikion/orgcast/internal/verify"
)

// Snapshot is what was there when the truth began.
type Snapshot struct {
	LSN         uint64 // all that was committed up to here is in it, and nothing else
	Memberships []Membership
	// Parents are the rows on which others hang: of the tables properties and
	// clients, by id, the organization of each.
	Parents       map[string]map[string]string
	Organizations map[string]string // their names
}

// Membership is a row of organization_members.
type Membership struct{ ID, User, Organization, Role string }

// Model knows what is to be told of each transaction. It is fed with all of them,
// in commit order, and is not safe for concurrent use.
type Model struct {
	parents       map[string]map[string]string
	organizations map[string]string
	members       []verify.Member
	present       map[string]int    // of members, by the row's id
	belongs       map[belonging]int // how many rows say so
	tx            *transaction      // the one at hand
}

type belonging struct{ user, organization string }

// New begins where a snapshot was taken.
func New(start Snapshot) *Model {
	m := &Model{
		parents:       map[string]map[string]string{"properties": {}, "clients": {}},
		organizations: map[string]string{},
		present:       map[string]int{}, belongs: map[belonging]int{},
	}
	for table, known := range m.parents {
		for id, organization := range start.Parents[table] {
			known[id] = organization
		}
	}
	for id, name := range start.Organizations {
		m.organizations[id] = name
	}
	rows := slices.Clone(start.Memberships)
	slices.SortFunc(rows, func(a, b Membership) int { return compare(a.ID, b.ID) })
	for _, r := range rows {
		m.join(verify.Place{}, r)
	}
	return m
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// transaction is what is known of the one at hand.
type transaction struct {
	verify.Transaction
	ordinal  uint64
	before   map[key]string    // of the parents that it writes: whose they were before it
	final    map[key]string    // and whose they are as it leaves them
	gone     map[key]bool      // parents that are deleted, at this place
	written  map[key]owner     // whose the rows are that it wrote, each at its place
	belonged map[belonging]int // of the memberships that it changes: as they were before it
	actor    string            // "" if none was named, or the last message names none
	facts    []verify.Fact
}

type key struct{ table, id string }

// Commit takes a transaction and says what is to be heard of it, in order.
func (m *Model) Commit(t verify.Transaction) []verify.Fact {
	m.tx = &transaction{Transaction: t, before: map[key]string{}, final: map[key]string{}, gone: map[key]bool{}, written: map[key]owner{}, belonged: map[belonging]int{}}
	m.foresee()
	for i, c := range t.Changes {
		m.tx.ordinal = uint64(i)
		switch c.Kind {
		case verify.Message:
			m.message(c.Prefix, c.Content)
		case verify.Truncate:
			m.truncate(append([]string{c.Table}, c.Also...))
		default:
			m.row(c)
		}
	}
	// What it deleted was known to its end.
	for k, gone := range m.tx.gone {
		if gone {
			delete(m.parents[k.table], k.id)
		}
	}
	return m.tx.facts
}

// foresee finds out whose the parents are that the transaction writes: before
// it, and as it leaves them.
func (m *Model) foresee() {
	for _, c := range m.tx.Changes {
		if m.parents[c.Table] == nil || c.New == nil {
			continue
		}
		n := whole(c)
		k := key{c.Table, get(n, "id")}
		if o, ok := m.parents[k.table][k.id]; ok {
			m.tx.before[k] = o
		}
		m.tx.final[k] = get(n, "organizationId")
	}
}

// whole is a change's new row, with what its old one knows of what the WAL did
// not send again.
func whole(c verify.Change) verify.Row {
	if c.Old == nil || c.New == nil {
		return c.New
	}
	r := c.New
	for column, v := range c.Old {
		if _, ok := c.New[column]; ok {
			continue
		}
		if len(r) == len(c.New) { // not a copy yet
			r = make(verify.Row, len(c.New)+1)
			for column, v := range c.New {
				r[column] = v
			}
		}
		r[column] = v
	}
	return r
}

// row is one INSERT, UPDATE or DELETE.
func (m *Model) row(c verify.Change) {
	switch c.Table {
	case "organizations":
		m.organization(c)
		return
	case "organization_members":
		m.member(c)
		return
	}
	t := tables[c.Table]
	if t == nil {
		return
	}
	var was, is owner
	if c.Old != nil {
		was = m.version(t, c.Old)
	}
	var former []string
	if t.parent {
		former = m.former(t, c)
		m.keep(t, c)
	}
	if c.New != nil {
		is = m.after(t, whole(c))
	}
	m.tell(t, c, was, is)
	if t.parent {
		m.moved(former, is.organization, c.Kind == verify.Update && !full(t, c.Old))
	}
}

// full says whether an old row is there, and more of it than its key.
func full(t *table, old verify.Row) bool {
	_, ok := old[t.paths[0].column]
	return ok
}

// former are the other organizations from which a parent comes, and has what
// hangs on it with it: the row itself moves, or it takes a key that was another's.
func (m *Model) former(t *table, c verify.Change) (all []string) {
	if c.New == nil {
		return nil
	}
	n := whole(c)
	now := get(n, "organizationId")
	add := func(o string) {
		if o != "" && o != now && !slices.Contains(all, o) {
			all = append(all, o)
		}
	}
	if c.Kind == verify.Update {
		add(get(c.Old, "organizationId"))
	}
	add(m.parents[t.name][get(n, "id")])
	return all
}

// moved tells all that a move concerns to refetch.
func (m *Model) moved(former []string, now string, blind bool) {
	if now == "" || len(former) == 0 && !blind {
		return
	}
	for _, o := range append(former, now) {
		f := m.say(o, "reset", fromRows, "")
		if blind {
			f.May, f.Why = true, "without its old row nobody knows whose a parent was, nor what hangs on it"
		}
	}
}

// keep keeps the index of parents.
func (m *Model) keep(t *table, c verify.Change) {
	if c.Old != nil {
		m.tx.gone[key{t.name, get(c.Old, "id")}] = true
	}
	if c.New != nil {
		n := whole(c)
		id := get(n, "id")
		m.tx.gone[key{t.name, id}] = false
		m.parents[t.name][id] = get(n, "organizationId")
	}
}

// owner is whose a row is.
type owner struct {
	organization string // "": nobody's, or nobody knows
	none         bool   // because every path is null
	split        bool   // a moving parent makes it another's in the same transaction
}

// nobodys says that a row is to be withheld: its paths disagree, or one of them
// leads nowhere.
func (o owner) nobodys() bool { return o.organization == "" && !o.none }

// here looks a parent up at this place; before as the transaction found it; atEnd
// as it leaves it.
func (m *Model) here(table, id string) (string, bool) {
	o, ok := m.parents[table][id]
	return o, ok
}

func (m *Model) before(table, id string) (string, bool) {
	if o, ok := m.tx.before[key{table, id}]; ok {
		return o, true
	}
	return m.here(table, id)
}

func (m *Model) atEnd(table, id string) (string, bool) {
	if o, ok := m.tx.final[key{table, id}]; ok {
		return o, true
	}
	return m.here(table, id)
}

// owner follows a row's paths.
func (m *Model) owner(t *table, r verify.Row, look func(table, id string) (string, bool)) owner {
	found := owner{none: true}
	for _, p := range t.paths {
		v, there := r[p.column]
		if !there {
			return owner{} // the WAL does not say
		}
		if v == nil {
			continue
		}
		o := *v
		if p.parent != "" {
			if o, there = look(p.parent, o); !there {
				return owner{}
			}
		}
		if o == "" || o == everyone || len(o) > longest || !found.none && o != found.organization {
			return owner{}
		}
		found = owner{organization: o}
	}
	return found
}

const (
	everyone = "*"
	longest  = 255 // bytes of an organization's id
)

// version is whose an old row is: that of the place where it was written. If its
// parent has moved since in the transaction, it is split.
func (m *Model) version(t *table, r verify.Row) owner {
	if !full(t, r) {
		return owner{}
	}
	o, ok := m.tx.written[key{t.name, get(r, "id")}]
	if !ok {
		o = m.owner(t, r, m.before)
	}
	now := m.owner(t, r, m.here)
	return owner{organization: o.organization, none: o.none, split: o.organization != now.organization}
}

// after is whose a new row is: at its place, and at the commit. If it is another's
// there, it is withheld. One that is nobody's yet, because a parent only comes, or
// moves, later, is whose it is at the commit.
func (m *Model) after(t *table, r verify.Row) owner {
	o, end := m.owner(t, r, m.here), m.owner(t, r, m.atEnd)
	if o.nobodys() {
		o = end
	}
	o.split = o != end
	m.tx.written[key{t.name, get(r, "id")}] = o
	return o
}

// say adds a fact of the change at hand.
func (m *Model) say(organization, typ, source, payload string) *verify.Fact {
	m.tx.facts = append(m.tx.facts, verify.Fact{
		LSN: m.tx.LSN, Ordinal: m.tx.ordinal, Organization: organization,
		Type: typ, Channel: channelOf[typ], Source: source, Millis: m.tx.Committed.UnixMilli(), Payload: payload,
	})
	return &m.tx.facts[len(m.tx.facts)-1]
}

const (
	fromRows = "postgres"
	fromApp  = "app"
)
