package route

import (
	"bytes"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/sse"
)

// row routes a change of a table that is sent, or that is a parent, or both.
//
// If one version's parent moves in the transaction, that version is withheld,
// but the other is told: a row that left is gone, a row that came is new. Any
// other reason withholds both.
func (r *Router) row(b *binding, c *orgcast.Change, out *Output) {
	if b.kind == kindActivity && b.rows == nil && c.Operation != orgcast.Insert {
		return // what was done stays done
	}
	// Both versions are resolved before the change is in the index: no table is
	// its own parent, so that neither asks for it.
	var before, after orgcast.OrganizationID
	var reason, other Reason
	asNew := false // nothing is told of the old version
	if c.Operation != orgcast.Insert {
		before, asNew, reason = r.oldOrganization(b, c)
		if reason == ReasonTenantUnknown {
			// Its parent comes later in the transaction, if at all. With foreign
			// keys the row is as new; without, its values were nobody's: no more
			// is told of it than that it was.
			asNew = true
			before, reason = r.organizationOf(b, c.Old, atCommit)
		}
	}
	if c.Operation != orgcast.Delete {
		after, other = r.newOrganization(b, c)
	}
	// A row that was nobody's and is somebody's now is new to him, and one that is
	// nobody's now is gone to whom it was.
	switch {
	case c.Operation != orgcast.Update:
	case reason == ReasonTenantNull && other == "":
		reason = ""
	case reason == "" && other == ReasonTenantNull:
		other = ""
	}
	if other != "" && (reason == "" || reason == ReasonParentMoved) {
		reason = other
	}
	var replaced orgcast.OrganizationID
	again := false // the row's key is one that the transaction deleted
	if b.rows != nil {
		if c.New != nil && len(b.deleted) > 0 {
			replaced, again = r.replaced(b, c.New[b.id].Text)
		}
		r.index(b, c, out)
	}
	if reason != "" {
		r.withhold(b.table, reason)
		if reason != ReasonParentMoved {
			r.remember(b, c, "")
			r.childrenMoved(b, c, out, before, after, replaced, again)
			return
		}
	}
	switch {
	case c.Operation != orgcast.Update:
		r.remove(b, c, out, before)
		r.create(b, c, out, 0, after)
	case before != after || moved(b, c):
		// To A a row that left is gone; what it is now is B's alone.
		r.remove(b, c, out, before)
		r.create(b, c, out, 1, after)
	case asNew:
		r.create(b, c, out, 0, after)
	case after != "":
		r.update(b, c, out, after)
	}
	r.remember(b, c, after)
	r.childrenMoved(b, c, out, before, after, replaced, again)
	if b.table.notify != nil && after != "" && b.user >= 0 && b.title >= 0 {
		r.notify(b, c, out, after)
	}
}

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

// replaced tells whose a row was, if anybody's, that the transaction at hand
// deleted and whose key it now gives to another: children that stay with the key
// have moved.
func (r *Router) replaced(b *binding, key []byte) (organization orgcast.OrganizationID, again bool) {
	if _, again = b.deleted[string(key)]; again {
		organization, _ = r.resolveParent(b.table, key, atPlace, 0)
	}
	return organization, again
}

// maxKey bounds a primary key, in bytes; PostgreSQL's own bound, that of an
// index entry, is lower.
const maxKey = 8 << 10

func isKey(v *orgcast.Value) bool { return v.Kind == orgcast.Text && len(v.Text) <= maxKey }

// oldOrganization resolves the old version of an updated or deleted row. Without
// FULL replica identity it is not all there: then nothing is guessed.
//
// It may be older than the transaction or made by it. If its parent has moved in
// between, the first was another organization's than the second: only one that
// was told as the second's is taken for that. If it was made by it and told to
// nobody, untold says so: it must not be told of as what was there before.
func (r *Router) oldOrganization(b *binding, c *orgcast.Change) (organization orgcast.OrganizationID, untold bool, reason Reason) {
	if c.Old == nil {
		return "", false, ReasonNoOldRow
	}
	if !isKey(&c.Old[b.id]) {
		return "", false, ReasonNoKey
	}
	organization, reason = r.organizationOf(b, c.Old, atPlace)
	if reason != "" || !r.rewritten {
		return organization, false, reason
	}
	told, made := r.told[toldRow{b.table, string(c.Old[b.id].Text)}]
	found, reason := r.organizationOf(b, c.Old, atStart)
	switch {
	case made && told == organization:
		return organization, false, ""
	case made && told != "", !made && len(r.told) >= maxTold:
		return "", false, ReasonParentMoved
	case reason != "":
		return "", false, reason
	case found != organization:
		return "", false, ReasonParentMoved
	}
	return organization, made, ""
}

