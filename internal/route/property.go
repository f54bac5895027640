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
	dst = append(dst, `,"organizationId":`...)
	dst = append(dst, r.head.quoted...)
	dst = append(dst, `,"operation":"`...)
	return append(append(dst, operation...), '"')
}

func (r *Router) propertyCreate(b *binding, c *orgcast.Change, out *Output, sub uint64, organization orgcast.OrganizationID) {
	build := func(full bool) {
		start := r.begin(out, c.Ordinal, sub, organization, orgcast.PropertyUpdate)
		f := r.propertyHead(out.frames, c.New[b.id].Text, "create")
		if full {
			// Each column's prefix ends the one before it.
			f = append(f, `,"changes":{`...)
			skip := len("},")
			for i := range b.columns {
				column := &b.columns[i]
				switch v := &c.New[column.position]; v.Kind {
				case orgcast.Text:
					f = column.encode(append(f, column.isNew[skip:]...), v.Text)
				case orgcast.Null:
					f = append(append(f, column.isNew[skip:]...), "null"...)
				default:
					continue // not sent
				}
				skip = 0
			}
			if skip == 0 {
				f = append(f, '}')
			}
			f = append(f, '}')
		}
		f = append(f, `,"updatedBy":`...)
		f = r.appendUser(f, b, c, organization, true)
		out.frames = append(f, '}')
		r.end(out, start, b.audience, !full)
	}
	r.fit(out, build)
}

func (r *Router) propertyUpdate(b *binding, c *orgcast.Change, out *Output, organization orgcast.OrganizationID) {
	if !r.differs(b, c) {
		return
	}
	build := func(full bool) {
		start := r.begin(out, c.Ordinal, 0, organization, orgcast.PropertyUpdate)
		f := r.propertyHead(out.frames, c.New[b.id].Text, "update")
		if !c.OldIsKey { // which ones differ is known, not guessed
			f = append(f, `,"updatedFields":[`...)
			for n, i := range r.changed {
				if n > 0 {
					f = append(f, ',')
				}
				f = append(f, b.columns[i].name...)
			}
			f = append(f, ']')
		}
		if full {
			f = append(f, `,"changes":{`...)
			for n, i := range r.changed {
				column := &b.columns[i]
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
			f = append(f, '}')
		}
		f = append(f, `,"updatedBy":`...)
		f = r.appendUser(f, b, c, organization, false)
		out.frames = append(f, '}')
		r.end(out, start, b.audience, !full)
	}
	r.fit(out, build)
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
