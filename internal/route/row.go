package route

import (
	"bytes"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/plant"
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
	// Behind a TRUNCATE of parents a row that has none may be one that was told. Of a new
	// row nothing was.
	open := func(reason Reason) bool {
		return reason == ReasonParentMoved || reason == ReasonTenantUnknown && c.Operation != orgcast.Insert
	}
	r.owed = r.owed || r.emptied && (open(reason) || open(other))
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
		if reason == ReasonNoOldRow && c.Operation == orgcast.Update {
			before = r.indexed(b, c) // for its children: they have moved, whatever is told of it
		}
		if c.New != nil && len(b.deleted) > 0 {
			replaced, again = r.replaced(b, c.New[b.id].Text)
		}
		r.owed = r.owed || b.orphans && c.New != nil && r.adopted(b, c.New[b.id].Text, after)
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
		if plant.MoveWrongOrganization && before != "" { // to whom it was
			r.create(b, c, out, 1, before)
			break
		}
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

// payRefetch tells everybody to refetch, behind all that the change at hand has, if that
// is owed. Only a sealed message has an event at that place.
func (r *Router) payRefetch(out *Output) {
	if r.owed {
		r.reset(out, r.ordinal, orgcast.SubIndexes-1, orgcast.Everyone, orgcast.ResetMoved)
		r.owed = false
	}
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
		return append(dst, b.null...)
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
