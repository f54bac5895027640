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
	open = is.moving || nobody || was.split || m.covered(is.organization)
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
