package truth

import "github.com/oikion/orgcast/internal/verify"

// The operations.
const (
	create  = "create"
	update  = "update"
	archive = "archive"
	remove  = "delete"
)

func (m *Model) activity(r verify.Row, organization string) {
	var p object
	p.add("userId", text.value(r["actorId"]))
	p.add("action", text.value(r["actionType"]))
	p.add("resource", quote(get(r, "entityType")+":"+get(r, "entityId")))
	m.say(organization, "user.activity", fromRows, p.String())
}

// differing are the columns, of those that may leave, whose value differs.
func (t *table) differing(old, now verify.Row) (all []column) {
	for _, c := range t.columns {
		if _, there := now[c.name]; there && !same(old, now, c.name) {
			all = append(all, c)
		}
	}
	return all
}

// there are the columns that a row has, of those that may leave.
func (t *table) there(r verify.Row) (all []column) {
	for _, c := range t.columns {
		if _, ok := r[c.name]; ok {
			all = append(all, c)
		}
	}
	return all
}

// changes is `{column: {new, old}}`; without an old row new alone.
func changes(columns []column, old, now verify.Row) string {
	var all object
	for _, c := range columns {
		var one object
		one.add("new", c.kind.value(now[c.name]))
		if old != nil {
			one.add("old", c.kind.value(old[c.name]))
		}
		all.add(c.wire, one.String())
	}
	return all.String()
}

// property says what became of a row of properties.
func (m *Model) property(t *table, organization, operation string, old, now verify.Row) {
	r := now
	if r == nil {
		r = old
	}
	by := m.by(organization)
	var p object
	switch operation {
	case create:
		p.add("changes", changes(t.there(now), nil, now))
		if m.tx.actor == "" {
			by = text.value(now["createdBy"])
		}
	case update:
		differ := t.differing(old, now)
		if len(differ) == 0 {
			return
		}
		p.add("changes", changes(differ, old, now))
		p.add("updatedFields", list(wires("", differ)))
	}
	p.add("propertyId", text.value(r["id"]))
	p.add("organizationId", quote(organization))
	p.add("operation", quote(operation))
	p.add("updatedBy", by)
	m.say(organization, t.event, fromRows, p.String())
}

func wires(prefix string, columns []column) (all []string) {
	for _, c := range columns {
		all = append(all, prefix+c.wire)
	}
	return all
}

// partOf says what became of a property's part.
func (m *Model) partOf(t *table, organization, operation string, old, now verify.Row) {
	if operation == update && !same(old, now, "propertyId") {
		m.partOf(t, organization, remove, old, nil)
		m.partOf(t, organization, create, nil, now)
		return
	}
	r, verb := now, update
	fields := []string{t.name}
	what := `{"new":null}`
	switch operation {
	case remove:
		r = old
		property := key{"properties", get(old, "propertyId")}
		switch {
		case m.tx.deleted[property] && m.tx.parents[property] != nil && !m.tx.parents[property].gone:
			defer m.may(len(m.tx.facts), true, "its property is deleted, and made again, in the transaction")
		case m.tx.gone[property]:
			return
		}
	case create:
		all := t.there(now)
		fields, what = wires(t.name+".", all), changes(all, nil, now)
	case update:
		differ := t.differing(old, now)
		if len(differ) == 0 {
			return
		}
		fields, what = wires(t.name+".", differ), changes(differ, old, now)
		if t.archived(old, now) {
			verb = archive
		}
	}
	var one, p object
	one.add(t.name+"."+get(r, "id"), what)
	p.add("changes", one.String())
	p.add("updatedFields", list(fields))
	p.add("propertyId", text.value(r["propertyId"]))
	p.add("organizationId", quote(organization))
	p.add("operation", quote(verb))
	p.add("updatedBy", m.by(organization))
	m.say(organization, t.event, fromRows, p.String())
}

// archived says whether a listing becomes ARCHIVED, or its archivedAt leaves null.
func (t *table) archived(old, now verify.Row) bool {
	if t.name != "listings" {
		return false
	}
	return get(now, "marketingStatus") == "ARCHIVED" && !same(old, now, "marketingStatus") || old["archivedAt"] == nil && now["archivedAt"] != nil
}

// sync says what became of a row that is told whole.
func (m *Model) sync(t *table, organization, operation string, old, now verify.Row) {
	r := now
	if r == nil {
		r = old
	}
	var p object
	if operation == update && len(t.differing(old, now)) == 0 {
		return
	}
	p.add("entityType", quote(t.entity))
	p.add("entityId", text.value(r["id"]))
	p.add("operation", quote(operation))
	if now == nil {
		p.add("data", "null")
	} else {
		var data object
		var unchanged []string
		for _, c := range t.columns {
			if v, there := now[c.name]; there {
				data.add(c.wire, c.kind.value(v))
			} else {
				unchanged = append(unchanged, c.wire)
			}
		}
		p.add("data", data.String())
		if unchanged != nil {
			p.add("unchanged", list(unchanged))
		}
	}
	m.say(organization, t.event, fromRows, p.String()).Roles = t.roles
}
