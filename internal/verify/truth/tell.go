package truth

import "github.com/oikion/orgcast/internal/verify"

// tell says what a row's change is to whom.
func (m *Model) tell(t *table, c verify.Change, was, is owner) {
	if t.event == "user.activity" {
		if c.Kind == verify.Insert && is.organization != "" {
			m.activity(c.New, is.organization)
		}
		return
	}
	old, now := c.Old, c.New
	if now != nil {
		now = whole(c)
	}
	if c.Kind == verify.Update && !full(t, old) {
		return // the identity is not FULL: whose it was, nobody knows
	}
	may, why := is.lost, isLost // of the new version
	moves := was.moving || is.moving
	if moves {
		may, why = m.unsettled(t, was, is, old, now), movesAway
	} else {
		m.settled(t, was, is, old, now)
	}
	if t.name == "tasks" && m.assigns(c.Kind, was, is, old, now) {
		from := len(m.tx.facts)
		m.assigned(is.organization, now)
		m.may(from, may, why)
	}
	if old != nil {
		delete(m.tx.written, key{t.name, get(old, "id")})
	}
	if now != nil {
		if !moves && old != nil && !was.may && was.organization == is.organization {
			may = false // it is known from before
		}
		m.tx.written[key{t.name, get(now, "id")}] = written{is.organization, may}
	}
}

// Why something need not be heard.
const (
	movesAway = "a parent of the row moves in the transaction: whom the row concerns refetches"
	isLost    = "a parent of the row is gone when the transaction is over"
	unheard   = "whether the row was told of before is open"
)

// may marks the facts of the change at hand, from one on.
func (m *Model) may(from int, may bool, why string) {
	for i := from; may && i < len(m.tx.facts); i++ {
		m.tx.facts[i].May, m.tx.facts[i].Why = true, why
	}
}

// said says what became of a row, as its table's event has it.
func (m *Model) said(may bool, why string, t *table, organization, operation string, old, now verify.Row) {
	from := len(m.tx.facts)
	switch {
	case organization == "":
	case t.part:
		m.partOf(t, organization, operation, old, now)
	case t.event == "property.update":
		m.property(t, organization, operation, old, now)
	default:
		m.sync(t, organization, operation, old, now)
	}
	m.may(from, may, why)
}

// settled tells of a row none of whose parents moves.
func (m *Model) settled(t *table, was, is owner, old, now verify.Row) {
	switch {
	case old != nil && was.nobodys() || now != nil && is.nobodys():
		// Withheld: one of its versions is nobody's, for a reason that is no null.
	case old != nil && now != nil && was.organization == is.organization && same(old, now, "id"):
		open := was.may || was.orphan
		m.said(open || is.lost, isLost, t, is.organization, update, old, now)
		if open {
			m.said(true, unheard, t, is.organization, create, nil, now)
		}
	default:
		if old != nil {
			m.said(was.may || was.orphan, unheard, t, was.organization, remove, old, nil)
		}
		if now != nil {
			m.said(is.lost, isLost, t, is.organization, create, nil, now)
		}
	}
}

// unsettled tells of a row of which a parent moves in the transaction. That move
// stands for it: everybody whose it was and is refetches. So it need not be told,
// and can be told as new, as changed and as gone; but of its values nobody hears
// but whose it is at the commit. open says whether of the new version need not.
func (m *Model) unsettled(t *table, was, is owner, old, now verify.Row) (open bool) {
	nobody := old != nil && was.nobodys() || now != nil && is.organization == "" && !is.none
	if old != nil {
		former := was.former
		if !was.moving && was.organization != "" {
			former = []string{was.organization}
		}
		for _, o := range former {
			m.said(was.moving || was.may || nobody || m.covered(o), movesAway, t, o, remove, old, nil)
		}
	}
	if now == nil {
		return false
	}
	open = is.moving || nobody || m.covered(is.organization)
	m.said(open, movesAway, t, is.organization, create, nil, now)
	if open && old != nil {
		m.said(true, movesAway, t, is.organization, update, old, now)
	}
	return open
}

// assigns says whether a task has a new assignee, and is told.
func (m *Model) assigns(k verify.Kind, was, is owner, old, now verify.Row) bool {
	if k == verify.Delete || is.organization == "" || now["assignedTo"] == nil {
		return false
	}
	return k == verify.Insert || (was.organization != "" || was.moving) && !same(old, now, "assignedTo")
}

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

// assigned tells a member that a task is his now.
func (m *Model) assigned(organization string, task verify.Row) {
	user := get(task, "assignedTo")
	if user == "" || m.belongs[belonging{user, organization}] == 0 {
		return
	}
	var p object
	p.add("userId", quote(user))
	p.add("title", text.value(task["title"]))
	p.add("message", `""`)
	p.add("priority", `"medium"`)
	p.add("category", `"task"`)
	m.say(organization, "notification.new", fromRows, p.String()).Users = []string{user}
}
