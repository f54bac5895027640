package rulecheck

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/publish"
	"github.com/oikion/orgcast/internal/route"
)

// Describe tells what the rules send. source is the file that they were read from.
func Describe(name string, rules *route.Rules, source []byte) *Report {
	r := &Report{Rules: name, SQL: []string{}, Problems: []Problem{}}
	if types := rules.Publish.SQL.Types; types != nil {
		r.SQL = append(r.SQL, *types...)
	} else {
		for _, t := range publish.DefaultSQLTypes() {
			r.SQL = append(r.SQL, t.String())
		}
	}
	lines := route.NewLines(source)
	r.Tables = append(r.Tables, organizations(rules, lines), memberships(rules, lines))
	if s := rules.Sessions; s != nil {
		r.Tables = append(r.Tables, Table{
			Table: qualify(rules, s.Table), Line: lines.Of("sessions"), Sends: []Send{}, Reads: "whose a cookie is, and until when; nothing of it is ever sent",
		})
	}
	for _, name := range slices.Sorted(maps.Keys(rules.Tables)) {
		r.Tables = append(r.Tables, describe(rules, name, lines))
	}
	slices.SortFunc(r.Tables, func(a, b Table) int { return strings.Compare(a.Table, b.Table) })
	return r
}

// send makes a send of an event type.
func send(t orgcast.EventType, what string, to []string, columns []Column) Send {
	return Send{Event: t.String(), Channel: t.Channel().String(), What: what, To: to, Roles: []string{}, Columns: columns}
}

func organizations(rules *route.Rules, lines route.Lines) Table {
	o := rules.Organizations
	t := Table{Table: qualify(rules, o.Table), Line: lines.Of("organizations"), Sends: []Send{}, Reads: "which organizations there are, and their names"}
	own := []string{o.ID}
	if len(o.Columns) > 0 {
		t.Sends = append(t.Sends, send(orgcast.OrganizationChange, "name, settings", own, columnsOf(o.Columns)))
	}
	if len(o.Billing.Columns) > 0 {
		billing := send(orgcast.OrganizationChange, "billing", own, columnsOf(o.Billing.Columns))
		billing.Roles = append(billing.Roles, o.Billing.Roles...)
		t.Sends = append(t.Sends, billing)
	}
	return t
}

func memberships(rules *route.Rules, lines route.Lines) Table {
	m := rules.Membership
	of := func(names ...string) (columns []Column) {
		for _, n := range names {
			columns = append(columns, Column{Column: n, As: n})
		}
		return columns
	}
	to := []string{m.Organization}
	return Table{
		Table: qualify(rules, m.Table), Line: lines.Of("membership"), Reads: "who belongs to which organization: access is decided by it",
		Sends: []Send{
			send(orgcast.MemberJoin, "", to, of(m.ID, m.User, m.Organization, m.Role)),
			send(orgcast.MemberLeave, "", to, of(m.ID, m.User, m.Organization, m.Role)),
			send(orgcast.OrganizationChange, "permissions", to, of(m.ID, m.User, m.Role)),
		},
	}
}

func describe(rules *route.Rules, name string, lines route.Lines) Table {
	rule := rules.Tables[name]
	t := Table{Table: qualify(rules, name), Line: lines.Of("tables", name), Sends: []Send{}}
	for _, child := range slices.Sorted(maps.Keys(rules.Tables)) {
		if slices.ContainsFunc(rules.Tables[child].Tenant, func(p route.Path) bool { return p.Table != "" && qualify(rules, p.Table) == t.Table }) {
			t.Reads = "whose the rows of other tables are"
			break
		}
	}
	to := paths(rules, rule.Tenant)
	switch rule.Event {
	case orgcast.PropertyUpdate.String():
		what, keys := "", keysOf(Column{Column: rule.ID, As: "propertyId"}, Column{Column: rule.CreatedBy, As: "updatedBy"})
		for _, p := range rule.Tenant {
			if rule.Part != "" && p.Column == rule.Part && p.Table != "" {
				what, keys = "as a part of its row of "+p.Table, keysOf(Column{Column: rule.Part, As: "propertyId"}, Column{Column: rule.ID, As: "the name among changes"})
			}
		}
		t.Sends = append(t.Sends, send(orgcast.PropertyUpdate, what, to, slices.Concat(keys, columnsOf(rule.Columns))))
	case orgcast.DataSync.String():
		t.Sends = append(t.Sends, send(orgcast.DataSync, rule.Entity, to, slices.Concat(keysOf(Column{Column: rule.ID, As: "entityId"}), columnsOf(rule.Columns))))
	case orgcast.UserActivity.String():
		t.Sends = append(t.Sends, send(orgcast.UserActivity, "", to, activityColumns(rule.Activity)))
	}
	for i := range t.Sends {
		t.Sends[i].Roles = append(t.Sends[i].Roles, rule.Roles...)
	}
	if n := rule.Notify; n != nil {
		notice := send(orgcast.NotificationNew, n.Category, to, []Column{{Column: n.User, As: "userId"}, {Column: n.Title, As: "title"}})
		notice.User, notice.Roles = n.User, append(notice.Roles, rule.Roles...)
		t.Sends = append(t.Sends, notice)
	}
	return t
}

// paths are the ways to an organization, each to its end.
func paths(rules *route.Rules, tenant []route.Path) (to []string) {
	for _, p := range tenant {
		if p.Table == "" {
			to = append(to, p.Column)
			continue
		}
		// The rules have no circle.
		for _, rest := range paths(rules, rules.Tables[named(rules, p.Table)].Tenant) {
			to = append(to, p.Column+" → "+p.Table+"."+rest)
		}
	}
	return to
}

// named is the name under which the file has a table.
func named(rules *route.Rules, table string) string {
	for name := range rules.Tables {
		if qualify(rules, name) == qualify(rules, table) {
			return name
		}
	}
	return table
}

// keysOf are the columns that name the row and its maker, whatever else leaves.
func keysOf(columns ...Column) []Column {
	return slices.DeleteFunc(columns, func(c Column) bool { return c.Column == "" })
}

func columnsOf(rules []route.ColumnRule) []Column {
	columns := make([]Column, 0, len(rules))
	for _, c := range rules {
		columns = append(columns, Column{Column: c.Column, As: cmp.Or(c.As, c.Column), Sensitive: c.Sensitive})
	}
	return columns
}

func activityColumns(a *route.ActivityRule) []Column {
	columns := []Column{
		{Column: a.User, As: "userId"}, {Column: a.Action, As: "action"}, {Column: a.ResourceType, As: "resource"}, {Column: a.ResourceID, As: "resource"},
	}
	for _, p := range a.Metadata.Paths {
		columns = append(columns, Column{Column: a.Metadata.Column + ": " + p, As: "metadata"})
	}
	return columns
}

// qualify puts the schema before a name that has none.
func qualify(rules *route.Rules, name string) string {
	if strings.Contains(name, ".") {
		return name
	}
	return rules.Schema + "." + name
}
