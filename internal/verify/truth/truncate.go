package truth

import (
	"maps"
	"slices"

	"github.com/oikion/orgcast/internal/verify"
)

// truncate is one TRUNCATE, of all the tables that it empties.
func (m *Model) truncate(names []string) {
	with, hung := map[string]bool{}, false
	for _, n := range names {
		with[n] = true
	}
	for _, n := range names {
		switch n {
		case "organization_members":
			for id := range m.present {
				m.leave(m.place(), id)
			}
			continue
		case "organizations":
			clear(m.organizations)
			continue
		}
		t := tables[n]
		if t == nil || t.event == "user.activity" || t.part && with["properties"] {
			continue
		}
		if t.parent {
			// With what hangs on them.
			clear(m.parents[n])
			maps.DeleteFunc(m.tx.gone, func(k key, _ bool) bool { return k.table == n })
			hung = hung || m.hungOn(n)
		}
		entity := t.entity
		if entity == "" {
			entity = t.name
		}
		if t.name == "properties" {
			entity = "property"
		}
		var p object
		p.add("entityType", quote(entity))
		p.add("entityId", `"*"`)
		p.add("operation", quote(remove))
		p.add("data", "null")
		m.say(everyone, "data.sync", fromRows, p.String()).Roles = t.roles
	}
	if hung {
		f := m.say(everyone, "reset", fromRows, "")
		f.May, f.Why = true, "whose the rows before it were depends on what it empties"
	}
}

// hungOn says whether the transaction has written rows of a table that hangs on a
// parent table.
func (m *Model) hungOn(parent string) bool {
	return slices.ContainsFunc(m.tx.Changes[:m.tx.ordinal], func(c verify.Change) bool {
		t := tables[c.Table]
		return t != nil && slices.ContainsFunc(t.paths, func(p path) bool { return p.parent == parent })
	})
}
