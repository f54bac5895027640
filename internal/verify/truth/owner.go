package truth

import (
	"slices"

	"github.com/oikion/orgcast/internal/verify"
)

// owner is whose a row is as of the commit.
type owner struct {
	organization string // "": nobody's, or nobody knows
	none         bool   // because every path is null
	// moving: a parent of its moves in the transaction. Every organization that it
	// comes from or goes to refetches.
	moving bool
	// lost: a parent of its is deleted before it in the transaction, and doesn't come
	// again. Parents stay known to the transaction's end, and at the commit there is
	// none: the server may take either.
	lost bool
	// fresh: a parent of its was not there before the transaction.
	fresh bool
	// former are, of an old row that is moving, whose it was: before the transaction,
	// at its place, or as the transaction has written it.
	former []string
	// split, of an old row that is moving: somewhere in the transaction its paths
	// disagree. Then it may be withheld, and what it becomes with it.
	split bool
	// may, of an old row: the transaction has written it, and need not have told.
	may bool
	// orphan, of an old row: its parent is only made by the transaction, so that it was
	// nobody's before.
	orphan bool
}

// nobodys says that a row is to be withheld: its paths disagree, or one of them
// leads nowhere.
func (o owner) nobodys() bool { return o.organization == "" && !o.none && !o.moving }

// written is what the transaction made of a row.
type written struct {
	organization string
	may          bool // nobody need know of it
}

// owner follows a row's paths, to where they lead as of the commit.
func (m *Model) owner(t *table, r verify.Row) (o owner) {
	o.none = true
	for _, p := range t.paths {
		v, there := r[p.column]
		if !there {
			return owner{} // the WAL does not say
		}
		if v == nil {
			continue
		}
		o.none = false
		if p.parent != "" {
			k := key{p.parent, *v}
			w := m.tx.parents[k]
			o.moving = o.moving || w.moves()
			o.fresh = o.fresh || w != nil && !w.before
			o.lost = o.lost || m.tx.gone[k] && (w == nil || w.gone)
		}
	}
	o.organization = m.follow(t, r, m.atCommit)
	return o
}

// follow is the one organization to which all of a row's paths lead, "" if there
// is none.
func (m *Model) follow(t *table, r verify.Row, look func(key) (string, bool)) (found string) {
	for _, p := range t.paths {
		v := r[p.column]
		if v == nil {
			continue
		}
		o, known := *v, true
		if p.parent != "" {
			o, known = look(key{p.parent, *v})
		}
		if !known || o == "" || o == everyone || len(o) > longest || found != "" && o != found {
			return ""
		}
		found = o
	}
	return found
}

// atCommit, here and before look up whose a parent is: as the commit leaves it, if
// it leaves it; at this place; and before the transaction.
func (m *Model) atCommit(k key) (string, bool) {
	if p := m.tx.parents[k]; p != nil {
		return p.final, true
	}
	return m.here(k)
}

func (m *Model) here(k key) (string, bool) {
	o, ok := m.parents[k.table][k.id]
	return o, ok
}

func (m *Model) before(k key) (string, bool) {
	if p := m.tx.parents[k]; p != nil {
		return p.owners[0], p.before
	}
	return m.here(k)
}

// version is whose an old row is.
func (m *Model) version(t *table, r verify.Row) owner {
	if !full(t, r) {
		return owner{}
	}
	o := m.owner(t, r)
	w, made := m.tx.written[key{t.name, get(r, "id")}]
	o.may, o.orphan = w.may, o.fresh && !made
	if o.moving {
		before, here := m.follow(t, r, m.before), m.follow(t, r, m.here)
		o.split = before == "" || here == "" || o.organization == ""
		for _, was := range []string{before, here, o.organization, w.organization} {
			if was != "" && !slices.Contains(o.former, was) {
				o.former = append(o.former, was)
			}
		}
	}
	return o
}

const (
	everyone = "*"
	longest  = 255 // bytes of an organization's id
)
