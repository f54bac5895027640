package truth

import (
	"slices"

	"github.com/oikion/orgcast/internal/verify"
)

// Members are the memberships of which the model knows, in the order of their
// beginnings.
func (m *Model) Members() []verify.Member {
	all := slices.Clone(m.members)
	for i := range all {
		all[i].Roles = slices.Clone(all[i].Roles)
	}
	return all
}

// place is where the change at hand stands.
func (m *Model) place() verify.Place {
	return verify.Place{LSN: m.tx.LSN, Index: m.tx.ordinal * 8}
}

func (m *Model) join(at verify.Place, r Membership) {
	m.present[r.ID] = len(m.members)
	m.belong(belonging{r.User, r.Organization}, 1)
	m.members = append(m.members, verify.Member{
		User: r.User, Organization: r.Organization, ID: r.ID, From: at, Roles: []verify.Role{{From: at, Name: r.Role}},
	})
}

func (m *Model) leave(at verify.Place, id string) {
	i, ok := m.present[id]
	if !ok {
		return
	}
	delete(m.present, id)
	m.members[i].To = at
	m.belong(belonging{m.members[i].User, m.members[i].Organization}, -1)
}

func membershipOf(r verify.Row) Membership {
	return Membership{get(r, "id"), get(r, "userId"), get(r, "organizationId"), get(r, "role")}
}

// member is a change of the table that says who belongs where.
func (m *Model) member(c verify.Change) {
	now := membershipOf(whole(c))
	switch c.Kind {
	case verify.Insert:
		m.joined(now)
	case verify.Delete:
		m.left(get(c.Old, "id"))
	case verify.Update:
		id := now.ID
		if old, ok := c.Old["id"]; ok && old != nil {
			id = *old
		}
		i, ok := m.present[id]
		if !ok {
			return
		}
		was := &m.members[i]
		if id != now.ID && was.User == now.User && was.Organization == now.Organization {
			// The membership goes on; nobody is told of its new key.
			delete(m.present, id)
			m.present[now.ID], was.ID = i, now.ID
		}
		switch {
		case was.User != now.User || was.Organization != now.Organization:
			m.left(id)
			m.joined(now)
		case was.Roles[len(was.Roles)-1].Name != now.Role:
			was.Roles = append(was.Roles, verify.Role{From: m.place(), Name: now.Role})
			var what object
			what.add("memberId", quote(now.ID))
			what.add("userId", quote(now.User))
			what.add("role", quote(now.Role))
			m.changed(now.Organization, "permissions", what.String())
		}
	}
}

func (m *Model) joined(r Membership) {
	p := who(r)
	p.add("role", quote(r.Role))
	p.add("invitedBy", m.by(r.Organization))
	m.join(m.place(), r)
	m.say(r.Organization, "member.join", fromRows, p.String())
}

func (m *Model) left(id string) {
	i, ok := m.present[id]
	if !ok {
		return
	}
	was := m.members[i]
	m.leave(m.place(), id)
	m.say(was.Organization, "member.leave", fromRows, who(Membership{ID: was.ID, User: was.User, Organization: was.Organization}).String())
}

func who(r Membership) (p object) {
	p.add("memberId", quote(r.ID))
	p.add("userId", quote(r.User))
	p.add("organizationId", quote(r.Organization))
	return p
}

// organization is a change of the table of organizations.
func (m *Model) organization(c verify.Change) {
	old, now := c.Old, c.New
	if old != nil {
		delete(m.organizations, get(old, "id"))
	}
	if now == nil {
		return
	}
	now = whole(c)
	id := get(now, "id")
	m.organizations[id] = get(now, "name")
	if c.Kind != verify.Update || !same(old, now, "id") {
		return
	}
	for _, k := range []struct {
		kind   string
		column column
		roles  []string
	}{
		{"name", column{"name", "name", text}, nil},
		{"settings", column{"isPersonal", "isPersonal", boolean}, nil},
		{"billing", column{"plan", "plan", text}, bosses},
	} {
		if _, there := old[k.column.name]; !there || same(old, now, k.column.name) {
			continue
		}
		m.changed(id, k.kind, changes([]column{k.column}, old, now)).Roles = k.roles
	}
}

func (m *Model) changed(organization, kind, what string) *verify.Fact {
	var p object
	p.add("organizationId", quote(organization))
	p.add("changeType", quote(kind))
	p.add("changes", what)
	p.add("updatedBy", m.by(organization))
	return m.say(organization, "organization.change", fromRows, p.String())
}

// by is the transaction's actor, if he was a member before it; else null.
func (m *Model) by(organization string) string {
	b := belonging{m.tx.actor, organization}
	n, changed := m.tx.belonged[b]
	if !changed {
		n = m.belongs[b]
	}
	if m.tx.actor == "" || n == 0 {
		return "null"
	}
	return quote(m.tx.actor)
}

// belong counts one more or less of the rows that say that a user belongs.
func (m *Model) belong(b belonging, more int) {
	if m.tx != nil {
		if _, ok := m.tx.belonged[b]; !ok {
			m.tx.belonged[b] = m.belongs[b]
		}
	}
	if m.belongs[b] += more; m.belongs[b] == 0 {
		delete(m.belongs, b)
	}
}
