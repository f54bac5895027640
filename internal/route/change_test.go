package route

import "testing"

func TestRulesNarrowOrTheyMayWiden(t *testing.T) {
	parse := func(tables string) *Rules {
		rules, err := ParseRules([]byte(rulesHead + "tables:\n" + tables))
		if err != nil {
			t.Fatal(err)
		}
		return rules
	}
	const (
		a = "  a: {tenant: [o]}\n"
		b = "  b: {event: data.sync, entity: b, tenant: [x: a], columns: [id, y, z]}\n"
		c = "  c: {event: data.sync, entity: c, tenant: [o], columns: [y], roles: [ADMIN, AGENT]}\n"
	)
	before := parse(a + b + c)
	for _, tt := range []struct {
		name, tables   string
		narrows, state bool // and whether the state is the same
	}{
		{"the same", c + b + a, true, true},
		{"a table less", a + b, true, true},
		{"a column less", a + c + "  b: {event: data.sync, entity: b, tenant: [x: a], columns: [id, z]}\n", true, true},
		{"a role less", a + b + "  c: {event: data.sync, entity: c, tenant: [o], columns: [y], roles: [ADMIN]}\n", true, true},
		{"no roles are all", a + b + "  c: {event: data.sync, entity: c, tenant: [o], columns: [y]}\n", false, true},
		{"another role", a + b + "  c: {event: data.sync, entity: c, tenant: [o], columns: [y], roles: [OWNER]}\n", false, true},
		{"a table more", a + b + c + "  d: {event: data.sync, entity: d, tenant: [o], columns: [y]}\n", false, true},
		{"a column more", a + c + "  b: {event: data.sync, entity: b, tenant: [x: a], columns: [id, y, z, w]}\n", false, true},
		{"another name", a + c + "  b: {event: data.sync, entity: b, tenant: [x: a], columns: [id, y, z: w]}\n", false, true},
		{"another path", a + c + "  b: {event: data.sync, entity: b, tenant: [o], columns: [id, y, z]}\n", false, false},
		{"another parent", a + b + c + "  d: {event: data.sync, entity: d, tenant: [x: c], columns: [y]}\n", false, false},
		{"a parent's path", "  a: {tenant: [p]}\n" + b + c, false, false},
	} {
		now := parse(tt.tables)
		if got := now.Narrows(before.Text()); got != tt.narrows {
			t.Errorf("%s: narrows is %v", tt.name, got)
		}
		if got := now.State() == before.State(); got != tt.state {
			t.Errorf("%s: the state is the same is %v", tt.name, got)
		}
	}
	for _, text := range []string{"", "{}", "x", `{"Version":1}`} {
		if before.Narrows(text) {
			t.Errorf("they narrow %q", text)
		}
	}
}
