package route

import (
	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/sse"
)

// propertyHead begins the payload of an event that begin has begun, whose head
// has the organization.
func (r *Router) propertyHead(dst, id []byte, operation string) []byte {
	dst = append(dst, `{"propertyId":`...)
	dst = sse.AppendText(dst, id)
	dst = append(dst, r.head.ofProperty...)
	return append(append(dst, operation...), '"')
}

func (r *Router) propertyCreate(b *binding, c *orgcast.Change, out *Output, sub uint64, organization orgcast.OrganizationID) {
	build := func(full bool) {
		start := r.begin(out, c.Ordinal, sub, organization, orgcast.PropertyUpdate)
		f := r.propertyHead(out.frames, c.New[b.id].Text, "create")
		if full {
			f = append(f, `,"changes"`...)
			f = appendNew(f, b.columns, c.New)
		}
		f = append(f, `,"updatedBy":`...)
		f = r.appendUser(f, b, c, organization, true)
		out.frames = append(f, '}')
		r.end(out, start, b.audience, !full)
	}
	r.fit(out, build)
}

// appendNew appends the columns of a new row: :{"price":{"new":…},…}. Each
// column's lead ends the one before it; the first one's becomes what leads them
// all, the colon included.
func appendNew(f []byte, columns []boundColumn, row []orgcast.Value) []byte {
	start := len(f)
	for i := range columns {
		column := &columns[i]
		switch v := &row[column.position]; v.Kind {
		case orgcast.Text:
			f = column.encode(column.isNew.append(f), v.Text)
		case orgcast.Null:
			f = append(column.isNew.append(f), column.null...)
		}
	}
	if len(f) == start {
		return append(f, ":{}"...)
	}
	copy(f[start:], ":{")
	return append(f, "}}"...)
}

func (r *Router) propertyUpdate(b *binding, c *orgcast.Change, out *Output, organization orgcast.OrganizationID) {
	if !r.differs(b.columns, c) {
		return
	}
	build := func(full bool) {
		start := r.begin(out, c.Ordinal, 0, organization, orgcast.PropertyUpdate)
		f := r.propertyHead(out.frames, c.New[b.id].Text, operation(b, c))
		f = r.appendFields(f, b, c)
		if full {
			f = append(f, `,"changes":{`...)
			f = r.appendChanged(f, b.columns, c)
			f = append(f, '}')
		}
		f = append(f, `,"updatedBy":`...)
		f = r.appendUser(f, b, c, organization, false)
		out.frames = append(f, '}')
		r.end(out, start, b.audience, !full)
	}
	r.fit(out, build)
}

// appendFields appends the names of the columns that differ, if that is known
// and not guessed.
func (r *Router) appendFields(f []byte, b *binding, c *orgcast.Change) []byte {
	if c.OldIsKey {
		return f
	}
	f = append(f, `,"updatedFields":[`...)
	for n, i := range r.changed {
		if n > 0 {
			f = append(f, ',')
		}
		f = append(f, b.columns[i].field...)
	}
	return append(f, ']')
}

// appendChanged appends the columns that differ: "price":{"new":…,"old":…},…
func (r *Router) appendChanged(f []byte, columns []boundColumn, c *orgcast.Change) []byte {
	for n, i := range r.changed {
		column := &columns[i]
		if n > 0 {
			f = append(f, ',')
		}
		f = append(append(f, column.name...), `:{`...)
		if v := &c.New[column.position]; sent(v) {
			f = append(f, `"new":`...)
			f = column.appendValue(f, v)
		}
		if v := &c.Old[column.position]; sent(v) {
			if f[len(f)-1] != '{' {
				f = append(f, ',')
			}
			f = append(f, `"old":`...)
			f = column.appendValue(f, v)
		}
		f = append(f, '}')
	}
	return f
}

// operation tells an update that archives from one that does not.
func operation(b *binding, c *orgcast.Change) string {
	for i := range b.archive {
		if b.archive[i].by(c) {
			return "archive"
		}
	}
	return "update"
}

// by tells whether the update does it. Without its old value nobody knows.
func (a *boundArchive) by(c *orgcast.Change) bool {
	old, new := &c.Old[a.position], &c.New[a.position]
	switch {
	case c.OldIsKey || new.Kind != orgcast.Text:
		return false
	case a.value == "":
		return old.Kind == orgcast.Null
	}
	return string(new.Text) == a.value && sent(old) && string(old.Text) != a.value
}

func (r *Router) propertyDelete(b *binding, c *orgcast.Change, out *Output, organization orgcast.OrganizationID) {
	start := r.begin(out, c.Ordinal, 0, organization, orgcast.PropertyUpdate)
	f := r.propertyHead(out.frames, c.Old[b.id].Text, "delete")
	f = append(f, `,"updatedBy":`...)
	f = r.appendUser(f, b, c, organization, false)
	out.frames = append(f, '}')
	r.end(out, start, b.audience, false)
}

// fit builds an event, and builds it again with its keys only if it is too
// large.
func (r *Router) fit(out *Output, build func(full bool)) {
	start, events := len(out.frames), len(out.Events)
	build(true)
	if len(out.frames)-start <= MaxFrame {
		return
	}
	out.frames, out.Events = out.frames[:start], out.Events[:events]
	build(false)
}
