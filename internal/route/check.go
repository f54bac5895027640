package route

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/oikion/orgcast"
)

// problem is something wrong in a rule file, at a YAML path.
type problem struct{ path, text string }

// Problem is something wrong in a rule file. [ParseRules] joins all of them.
type Problem struct {
	// Path is the member, as in "tables.a.columns[0]"; Line is where it stands,
	// from 1 on. Empty and 0 if that is not known.
	Path string
	Line int
	// Text is what is wrong, and the cure.
	Text string

	excerpt string
}

// Error prints the problem with the lines around it.
func (p *Problem) Error() string {
	if p.Path == "" {
		return "read rules: " + p.Text + p.excerpt
	}
	return "read rules: " + p.Path + ": " + p.Text + p.excerpt
}

// malformed is what the YAML itself is not, or a member that no rule file has.
func malformed(err error) error {
	p := &Problem{Text: strings.TrimSpace(yaml.FormatError(err, false, true))}
	if e, ok := errors.AsType[yaml.Error](err); ok && e.GetToken() != nil {
		p.Line = e.GetToken().Position.Line
		text, excerpt, _ := strings.Cut(p.Text, "\n")
		p.Text, p.excerpt = text, "\n"+excerpt
	}
	return p
}

// maxProblems is how many of them are shown: each costs a look through the file.
const maxProblems = 10

// describe turns problems into one error that shows each with its line.
func describe(source []byte, problems []problem) error {
	slices.SortStableFunc(problems, func(a, b problem) int { return cmp.Compare(a.path, b.path) })
	var errs []error
	for i, p := range problems {
		if i == maxProblems {
			errs = append(errs, fmt.Errorf("read rules: and %d more", len(problems)-i))
			break
		}
		text, line := excerpt(source, p.path)
		errs = append(errs, &Problem{strings.TrimPrefix(p.path, "$."), line, p.text, text})
	}
	return errors.Join(errs...)
}

// excerpt is the lines around a place, and its own.
func excerpt(source []byte, path string) (text string, line int) {
	p, err := yaml.PathString(path)
	if err != nil {
		return "", 0
	}
	annotated, err := p.AnnotateSource(source, false)
	if err != nil {
		return "", 0 // the place is one that is not there
	}
	if node, err := p.ReadNode(bytes.NewReader(source)); err == nil {
		line = node.GetToken().Position.Line
	}
	return "\n" + strings.TrimRight(string(annotated), "\n"), line
}

// deniedTables can't be enabled at all: every column of theirs is a credential
// or leads to one.
var deniedTables = []string{"accounts", "sessions", "verification_tokens", "account", "session", "verificationtoken", "verification_token"}

// deniedColumns can't be enabled at all.
var deniedColumns = []string{"users.password", "user.password", "invitations.token", "invitation.token"}

// secretWords make a column's name look like a secret.
var secretWords = []string{"pass", "secret", "token", "hash", "otp", "key", "iban"}

func looksSecret(column string) bool {
	column = strings.ToLower(column)
	return slices.ContainsFunc(secretWords, func(w string) bool { return strings.Contains(column, w) })
}

func (r *Rules) check() (problems []problem) {
	add := func(path, format string, args ...any) {
		problems = append(problems, problem{path, fmt.Sprintf(format, args...)})
	}
	identifier := func(path, name string) {
		switch {
		case name == "":
			add(path, "a name is missing: say which")
		case len(name) > maxName || strings.ContainsRune(name, 0):
			add(path, "%q is no name of PostgreSQL's (1 to %d bytes)", name, maxName)
		}
	}
	// place checks a table that is not among the tables, and its columns.
	place := func(path, table string, columns map[string]string) {
		r.checkName(path+".table", table, add)
		for _, member := range slices.Sorted(maps.Keys(columns)) {
			at, column := path+"."+member, columns[member]
			identifier(at, column)
			if denied(bareName(table), column) {
				add(at, "%s.%s can't be sent at all: name another", bareName(table), column)
			} else if looksSecret(column) {
				add(at, "%s looks like a secret: name another", column)
			}
		}
	}
	if strings.Contains(r.Schema, ".") || len(r.Schema) > maxName {
		add("$.schema", "%q is no name of PostgreSQL's (1 to %d bytes, no dot)", r.Schema, maxName)
	}
	if r.Version != 1 {
		add("$.version", "version %d of the rules is not known: write version: 1", r.Version)
	}
	o, m := r.Organizations, r.Membership
	place("$.organizations", o.Table, map[string]string{"id": o.ID, "name": o.Name})
	place("$.membership", m.Table, map[string]string{"id": m.ID, "user": m.User, "organization": m.Organization, "role": m.Role})
	if o.Table != "" && r.qualify(o.Table) == r.qualify(m.Table) {
		add("$.membership.table", "organizations and memberships can't be one table: name another")
	}
	r.checkSessions(add, identifier)
	r.checkChange(add)
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(r.Tables)) {
		path := "$.tables." + yamlKey(name)
		if r.qualify(name) == r.qualify(m.Table) || r.qualify(name) == r.qualify(r.Organizations.Table) || r.Sessions != nil && r.qualify(name) == r.qualify(r.Sessions.Table) {
			add(path, "this table has a place of its own above: take it out of tables")
			continue
		}
		if seen[r.qualify(name)] {
			add(path, "%s is named twice, with and without its schema: take one out", r.qualify(name))
		}
		seen[r.qualify(name)] = true
		r.checkName(path, name, add)
		r.checkTable(path, name, add)
	}
	if len(problems) == 0 {
		r.checkCycles(add)
	}
	return problems
}

