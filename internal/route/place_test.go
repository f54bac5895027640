package route

import (
	"errors"
	"testing"
)

func TestLinesAreThoseOfTheFile(t *testing.T) {
	source := []byte(`version: 1

organizations:
  table: organizations
membership: {table: m,
  id: id}
tables:
  # a comment
  public.notes:
    tenant:
      - organizationId
      - clientId: clients
    columns: [id,
      {content: text}, {column: key,
        sensitive: true}]
  clients:
    event: data.sync
`)
	lines := NewLines(source)
	for _, c := range []struct {
		path []any
		want int
	}{
		{[]any{"version"}, 1}, {[]any{"organizations"}, 3}, {[]any{"organizations", "table"}, 4}, {[]any{"membership", "id"}, 6},
		{[]any{"tables", "public.notes"}, 9}, {[]any{"tables", "public.notes", "tenant", 0}, 11}, {[]any{"tables", "public.notes", "tenant", 1}, 12},
		{[]any{"tables", "public.notes", "columns", 0}, 13}, {[]any{"tables", "public.notes", "columns", 1}, 14}, {[]any{"tables", "public.notes", "columns", 2}, 14},
		{[]any{"tables", "public.notes", "columns", 2, "sensitive"}, 15}, {[]any{"tables", "clients", "event"}, 17},
		{[]any{"tables", "clients", "columns", 7}, 16}, // the nearest that is there
		{[]any{"tables", "none"}, 7}, {[]any{"none"}, 0}, {nil, 0},
	} {
		if got := lines.Of(c.path...); got != c.want {
			t.Errorf("%v: line %d, want %d", c.path, got, c.want)
		}
	}
	for _, bad := range []string{"", "a: [", "- - -", "{[", "a: b: c"} {
		if got := NewLines([]byte(bad)).Of("a"); got > 1 {
			t.Errorf("%q: line %d", bad, got)
		}
	}
}

func TestAProblemSaysItsPlaceAndLine(t *testing.T) {
	for source, want := range map[string]Problem{
		rulesHead + "tables:\n  a:\n    event: member.join\n    tenant: [o]\n    columns: [x]\n": {Path: "tables.a.event", Line: 6},
		rulesHead + "tabels: {}\n": {Line: 4},
		"version: [1\n":            {Line: 1},
	} {
		_, err := ParseRules([]byte(source))
		p, ok := errors.AsType[*Problem](err)
		if !ok || p.Path != want.Path || p.Line != want.Line || p.Text == "" {
			t.Errorf("%q: %+v, %v", source, p, err)
		}
	}
}

func TestCredentialsAreKnownByName(t *testing.T) {
	for _, c := range []struct {
		table, column string
		looks, never  bool
	}{
		{"public.users", "password", true, true}, {"users", "name", false, false}, {"public.invitations", "token", true, true},
		{"public.sessions", "id", false, true}, {"a", "apiKey", true, false}, {"b.Accounts", "x", false, true},
	} {
		if looks, never := Credential(c.table, c.column); looks != c.looks || never != c.never {
			t.Errorf("%s.%s: looks %v, never %v", c.table, c.column, looks, never)
		}
	}
}
