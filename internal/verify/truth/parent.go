package truth

import (
	"slices"

	"github.com/oikion/orgcast/internal/verify"
)

// parent is what a transaction makes of a row on which others hang.
type parent struct {
	// owners are whose it was and becomes, in order, each once. More than one: it
	// moves, and all of them refetch, with what hangs on it.
	owners []string
	before bool   // the first is from before the transaction
	final  string // whose it is when it is written last
	gone   bool   // and then it is deleted
	blind  bool   // an old row was not there: that all refetch is not sure
}

func (p *parent) moves() bool { return p != nil && len(p.owners) > 1 }

// foresee finds out what becomes of the parents that the transaction writes.
func (m *Model) foresee() {
	for _, c := range m.tx.Changes {
		if c.Kind == verify.Truncate {
			for _, n := range append([]string{c.Table}, c.Also...) {
				if m.parents[n] == nil {
					continue
				}
				m.tx.emptied = true
				for k, p := range m.tx.parents {
					p.gone = p.gone || k.table == n
				}
			}
			continue
		}
		if m.parents[c.Table] == nil {
			continue
		}
		if p := m.tx.parents[key{c.Table, get(c.Old, "id")}]; p != nil {
			p.gone = true
		}
		if c.New == nil {
			continue
		}
		n := whole(c)
		k := key{c.Table, get(n, "id")}
		p := m.tx.parents[k]
		if p == nil {
			p = &parent{}
			m.tx.parents[k] = p
			if o, ok := m.parents[k.table][k.id]; ok {
				p.owners, p.before = append(p.owners, o), true
			}
		}
		p.gone, p.final = false, get(n, "organizationId")
		p.blind = p.blind || c.Kind == verify.Update && !full(tables[c.Table], c.Old)
		if !slices.Contains(p.owners, p.final) {
			p.owners = append(p.owners, p.final)
		}
	}
	for _, p := range m.tx.parents {
		if p.moves() && !p.blind {
			for _, o := range p.owners {
				m.tx.refetch[o] = true
			}
		}
	}
}

// covered says whether an organization is told to refetch everything, somewhere in
// the transaction, because a parent moves: then it need not hear of what hangs on
// the parent. Of what is truncated everybody is told.
func (m *Model) covered(organization string) bool {
	return m.tx.emptied || m.tx.refetch[organization]
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
		k := key{t.name, get(c.Old, "id")}
		m.tx.gone[k], m.tx.deleted[k] = true, true
	}
	if c.New != nil {
		n := whole(c)
		id := get(n, "id")
		m.tx.gone[key{t.name, id}] = false
		m.parents[t.name][id] = get(n, "organizationId")
	}
}
