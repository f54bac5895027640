package route

import (
	"bytes"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/sse"
)

// A part's change is an update of its property. Its columns are called
// "<table>.<column>" in updatedFields, and what is new of them stands in changes
// under "<table>.<key>".

// moved tells whether an update makes a row another one: to those who see it, a
// delete and a create.
func moved(b *binding, c *orgcast.Change) bool {
	return !bytes.Equal(c.Old[b.id].Text, c.New[b.id].Text) ||
		b.kind == kindPart && !bytes.Equal(c.Old[b.part].Text, c.New[b.part].Text)
}

// partKey appends, quoted, what a part's changes stand under.
func (r *Router) partKey(f []byte, b *binding, id []byte) []byte {
	r.scratch = append(append(append(r.scratch[:0], bareName(b.name)...), '.'), id...)
	return sse.AppendText(f, r.scratch)
}

// partOf is the property of a version of a part; withheld if it has none, by
// another tenant path.
func (r *Router) partOf(b *binding, row []orgcast.Value) (property []byte, ok bool) {
	if !isKey(&row[b.part]) {
		r.withhold(b.table, ReasonValueNull)
		return nil, false
	}
	return row[b.part].Text, true
}

// gone tells whether the transaction deleted a part's property.
func (t *table) gone(property []byte) (gone bool) {
	if deleted := t.part.parent.deleted; len(deleted) > 0 {
		_, gone = deleted[string(property)]
	}
	return gone
}

// partTold notes that a part was told of after its property's delete.
func (r *Router) partTold(t *table, property []byte) {
	if t.gone(property) {
		r.touch(t)
		t.late = true
	}
}

func (r *Router) partCreate(b *binding, c *orgcast.Change, out *Output, sub uint64, organization orgcast.OrganizationID) {
	property, ok := r.partOf(b, c.New)
	if !ok {
		return
	}
	r.partTold(b.table, property)
	r.fit(out, func(full bool) {
		start := r.begin(out, c.Ordinal, sub, organization, orgcast.PropertyUpdate)
		f := r.propertyHead(out.frames, property, "update")
		f = append(f, `,"updatedFields":[`...)
		for i := range b.columns {
			if column := &b.columns[i]; sent(&c.New[column.position]) {
				if f[len(f)-1] != '[' {
					f = append(f, ',')
				}
				f = append(f, column.field...)
			}
		}
		f = append(f, `],"changes":{`...)
		f = r.partKey(f, b, c.New[b.id].Text)
		if full {
			f = appendNew(f, b.columns, c.New)
		} else {
			f = append(f, `:{}`...)
		}
		f = append(f, '}')
		r.partEnd(f, b, c, out, start, organization, full)
	})
}

func (r *Router) partUpdate(b *binding, c *orgcast.Change, out *Output, organization orgcast.OrganizationID) {
	if !r.differs(b.columns, c) {
		return
	}
	property, ok := r.partOf(b, c.New)
	if !ok {
		return
	}
	r.partTold(b.table, property)
	r.fit(out, func(full bool) {
		start := r.begin(out, c.Ordinal, 0, organization, orgcast.PropertyUpdate)
		f := r.propertyHead(out.frames, property, operation(b, c))
		f = r.appendFields(f, b, c)
		f = append(f, `,"changes":{`...)
		f = append(r.partKey(f, b, c.New[b.id].Text), `:{`...)
		if full {
			f = r.appendChanged(f, b.columns, c)
		}
		f = append(f, `}}`...)
		r.partEnd(f, b, c, out, start, organization, full)
	})
}

// partDelete tells that a part is gone, by its key alone: what stands under it is
// null now. After its property's delete there is nothing to tell.
func (r *Router) partDelete(b *binding, c *orgcast.Change, out *Output, organization orgcast.OrganizationID) {
	property, ok := r.partOf(b, c.Old)
	if !ok {
		return
	}
	if b.table.gone(property) && !b.late {
		return
	}
	start := r.begin(out, c.Ordinal, 0, organization, orgcast.PropertyUpdate)
	f := r.propertyHead(out.frames, property, "update")
	f = append(f, `,"updatedFields":[`...)
	f = sse.AppendString(f, bareName(b.name))
	f = append(f, `],"changes":{`...)
	f = append(r.partKey(f, b, c.Old[b.id].Text), `:{"new":null}}`...)
	r.partEnd(f, b, c, out, start, organization, true)
}

func (r *Router) partEnd(f []byte, b *binding, c *orgcast.Change, out *Output, start int, organization orgcast.OrganizationID, full bool) {
	f = append(f, `,"updatedBy":`...)
	f = r.appendUser(f, b, c, organization, false)
	out.frames = append(f, '}')
	r.end(out, start, b.audience, !full)
}
