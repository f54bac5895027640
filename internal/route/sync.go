package route

import (
	"slices"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/sse"
)

func syncHead(dst []byte, entity string, id []byte, operation string) []byte {
	dst = append(dst, `{"entityType":`...)
	dst = sse.AppendString(dst, entity)
	dst = append(dst, `,"entityId":`...)
	dst = sse.AppendText(dst, id)
	dst = append(dst, `,"operation":"`...)
	dst = append(dst, operation...)
	return append(dst, `","data":`...)
}

// syncRow tells the row's columns that may leave. Those that PostgreSQL did not
// send stand in `unchanged`, never as null.
func (r *Router) syncRow(b *binding, c *orgcast.Change, out *Output, sub uint64, organization orgcast.OrganizationID, operation string) {
	build := func(full bool) {
		start := r.begin(out, c.Ordinal, sub, organization, orgcast.DataSync)
		f := syncHead(out.frames, b.entity, c.New[b.id].Text, operation)
		f = append(f, '{')
		unchanged := len(b.dropped)
		for i := range b.columns {
			column := &b.columns[i]
			v := &c.New[column.position]
			if !full && column.position != b.id {
				continue
			}
			if !sent(v) {
				unchanged++
				continue
			}
			if f[len(f)-1] != '{' {
				f = append(f, ',')
			}
			f = append(append(f, column.name...), ':')
			f = column.appendValue(f, v)
		}
		f = append(f, '}')
		if unchanged > 0 {
			f = append(f, `,"unchanged":[`...)
			for i := range b.columns {
				if column := &b.columns[i]; !sent(&c.New[column.position]) {
					if f[len(f)-1] != '[' {
						f = append(f, ',')
					}
					f = append(f, column.name...)
				}
			}
			for _, name := range b.dropped {
				if f[len(f)-1] != '[' {
					f = append(f, ',')
				}
				f = append(f, name...)
			}
			f = append(f, ']')
		}
		out.frames = append(f, '}')
		r.end(out, start, b.audience, !full)
	}
	r.fit(out, build)
}

func (r *Router) syncDelete(b *binding, c *orgcast.Change, out *Output, organization orgcast.OrganizationID) {
	start := r.begin(out, c.Ordinal, 0, organization, orgcast.DataSync)
	f := syncHead(out.frames, b.entity, c.Old[b.id].Text, "delete")
	out.frames = append(f, "null}"...)
	r.end(out, start, b.audience, false)
}

// truncate tells everybody that a table is empty, and forgets its rows.
func (r *Router) truncate(c *orgcast.Change, out *Output) {
	sub, untold, midway := uint64(0), false, false
	for _, rel := range c.Truncated {
		t := r.tables[rel.Schema+"."+rel.Name]
		if t == nil {
			continue
		}
		if t.rows != nil {
			midway = midway || t.midway && t.asked // by a row that stands before it
			r.empty(t, out)
			r.emptied, t.orphans = true, t.orphans || r.outlived(t, c)
		}
		switch t.kind {
		case kindMembership:
			r.everybodyLeaves(c.Ordinal, out)
		case kindOrganization:
			for id := range r.organizations {
				out.Organizations = append(out.Organizations, OrganizationChange{ID: id})
			}
			clear(r.organizations)
			out.States = append(out.States, orgcast.StateChange{Space: orgcast.SpaceOrganizations, Prefix: true})
		case kindSession:
			r.endSessions(c.Ordinal, out)
		case kindParent, kindActivity: // what is nobody's to see any more; what was done
		case kindProperty, kindPart, kindSync:
			if t.kind == kindPart && truncates(c, t.part.parent) {
				continue // its property's delete says it
			}
			if untold = sub == orgcast.SubIndexes-1; untold {
				continue
			}
			r.truncated(t, c, out, sub)
			sub++
		}
	}
	if untold || midway {
		r.owed = false
		// More tables than a change has cursors, or rows that hang on what came
		// before or comes behind: everybody refetches.
		r.reset(out, c.Ordinal, sub, orgcast.Everyone, orgcast.ResetMoved)
	}
}

// outlived tells whether a TRUNCATE of a parent table leaves one that hangs on it, as no
// foreign key lets it. What was truncated by itself before counts too, and costs a
// refetch at most.
func (r *Router) outlived(parent *table, c *orgcast.Change) bool {
	for _, t := range r.tables {
		if !truncates(c, t) && slices.ContainsFunc(t.tenant, func(p tablePath) bool { return p.parent == parent }) {
			return true
		}
	}
	return false
}

func truncates(c *orgcast.Change, t *table) bool {
	return slices.ContainsFunc(c.Truncated, func(rel *orgcast.Relation) bool { return rel.Schema+"."+rel.Name == t.name })
}

func (r *Router) truncated(t *table, c *orgcast.Change, out *Output, sub uint64) {
	entity := t.entity
	switch t.kind {
	case kindProperty:
		entity = "property"
	case kindPart:
		entity = bareName(t.name)
	}
	start := r.begin(out, c.Ordinal, sub, orgcast.Everyone, orgcast.DataSync)
	out.frames = append(syncHead(out.frames, entity, []byte("*"), "delete"), "null}"...)
	r.end(out, start, t.audience, false)
}
