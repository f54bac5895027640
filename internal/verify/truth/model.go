package truth

import (
	"slices"
	"strings"

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
	slices.SortFunc(rows, func(a, b Membership) int { return strings.Compare(a.ID, b.ID) })
	for _, r := range rows {
		m.join(verify.Place{}, r)
	}
	return m
}

// transaction is what is known of the one at hand.
type transaction struct {
	verify.Transaction
	ordinal  uint64
	parents  map[key]*parent   // that it writes
	refetch  map[string]bool   // organizations to which it certainly says so
	emptied  bool              // it truncates a table of parents
	gone     map[key]bool      // parents that are deleted, at this place
	deleted  map[key]bool      // parents that were deleted before this place, and perhaps made again
	written  map[key]written   // the rows that it wrote, each at its place
	belonged map[belonging]int // of the memberships that it changes: as they were before it
	actor    string            // "" if none was named, or the last message names none
	facts    []verify.Fact
}

type key struct{ table, id string }

// Commit takes a transaction and says what is to be heard of it, in order.
func (m *Model) Commit(t verify.Transaction) []verify.Fact {
	m.tx = &transaction{
		Transaction: t, parents: map[key]*parent{}, refetch: map[string]bool{}, gone: map[key]bool{}, deleted: map[key]bool{},
		written: map[key]written{}, belonged: map[belonging]int{},
	}
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
		is = m.owner(t, whole(c))
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
