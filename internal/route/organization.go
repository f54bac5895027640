package route

import "github.com/oikion/orgcast"

// What an organization.change is about, beside a member's role: each kind is an
// event of its own, with the sub-index of its number, whatever else changed.
const (
	changeName = iota
	changeSettings
	changeBilling
	changeTypes
)

var changeTypeNames = [changeTypes]string{changeName: "name", changeSettings: "settings", changeBilling: "billing"}

// OrganizationChange is an organization that begins, or ends.
type OrganizationChange struct {
	ID     orgcast.OrganizationID
	Begins bool
}

// organization keeps which organizations there are and their names, and tells
// what changed of one.
func (r *Router) organization(b *binding, c *orgcast.Change, out *Output) {
	if c.Old != nil && c.Old[b.id].Kind == orgcast.Text {
		old := c.Old[b.id].Text
		if c.New == nil || c.New[b.id].Kind == orgcast.Text && string(c.New[b.id].Text) != string(old) {
			delete(r.organizations, orgcast.OrganizationID(old))
			out.Organizations = append(out.Organizations, OrganizationChange{ID: orgcast.OrganizationID(old)})
			out.set(orgcast.SpaceOrganizations, func(k []byte) []byte { return append(k, old...) }, nil)
		}
	}
	if c.New != nil && c.New[b.id].Kind == orgcast.Text && sent(&c.New[b.title]) {
		if _, known := r.organizations[orgcast.OrganizationID(c.New[b.id].Text)]; !known {
			id := orgcast.OrganizationID(c.New[b.id].Text)
			r.organizations[id] = struct{}{}
			out.Organizations = append(out.Organizations, OrganizationChange{ID: id, Begins: true})
		}
		out.set(orgcast.SpaceOrganizations,
			func(k []byte) []byte { return append(k, c.New[b.id].Text...) },
			func(v []byte) []byte { return append(v, c.New[b.title].Text...) })
	}
	if c.Operation == orgcast.Update {
		r.organizationChange(b, c, out)
	}
}

func (r *Router) organizationChange(b *binding, c *orgcast.Change, out *Output) {
	if len(b.changes[changeName])+len(b.changes[changeSettings])+len(b.changes[changeBilling]) == 0 {
		return // nothing may be told
	}
	switch {
	case c.Old == nil || c.OldIsKey: // which columns differ would be a guess
		r.withhold(b.table, ReasonNoOldRow)
		return
	case !isKey(&c.New[b.id]) || len(c.New[b.id].Text) == 0:
		r.withhold(b.table, ReasonNoKey)
		return
	}
	organization, reason := r.organizationID(c.New[b.id].Text)
	if reason != "" {
		r.withhold(b.table, reason)
		return
	}
	for kind, columns := range b.changes {
		if !r.differs(columns, c) {
			continue
		}
		audience := orgcast.Audience{}
		if kind == changeBilling {
			audience.Roles = r.rules.Organizations.Billing.Roles
		}
		r.fit(out, func(full bool) {
			start := r.begin(out, c.Ordinal, uint64(kind), organization, orgcast.OrganizationChange)
			f := append(out.frames, `{"organizationId":`...)
			f = append(f, r.head.quoted...)
			f = append(f, `,"changeType":"`...)
			f = append(append(f, changeTypeNames[kind]...), `","changes":{`...)
			if full {
				f = r.appendChanged(f, columns, c)
			}
			f = append(f, `},"updatedBy":`...)
			f = r.appendActor(f, organization)
			out.frames = append(f, '}')
			r.end(out, start, audience, !full)
		})
	}
}
