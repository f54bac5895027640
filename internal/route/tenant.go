package route

import (
	"encoding/binary"
	"errors"

	"github.com/oikion/orgcast"
)

// tenant is what a row says of whose it is: its organization, or the parents
// that know. A row with several ways to its organization has several steps.
type tenant struct {
	// organization is set if the one step is a direct column: nearly always, so
	// that an index entry costs no allocation.
	organization orgcast.OrganizationID
	steps        []step
}

// step is one non-null tenant path of one row. The zero step is a path that
// can't be resolved: it must not be left out, or the other paths would decide.
type step struct {
	organization orgcast.OrganizationID
	parent       *table
	key          string
}

// maxDepth bounds a chain of parents. The rules have no cycle, so a chain is no
// longer than the rules' tables; this only holds against a mistake.
const maxDepth = 32

// when is which parents count.
type when uint8

const (
	// atStart counts the parents as the transaction found them; of those that it
	// made, what it first made of them.
	atStart when = iota
	// atPlace counts them at this place of the transaction, the deleted ones
	// included.
	atPlace
	// atArrival counts them at this place and, of those that are not known there,
	// what the transaction first makes of them.
	atArrival
	// atCommit counts those that the commit leaves, but for what is deleted after
	// this place.
	atCommit
)

// resolve follows a tenant to its one organization.
func (r *Router) resolve(t tenant, w when, depth int) (orgcast.OrganizationID, Reason) {
	if t.organization != "" {
		return t.organization, ""
	}
	if len(t.steps) == 0 {
		return "", ReasonTenantNull
	}
	if depth > maxDepth {
		return "", ReasonTenantUnknown
	}
	var found orgcast.OrganizationID
	for _, s := range t.steps {
		organization, reason := s.organization, Reason("")
		switch {
		case s.parent != nil:
			organization, reason = r.resolveParent(s.parent, []byte(s.key), w, depth+1)
		case organization == "":
			reason = ReasonTenantUnknown
		}
		if reason != "" {
			return "", reason
		}
		if found != "" && found != organization {
			return "", ReasonTenantsDisagree
		}
		found = organization
	}
	return found, ""
}

// resolveParent finds whose a row is that hangs on a parent's row.
func (r *Router) resolveParent(parent *table, key []byte, w when, depth int) (orgcast.OrganizationID, Reason) {
	if !parent.asked {
		parent.asked = true
		r.touch(parent)
	}
	return r.resolveKey(parent, key, w, depth)
}

// resolveKey finds whose the rows below one parent row are.
func (r *Router) resolveKey(parent *table, key []byte, w when, depth int) (orgcast.OrganizationID, Reason) {
	found, known := parent.rows.get(key)
	switch w {
	case atStart:
		if first, ok := parent.first[string(key)]; ok {
			found, known = first, true
		} else if first, ok := parent.emptied.get(key); ok {
			found, known = first, true
		} else if !known { // it comes later: what hangs on it was told by that
			found, known = parent.arrival(key)
		}
	case atArrival:
		switch {
		case known || parent.lost:
		case parent.midway:
			return "", ReasonParentMoved
		default:
			found, known = parent.arrival(key)
		}
	case atCommit:
		if later, ok := parent.final[string(key)]; ok {
			found, known = later, true
		} else if _, gone := parent.deleted[string(key)]; gone {
			known = false
		}
		known = known && !parent.lost
	}
	if !known {
		return "", ReasonTenantUnknown
	}
	return r.resolve(found, w, depth)
}

// organizationOf resolves a row's version without building its tenant.
func (r *Router) organizationOf(b *binding, row []orgcast.Value, w when) (orgcast.OrganizationID, Reason) {
	var found orgcast.OrganizationID
	for i := range b.tenant {
		p := &b.tenant[i]
		v := &row[p.column]
		if p.none(v) {
			continue
		}
		if v.Kind != orgcast.Text {
			return "", ReasonNoOldRow
		}
		var organization orgcast.OrganizationID
		var reason Reason
		if p.parent == nil {
			organization, reason = r.organizationID(v.Text)
		} else {
			organization, reason = r.resolveParent(p.parent, v.Text, w, 0)
		}
		if reason != "" {
			return "", reason
		}
		if found != "" && found != organization {
			return "", ReasonTenantsDisagree
		}
		found = organization
	}
	if found == "" {
		return "", ReasonTenantNull
	}
	return found, ""
}

// organizationID takes a text for an organization's id, if it can be one.
func (r *Router) organizationID(text []byte) (orgcast.OrganizationID, Reason) {
	switch {
	case len(text) > orgcast.MaxOrganizationID:
		return "", ReasonTenantTooLong
	case string(text) == string(orgcast.Everyone):
		// Its rows would go to all organizations.
		return "", ReasonTenantReserved
	}
	return r.intern(text), ""
}

// none tells whether a path leads nowhere: an empty text is no organization, as
// a null is none.
func (p *boundPath) none(v *orgcast.Value) bool {
	return v.Kind == orgcast.Null || p.parent == nil && v.Kind == orgcast.Text && len(v.Text) == 0
}

