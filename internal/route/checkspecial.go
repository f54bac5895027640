package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/oikion/orgcast"
)

// addProblem notes what is wrong at a place of the file.
type addProblem = func(path, format string, args ...any)

// checkColumns checks columns that may leave. seen are the names on the wire
// that are taken.
func checkColumns(path, table string, columns []ColumnRule, seen map[string]bool, add addProblem) {
	for i, c := range columns {
		at := fmt.Sprintf("%s[%d]", path, i)
		out := cmp.Or(c.As, c.Column)
		switch {
		case c.Column == "" || len(c.Column) > maxName:
			add(at, "a column's name has 1 to %d bytes", maxName)
		case denied(table, c.Column):
			add(at, "%s.%s can't be sent at all: take it out", table, c.Column)
		case looksSecret(c.Column) && !c.Sensitive:
			add(at, "%s looks like a secret: take it out, or say {column: %s, sensitive: true}", c.Column, c.Column)
		case seen[out]:
			add(at, "two columns are called %s on the wire", out)
		}
		seen[out] = true
	}
}

// checkChange checks what an organization.change tells of.
func (r *Rules) checkChange(add addProblem) {
	o, seen := r.Organizations, map[string]bool{}
	table := bareName(o.Table)
	checkColumns("$.organizations.columns", table, o.Columns, seen, add)
	checkColumns("$.organizations.billing.columns", table, o.Billing.Columns, seen, add)
	for i, c := range o.Billing.Columns {
		if slices.ContainsFunc(o.Columns, func(other ColumnRule) bool { return other.Column == c.Column }) {
			add(fmt.Sprintf("$.organizations.billing.columns[%d]", i), "%s is among columns too, where every member sees it: take one out", c.Column)
		}
	}
	if len(o.Billing.Roles) > 0 && len(o.Billing.Columns) == 0 {
		add("$.organizations.billing", "roles without columns: name those that they alone may see")
	}
	if r.Publish.SQL.Types == nil {
		return
	}
	for i, name := range *r.Publish.SQL.Types {
		if _, ok := orgcast.ParseEventType(name); !ok {
			add(fmt.Sprintf("$.publish.sql.types[%d]", i), "%q is no event type: they are %s", name, orgcast.EventTypeNames())
		}
	}
}

// checkSpecial checks what only some events have: part, archive, activity and
// notify.
func (r *Rules) checkSpecial(path, name string, t *TableRule, add addProblem) {
	isProperty := t.Event == orgcast.PropertyUpdate.String()
	if t.Part != "" {
		r.checkPart(path+".part", t, add)
	}
	if len(t.Archive) > 0 && !isProperty {
		add(path+".archive", "only a property.update can be an archive: take it out")
	}
	for i, a := range t.Archive {
		if !hasColumn(t.Columns, a.Column) {
			add(fmt.Sprintf("%s.archive[%d]", path, i), "%s is not among columns, so that nothing may be told by it: name it there", a.Column)
		}
	}
	isActivity := t.Event == orgcast.UserActivity.String()
	switch {
	case isActivity && t.Activity == nil:
		add(path, "a user.activity needs activity: which columns are user, action, resourceType and resourceId")
	case isActivity:
		checkActivity(path+".activity", bareName(name), t.Activity, add)
	case t.Activity != nil:
		add(path+".activity", "activity needs event: user.activity")
	}
	if n := t.Notify; n != nil {
		switch {
		case t.Event != orgcast.DataSync.String():
			add(path+".notify", "notify needs event: data.sync")
		case !hasColumn(t.Columns, n.User) || !hasColumn(t.Columns, n.Title):
			add(path+".notify", "user and title must be among columns: what is told to one must be allowed to leave")
		case n.Category == "" || len(n.Category) > maxCategory:
			add(path+".notify", "a category is missing, or longer than %d bytes: say which", maxCategory)
		}
	}
}

// maxCategory is the longest category of a notification, in bytes.
const maxCategory = 100

func hasColumn(columns []ColumnRule, name string) bool {
	return slices.ContainsFunc(columns, func(c ColumnRule) bool { return c.Column == name })
}

// checkPart: whose property a part is of must be said by a tenant path.
func (r *Rules) checkPart(path string, t *TableRule, add addProblem) {
	if t.Event != orgcast.PropertyUpdate.String() {
		add(path, "only a property.update can be of a part: take it out")
		return
	}
	if t.CreatedBy != "" {
		add(path, "a part is never a create, so that createdBy says nothing: take createdBy out")
	}
	for _, p := range t.Tenant {
		if p.Column != t.Part || p.Table == "" {
			continue
		}
		if whole := r.table(r.qualify(p.Table)); whole.Event != orgcast.PropertyUpdate.String() || whole.Part != "" {
			add(path, "%s is no table of properties: give it the event property.update, without part", p.Table)
		}
		return
	}
	add(path, "%s is no tenant path to a parent: write tenant: [{%s: the table of properties}]", t.Part, t.Part)
}

func checkActivity(path, table string, a *ActivityRule, add addProblem) {
	check := func(member, column string) {
		switch {
		case column == "":
			add(path, "%s is missing: name its column", member)
		case len(column) > maxName:
			add(path+"."+member, "a column's name has 1 to %d bytes", maxName)
		case denied(table, column) || looksSecret(column):
			add(path+"."+member, "%s looks like a secret: name another column", column)
		}
	}
	check("user", a.User)
	check("action", a.Action)
	check("resourceType", a.ResourceType)
	check("resourceId", a.ResourceID)
	m := a.Metadata
	if m.Column == "" && len(m.Paths) == 0 {
		return
	}
	check("metadata.column", m.Column)
	if len(m.Paths) == 0 {
		add(path+".metadata", "no paths are named, so nothing could be sent: name them one by one")
	}
	for i, p := range m.Paths {
		at := fmt.Sprintf("%s.metadata.paths[%d]", path, i)
		names := strings.Split(p, ".")
		switch {
		case len(names) > maxPathNames || slices.Contains(names, "") || len(p) > maxPath:
			add(at, "%q is no path: write member or member.member, at most %d of them and %d bytes", p, maxPathNames, maxPath)
		case slices.ContainsFunc(names, looksSecret):
			add(at, "%s looks like a secret: take it out", p)
		}
		for _, other := range m.Paths[:i] {
			if p == other || strings.HasPrefix(p, other+".") || strings.HasPrefix(other, p+".") {
				add(at, "%s and %s are in each other: take one out", other, p)
			}
		}
	}
}

// The bounds of one path into a JSON column.
const (
	maxPathNames = 8
	maxPath      = 200
)