// toldRow is a row that a transaction made or changed after one of its parents
// moved.
type toldRow struct {
	table *table
	key   string
}

// maxTold bounds these; at the bound, what changes again in the same transaction
// and is not among them is withheld.
const maxTold = 1 << 18

// remember notes whom the new version is told to, nobody included.
func (r *Router) remember(b *binding, c *orgcast.Change, organization orgcast.OrganizationID) {
	if !r.rewritten {
		return
	}
	if c.Old != nil && c.Old[b.id].Kind == orgcast.Text {
		delete(r.told, toldRow{b.table, string(c.Old[b.id].Text)})
	}
	if c.New != nil && c.New[b.id].Kind == orgcast.Text && len(r.told) < maxTold {
		r.told[toldRow{b.table, string(c.New[b.id].Text)}] = organization
	}
}

// newOrganization resolves the new version of an inserted or updated row: whose
// it is at the commit, if it is nobody else's at its place.
func (r *Router) newOrganization(b *binding, c *orgcast.Change) (orgcast.OrganizationID, Reason) {
	if !isKey(&c.New[b.id]) {
		return "", ReasonNoKey
	}
	organization, reason := r.organizationOf(b, c.New, atCommit)
	if reason != "" || !r.scanned {
		return organization, reason
	}
	if found, reason := r.organizationOf(b, c.New, atPlace); reason == "" && found != organization {
		return "", ReasonParentMoved
	}
	return organization, ""
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
	b.rows.set(newKey, entry)
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

// create tells of a new row: all its columns that may leave.
func (r *Router) create(b *binding, c *orgcast.Change, out *Output, sub uint64, organization orgcast.OrganizationID) {
	switch {
	case organization == "": // nobody's
	case b.kind == kindProperty:
		r.propertyCreate(b, c, out, sub, organization)
	case b.kind == kindPart:
		r.partCreate(b, c, out, sub, organization)
	case b.kind == kindActivity && c.Operation == orgcast.Insert:
		r.activity(b, c, out, organization)
	case b.kind == kindSync:
		r.syncRow(b, c, out, sub, organization, "create")
	}
}

func (r *Router) update(b *binding, c *orgcast.Change, out *Output, organization orgcast.OrganizationID) {
	switch b.kind {
	case kindProperty:
		r.propertyUpdate(b, c, out, organization)
	case kindPart:
		r.partUpdate(b, c, out, organization)
	case kindSync:
		if r.differs(b.columns, c) {
			r.syncRow(b, c, out, 0, organization, "update")
		}
	}
}

// remove tells of a row that is gone: its ids only.
func (r *Router) remove(b *binding, c *orgcast.Change, out *Output, organization orgcast.OrganizationID) {
	switch {
	case organization == "": // nobody's
	case b.kind == kindProperty:
		r.propertyDelete(b, c, out, organization)
	case b.kind == kindPart:
		r.partDelete(b, c, out, organization)
	case b.kind == kindSync:
		r.syncDelete(b, c, out, organization)
	}
}

// differs notes the columns that may leave and whose value differs, or is not
// known not to, in r.changed.
func (r *Router) differs(columns []boundColumn, c *orgcast.Change) bool {
	r.changed = r.changed[:0]
	for i := range columns {
		p := columns[i].position
		if old, new := &c.Old[p], &c.New[p]; old.Kind != new.Kind || !bytes.Equal(old.Text, new.Text) {
			r.changed = append(r.changed, int32(i))
		}
	}
	return len(r.changed) > 0
}

// appendValue appends a column's value; the caller has seen that it was sent.
func (b *boundColumn) appendValue(dst []byte, v *orgcast.Value) []byte {
	if v.Kind != orgcast.Text {
		return append(dst, "null"...)
	}
	return b.encode(dst, v.Text)
}

// sent tells whether PostgreSQL sent the value: a null counts, an unchanged
// TOAST value without its old one does not.
func sent(v *orgcast.Value) bool { return v.Kind == orgcast.Text || v.Kind == orgcast.Null }

// appendUser appends who did it: the transaction's actor, if he is a member,
// else the row's maker on a create, else null.
func (r *Router) appendUser(dst []byte, b *binding, c *orgcast.Change, organization orgcast.OrganizationID, isNew bool) []byte {
	if r.actor != "" {
		if _, ok := r.members.Membership(r.actor, organization); ok {
			return sse.AppendString(dst, string(r.actor))
		}
		return append(dst, "null"...)
	}
	if isNew && b.created >= 0 && isKey(&c.New[b.created]) {
		return sse.AppendText(dst, c.New[b.created].Text)
	}
	return append(dst, "null"...)
}