// look reads one tenant path of a row, as a [step] whose key is not copied yet.
// If it leads nowhere, there is no step.
func (r *Router) look(p *boundPath, row []orgcast.Value) (s step, key []byte, is bool) {
	if p.column < 0 {
		return step{}, nil, true // a column that the table no longer has
	}
	switch v := &row[p.column]; {
	case p.none(v):
		return step{}, nil, false
	case v.Kind != orgcast.Text:
		return step{}, nil, true
	case p.parent != nil:
		return step{parent: p.parent}, v.Text, true
	default:
		organization, _ := r.organizationID(v.Text)
		return step{organization: organization}, nil, true
	}
}

// tenantOf copies what a row says of whose it is.
func (r *Router) tenantOf(paths []boundPath, row []orgcast.Value) (t tenant) {
	for i := range paths {
		s, key, is := r.look(&paths[i], row)
		if !is {
			continue
		}
		if len(paths) == 1 && s.organization != "" {
			return tenant{organization: s.organization}
		}
		s.key = string(key)
		t.steps = append(t.steps, s)
	}
	return t.compact()
}

// compact gives a tenant its one form: see [tenant].
func (t tenant) compact() tenant {
	if len(t.steps) == 1 && t.steps[0].organization != "" {
		return tenant{organization: t.steps[0].organization}
	}
	return t
}

// says tells whether a row says what t holds, without an allocation.
func (r *Router) says(t tenant, paths []boundPath, row []orgcast.Value) bool {
	if len(paths) == 1 && paths[0].parent == nil && paths[0].column >= 0 && t.organization != "" { // nearly always
		v := &row[paths[0].column]
		return v.Kind == orgcast.Text && string(v.Text) == string(t.organization)
	}
	steps := t.steps
	direct := [1]step{{organization: t.organization}}
	if t.organization != "" {
		steps = direct[:]
	}
	n := 0
	for i := range paths {
		s, key, is := r.look(&paths[i], row)
		if !is {
			continue
		}
		if n == len(steps) || steps[n].organization != s.organization || steps[n].parent != s.parent || steps[n].key != string(key) {
			return false
		}
		n++
	}
	return n == len(steps)
}

// errState is a stored parent that this version of the rules can't read.
var errState = errors.New("read parent index: malformed entry")

// A parent's state key is the length of its table's name (1 byte), the name,
// and the row's key. Its value is a list of steps: the length of the parent
// table's name (1 byte, 0 for a direct organization), the name, the length of
// the key or organization (uvarint), and it.

func parentKey(dst []byte, t *table, key []byte) []byte {
	dst = append(dst, byte(len(t.name)))
	dst = append(dst, t.name...)
	return append(dst, key...)
}

func appendTenant(dst []byte, t tenant) []byte {
	add := func(table, key string) {
		dst = append(dst, byte(len(table)))
		dst = append(dst, table...)
		dst = binary.AppendUvarint(dst, uint64(len(key)))
		dst = append(dst, key...)
	}
	if t.organization != "" {
		add("", string(t.organization))
	}
	for _, s := range t.steps {
		if s.parent == nil {
			add("", string(s.organization))
		} else {
			add(s.parent.name, s.key)
		}
	}
	return dst
}

// loadParent puts one stored entry into the index.
func (r *Router) loadParent(key, value []byte) error {
	name, key, ok := cutBytes(key)
	t := r.tables[string(name)]
	if !ok || t == nil || t.rows == nil {
		return errState
	}
	var steps []step
	for len(value) > 0 {
		var name, id []byte
		if name, value, ok = cutBytes(value); !ok {
			return errState
		}
		n, size := binary.Uvarint(value)
		if size <= 0 || n > uint64(len(value)-size) {
			return errState
		}
		id, value = value[size:size+int(n)], value[size+int(n):]
		if len(name) == 0 {
			steps = append(steps, step{organization: r.intern(id)})
			continue
		}
		parent := r.tables[string(name)]
		if parent == nil || parent.rows == nil {
			return errState
		}
		steps = append(steps, step{parent: parent, key: string(id)})
	}
	t.rows.set(key, tenant{steps: steps}.compact())
	return nil
}

// cutBytes cuts a text that its length in one byte leads.
func cutBytes(b []byte) (text, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return nil, nil, false
	}
	n := 1 + int(b[0])
	return b[1:n], b[n:], true
}

// maxInterned bounds the organizations whose ids are kept for reuse; at the
// bound they are forgotten, which costs an allocation each.
const maxInterned = 1 << 20

func (r *Router) intern(id []byte) orgcast.OrganizationID {
	if string(id) == string(r.last) {
		return r.last // both versions of a row, and its neighbours', say the same
	}
	r.last = r.internNew(id)
	return r.last
}

func (r *Router) internNew(id []byte) orgcast.OrganizationID {
	if s, ok := r.interned[string(id)]; ok {
		return s
	}
	if len(r.interned) >= maxInterned {
		clear(r.interned)
	}
	s := orgcast.OrganizationID(id)
	r.interned[string(s)] = s
	return s
}
