package rulecheck

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/oikion/orgcast/internal/pgtest"
	"github.com/oikion/orgcast/internal/route"
	"github.com/oikion/orgcast/internal/setup"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// configOf is what the database must have for the rules.
func configOf(db *pgtest.DB, rules *route.Rules) setup.Config {
	c := setup.Config{Publication: "orgcast", Slot: "orgcast_" + db.Name}
	for _, t := range rules.All() {
		c.Tables = append(c.Tables, setup.Table{
			Schema: t.Schema, Name: t.Name, Columns: t.Columns, Published: true, Read: t.Read, TenantOnly: t.TenantOnly, Membership: t.Membership,
		})
	}
	return c
}

// look holds a rule file against a database on which setup was run for the preset.
func look(t *testing.T, db *pgtest.DB, source string) *Report {
	t.Helper()
	rules, err := route.ParseRules([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	r := Describe("rules.yaml", rules, []byte(source))
	if err := r.Fit(t.Context(), db.Conn(t), rules, []byte(source), configOf(db, rules)); err != nil {
		t.Fatal(err)
	}
	return r
}

func preset(t *testing.T) string {
	t.Helper()
	source, err := route.PresetSource("oikion")
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// settled is the first application's database, set up for the preset.
func settled(t *testing.T, sql ...string) *pgtest.DB {
	t.Helper()
	db := pgtest.Database(t, append([]string{pgtest.OikionSchema()}, sql...)...)
	rules, err := route.ParseRules([]byte(preset(t)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := setup.Apply(t.Context(), db.Conn(t), configOf(db, rules)); err != nil {
		t.Fatal(err)
	}
	return db
}

func (r *Report) table(name string) *Table {
	for i := range r.Tables {
		if r.Tables[i].Table == name {
			return &r.Tables[i]
		}
	}
	return nil
}

func TestThePresetFitsAndIsToldWhole(t *testing.T) {
	r := look(t, settled(t), preset(t))
	if !r.Sound() || len(r.Problems) > 0 {
		t.Errorf("%+v", r.Problems)
	}
	if len(r.Tables) != 14 || r.Database == nil || r.Database.Version < 140000 {
		t.Errorf("%d tables, %+v", len(r.Tables), r.Database)
	}
	var text bytes.Buffer
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`
public.invitations
  sends     data.sync (invitation) on channel organization
    to      the organization of organizationId
    for     the roles ORG_OWNER, ADMIN
    columns id as entityId, id, email, role, status, expiresAt, invitedBy, created_at as createdAt, updated_at as updatedAt
  stays     token
  secrets   token: kept here
`, `
public.listings
  sends     property.update (as a part of its row of properties) on channel property
    to      the organization of propertyId → properties.organizationId
    for     every member
`, `
public.tasks
  sends     data.sync (task) on channel organization
    to      the organization of organizationId; propertyId → properties.organizationId; clientId → clients.organizationId
`, `
  sends     notification.new (task) on channel notifications
    to      the organization of organizationId; propertyId → properties.organizationId; clientId → clients.organizationId
    for     the user in assignedTo alone, if he is a member
    columns assignedTo as userId, title
`, `
public.organizations
  read for  which organizations there are, and their names
  sends     organization.change (name, settings) on channel organization
    to      the organization of id
    for     every member
    columns name, isPersonal
  sends     organization.change (billing) on channel organization
    to      the organization of id
    for     the roles ORG_OWNER, ADMIN
    columns plan
`, `
public.sessions
  read for  whose a cookie is, and until when; nothing of it is ever sent
  sends     nothing
`, "\nSound.\n", "Any database role may publish: notification.new, system.alert\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("missing:\n%s\nin:\n%s", want, &text)
		}
	}
	if s := r.table("public.properties").Sends[0]; s.Columns[2] != (Column{Column: "price", As: "price", Type: "numeric(12,2)"}) {
		t.Errorf("%+v", s.Columns)
	}
	var line bytes.Buffer
	if err := r.JSON(&line); err != nil || !json.Valid(line.Bytes()) || bytes.Count(line.Bytes(), []byte("\n")) != 1 {
		t.Errorf("JSON: %v\n%s", err, &line)
	}
}

func TestWhatCannotWorkIsToldWithLineAndCure(t *testing.T) {
	db := settled(t, `
		CREATE TYPE mood AS ENUM ('GOOD', 'BAD');
		CREATE DOMAIN mood_of_day AS mood;
		CREATE TABLE things (id text PRIMARY KEY, "orgNumber" int, "organizationId" text, mood mood_of_day, label text, code text, extra text,
			doubled text GENERATED ALWAYS AS (label || label) STORED);
		CREATE TABLE guarded (id text PRIMARY KEY, "organizationId" text, name text); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
		CREATE VIEW seen AS SELECT id, "organizationId" FROM things;
		CREATE TABLE logins (token text PRIMARY KEY, "userId" text, expires bigint);`)
	source := `version: 1
organizations: {table: organizations, id: id, name: name, billing: {columns: [plan], roles: [ORG_OWNER, BOSS]}}
membership: {table: organization_members, id: role, user: userId, organization: organizationId, role: role}
sessions: {table: logins, token: token, user: userId, expires: expires}
tables:
  things:
    event: property.update
    id: code
    tenant: [orgNumber]
    roles: [ADMIN, CHIEF]
    archive:
      - mood: GONE
      - mood: BAD
    columns:
      - label
      - mood
      - doubled
      - {column: labelKey, sensitive: true}
  guarded: {event: data.sync, entity: g, tenant: [organizationId], columns: [name]}
  seen: {event: data.sync, entity: s, tenant: [organizationId], columns: [id]}
  gone: {event: data.sync, entity: g, tenant: [organizationId], columns: [name]}
  activities:
    event: user.activity
    tenant: [organizationId]
    activity: {user: actorId, action: actionType, resourceType: entityType, resourceId: entityId, metadata: {column: actionType, paths: [a]}}
`
	r := look(t, db, source)
	var got []string
	for _, p := range r.Problems {
		if p.Hint == "" && !strings.Contains(p.Text, ":") {
			t.Errorf("no cure: %+v", p)
		}
		switch p.Code {
		case "table_not_published", "identity_not_full", "table_unmapped", "read_denied":
			continue // setup was run for other rules
		}
		got = append(got, fmt.Sprintf("%d %s %s %s", p.Line, p.Severity, p.Code, p.Place))
	}
	want := []string{
		"2 wrong role_unknown organizations.billing.roles[1]",
		"3 wrong id_not_unique membership.id",
		"4 wrong type_unfit sessions.expires",
		"8 wrong id_not_unique tables.things.id",
		"9 wrong key_types_differ tables.things.tenant[0]",
		"10 wrong role_unknown tables.things.roles[1]",
		"12 wrong archive_unknown tables.things.archive[0]",
		"17 fatal column_generated tables.things.columns[2]",
		"18 fatal column_missing tables.things.columns[3]",
		"18 warning sensitive_column tables.things.columns[3]",
		"19 fatal row_security tables.guarded",
		"20 fatal table_kind tables.seen",
		"20 wrong id_not_unique tables.seen.id",
		"21 fatal table_missing tables.gone",
		"25 wrong type_unfit tables.activities.activity.metadata.column",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var text bytes.Buffer
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"✗ rules.yaml:12: tables.things.archive[0]: public.things.mood can't become GONE: its type mood_of_day has no such label (archive_unknown)\n  → Write one of GOOD, BAD\n",
		"! rules.yaml:18: ", "\nNot sound: ",
	} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("missing %q in:\n%s", part, &text)
		}
	}
}

func TestADatabaseWithoutSetupIsToldSo(t *testing.T) {
	db := pgtest.Database(t, pgtest.OikionSchema())
	r := look(t, db, preset(t))
	if r.Sound() || !slices.ContainsFunc(r.Problems, func(p Problem) bool {
		return p.Code == "publication_missing" && strings.Contains(p.Hint, "orgcast setup")
	}) {
		t.Errorf("%+v", r.Problems)
	}
	for _, p := range r.Problems {
		if p.Severity == Wrong {
			t.Errorf("the rules are right: %+v", p)
		}
	}
}

func TestAFileThatIsRefusedIsToldWithItsLines(t *testing.T) {
	secret, _, _ := strings.Cut(strings.Replace(preset(t), "- email\n", "- resetToken\n", 1), "resetToken")
	for source, want := range map[string][]Problem{
		"version: 1\ntabels: {}\n":                                   {{Line: 2}},
		"version: 1\na: &a b\n":                                      {{Line: 2}},
		"version: 2\norganizations: {table: a}\n":                    {{Line: 1, Place: "version"}},
		strings.Replace(preset(t), "- email\n", "- resetToken\n", 1): {{Line: 1 + strings.Count(secret, "\n"), Place: "tables.clients.columns[2]"}},
	} {
		_, err := route.ParseRules([]byte(source))
		if err == nil {
			t.Fatalf("taken: %.60q", source)
		}
		r := Refused("rules.yaml", err)
		for _, w := range want {
			if r.Sound() || !slices.ContainsFunc(r.Problems, func(p Problem) bool {
				return p.Line == w.Line && p.Place == w.Place && p.Severity == Fatal && p.Text != ""
			}) {
				t.Errorf("%.60q: %+v, want line %d", source, r.Problems, w.Line)
			}
		}
		var text bytes.Buffer
		if err := r.Print(&text); err != nil || !strings.Contains(text.String(), fmt.Sprintf("✗ rules.yaml:%d: ", want[0].Line)) {
			t.Errorf("%v\n%s", err, &text)
		}
	}
}
