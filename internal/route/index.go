package route

import (
	"bytes"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/plant"
)

// childrenMoved tells of a parent that is another organization's, or nobody's,
// now: it stands for its children, which tell nothing of their own.
func (r *Router) childrenMoved(b *binding, c *orgcast.Change, out *Output, before, after, replaced orgcast.OrganizationID, again bool) {
	if b.rows == nil {
		return
	}
	if c.Operation == orgcast.Update && before != after {
		r.refetch(out, c.Ordinal, 2, before)
		r.refetch(out, c.Ordinal, 3, after)
	}
	if again && replaced != after {
		r.refetch(out, c.Ordinal, 4, replaced)
		r.refetch(out, c.Ordinal, 5, after)
	}
}

// indexed tells whose an updated parent was, of which the WAL does not say it: its
// replica identity is not FULL. Without an old row the key is what it was.
func (r *Router) indexed(b *binding, c *orgcast.Change) (organization orgcast.OrganizationID) {
	key, is, _ := keyOf(c.Old, b.id)
	if !is {
		key, is, _ = keyOf(c.New, b.id)
	}
	if is {
		organization, _ = r.resolveKey(b.table, key, atPlace, 0)
	}
	return organization
}

// replaced tells whose a row was, if anybody's, that the transaction at hand deleted and
// whose key it now gives to another: children that stay with the key have moved. What it
// made of the key in between may be nobody's yet.
func (r *Router) replaced(b *binding, key []byte) (organization orgcast.OrganizationID, again bool) {
	if _, again = b.deleted[string(key)]; !again {
		return "", false
	}
	organization, reason := r.resolveKey(b.table, key, atPlace, 0)
	if reason == ReasonTenantUnknown {
		organization = r.found(b, key)
	}
	return organization, true
}

// found tells whose a row was, if anybody's, when the transaction found it, of those that
// it made another's since or truncated.
func (r *Router) found(b *binding, key []byte) (organization orgcast.OrganizationID) {
	row, was := b.first[string(key)]
	if !was {
		row, was = b.emptied.get(key)
	}
	if was {
		organization, _ = r.resolve(row, atStart, 1)
	}
	return organization
}

// adopted tells whether a parent that is made behind the TRUNCATE of its table has a key
// that was another organization's before it.
func (r *Router) adopted(b *binding, key []byte, organization orgcast.OrganizationID) bool {
	_, was := b.emptied.get(key)
	return was && r.found(b, key) != organization
}

// index keeps the parent index. Deleted rows stay until the commit: a cascade
// deletes them before their children.
func (r *Router) index(b *binding, c *orgcast.Change, out *Output) {
	oldKey, was, oldRead := keyOf(c.Old, b.id)
	newKey, is, newRead := keyOf(c.New, b.id)
	if !oldRead || !newRead {
		r.empty(b.table, out) // one row is not what it was, and nobody knows which
		return
	}
	if was && !(is && bytes.Equal(oldKey, newKey)) {
		r.touch(b.table)
		b.deleted[string(oldKey)] = struct{}{}
		out.set(orgcast.SpaceParents, func(k []byte) []byte { return parentKey(k, b.table, oldKey) }, nil)
	}
	if !is {
		return
	}
	known, ok := b.rows.get(newKey)
	same := ok && r.says(known, b.tenant, c.New)
	gone := false
	if len(b.deleted) > 0 {
		_, gone = b.deleted[string(newKey)]
	}
	if same && !gone {
		return
	}
	if ok && !same {
		r.rewrite(b.table, newKey, known)
	}
	entry := r.tenantOf(b.tenant, c.New)
	delete(b.deleted, string(newKey)) // a key that comes again is a new parent
	if plant.ParentLate {             // it counts from the transaction after the next
		plantedLater = append(plantedLater, plantedEntry{b.rows, bytes.Clone(newKey), entry})
	} else {
		b.rows.set(newKey, entry)
	}
	out.set(orgcast.SpaceParents,
		func(k []byte) []byte { return parentKey(k, b.table, newKey) },
		func(v []byte) []byte { return appendTenant(v, entry) })
}

// keyOf reads a version's primary key, if the version is there and has one. It
// can't be read if it was not sent.
func keyOf(row []orgcast.Value, id int) (key []byte, is, read bool) {
	if row == nil || row[id].Kind == orgcast.Null {
		return nil, false, true
	}
	is = row[id].Kind == orgcast.Text
	return row[id].Text, is, is
}

// rewrite keeps what the transaction found of a parent that it makes another's.
func (r *Router) rewrite(t *table, key []byte, found tenant) {
	r.touch(t)
	r.rewritten = true
	if _, ok := t.first[string(key)]; ok {
		return
	}
	if older, ok := t.emptied.get(key); ok {
		found = older
	}
	t.first[string(key)] = found
}

// empty forgets all rows of a parent table, but for what the transaction at hand
// found.
func (r *Router) empty(t *table, out *Output) {
	r.touch(t)
	r.rewritten = true
	if t.emptied == nil {
		t.emptied = t.rows
	}
	t.rows = newParentIndex(r.owners)
	clear(t.deleted)
	out.States = append(out.States, orgcast.StateChange{Space: orgcast.SpaceParents, Key: parentKey(nil, t, nil), Prefix: true})
}