// checkSessions checks the table of sessions. It and its token hold credentials,
// as they must: they are read, and have no way to be sent.
func (r *Rules) checkSessions(add addProblem, identifier func(path, name string)) {
	s := r.Sessions
	if s == nil {
		return
	}
	if _, ok := r.tableName("$.sessions.table", s.Table, add); ok && slices.Contains([]string{r.qualify(r.Organizations.Table), r.qualify(r.Membership.Table)}, r.qualify(s.Table)) {
		add("$.sessions.table", "sessions have a table of their own: name another")
	}
	identifier("$.sessions.token", s.Token)
	identifier("$.sessions.user", s.User)
	identifier("$.sessions.expires", s.Expires)
}

// checkName refuses what is no table's name, or no table's that may be used.
func (r *Rules) checkName(path, name string, add addProblem) {
	if bare, ok := r.tableName(path, name, add); ok && slices.Contains(deniedTables, strings.ToLower(bare)) {
		add(path, "%s holds credentials and can't be sent: take it out", bare)
	}
}

// tableName refuses what is no table's name.
func (r *Rules) tableName(path, name string, add addProblem) (bare string, ok bool) {
	schema, bare, _ := strings.Cut(r.qualify(name), ".")
	switch {
	case name == "":
		add(path, "a name is missing: say which")
	case schema == "" || bare == "" || len(schema) > maxName || len(bare) > maxName || strings.ContainsAny(bare, ".\x00"):
		add(path, "%q is no table's name: write table or schema.table", name)
	default:
		return bare, true
	}
	return "", false
}

// maxName is the longest name in PostgreSQL, in bytes.
const maxName = 63

// bareName is a table's name without its schema.
func bareName(name string) string {
	if _, bare, dotted := strings.Cut(name, "."); dotted {
		return bare
	}
	return name
}

// denied tells whether a column can't be sent, whatever the rules say.
func denied(table, column string) bool {
	return slices.Contains(deniedColumns, strings.ToLower(table+"."+column))
}

func (r *Rules) checkTable(path, name string, add addProblem) {
	t := r.Tables[name]
	bare := bareName(name)
	// Their values are sent as the row's id and as its maker.
	for member, column := range map[string]string{"id": t.ID, "createdBy": t.CreatedBy} {
		allowed := slices.ContainsFunc(t.Columns, func(c ColumnRule) bool { return c.Column == column && c.Sensitive })
		if denied(bare, column) || t.Event != "" && looksSecret(column) && !allowed {
			add(path+"."+member, "%s looks like a secret: name another column, or say {column: %s, sensitive: true} below columns", column, column)
		}
	}
	switch t.Event {
	case "":
		if len(t.Columns) > 0 || t.Entity != "" {
			add(path, "columns and entity need an event: property.update or data.sync")
		}
	case orgcast.UserActivity.String():
		if len(t.Columns) > 0 || t.Entity != "" {
			add(path, "a user.activity has neither columns nor entity: take them out, and name its columns below activity")
		}
	case orgcast.PropertyUpdate.String():
		if t.Entity != "" {
			add(path+".entity", "a property.update has no entity: take it out")
		}
	case orgcast.DataSync.String():
		if t.Entity == "" {
			add(path, "a data.sync needs an entity: the entityType that clients see")
		}
	default:
		add(path+".event", "a table's event is property.update, data.sync or user.activity")
	}
	if t.Event != "" && t.Event != orgcast.UserActivity.String() && len(t.Columns) == 0 {
		add(path, "no columns are named, so nothing could be sent: name them one by one")
	}
	if len(t.Tenant) == 0 {
		add(path, "no tenant path: name the column that holds the organization, or {column: parent table}")
	}
	for i, p := range t.Tenant {
		at := fmt.Sprintf("%s.tenant[%d]", path, i)
		if p.Column == "" {
			add(at, "a column is missing")
		}
		if p.Table != "" && !r.has(p.Table) {
			add(at, "the parent %s is not among the tables: add it (without event, if it is not to be sent)", p.Table)
		}
	}
	checkRLS(path, t.RLS, add)
	checkColumns(path+".columns", bare, t.Columns, map[string]bool{}, add)
	r.checkSpecial(path, name, &t, add)
}

func checkRLS(path, rls string, add func(path, format string, args ...any)) {
	if rls != "" && rls != tenantOnly {
		add(path+".rls", "rls is tenant_only or nothing: row-level security does not apply to the WAL")
	}
}

// checkCycles refuses tables that are each other's parents.
func (r *Rules) checkCycles(add addProblem) {
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(name string) bool
	visit = func(name string) bool {
		switch state[name] {
		case visiting:
			return false
		case done:
			return true
		}
		state[name] = visiting
		for _, p := range r.table(name).Tenant {
			if p.Table != "" && !visit(r.qualify(p.Table)) {
				return false
			}
		}
		state[name] = done
		return true
	}
	for _, name := range slices.Sorted(maps.Keys(r.Tables)) {
		if !visit(r.qualify(name)) {
			add("$.tables."+yamlKey(name)+".tenant", "this path leads back to its own table")
			return
		}
	}
}

// qualify puts the default schema before a name that has none.
func (r *Rules) qualify(name string) string {
	if strings.Contains(name, ".") {
		return name
	}
	return r.Schema + "." + name
}

func (r *Rules) has(name string) bool {
	for n := range r.Tables {
		if r.qualify(n) == r.qualify(name) {
			return true
		}
	}
	return false
}

func (r *Rules) table(qualified string) TableRule {
	for n, t := range r.Tables {
		if r.qualify(n) == qualified {
			return t
		}
	}
	return TableRule{}
}

// yamlKey quotes a key that a YAML path would split.
func yamlKey(name string) string {
	if strings.ContainsAny(name, ".[]*$'\" ") {
		return "'" + strings.ReplaceAll(name, "'", `\'`) + "'"
	}
	return name
}
