package route

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const rulesHead = `version: 1
organizations: {table: organizations, id: id, name: name}
membership: {table: organization_members, id: id, user: userId, organization: organizationId, role: role}
`

const activityHead = "tables:\n  a: {event: user.activity, tenant: [o], activity: {user: u, action: a, resourceType: t, resourceId: i, metadata: "

func TestRuleFilesAreRefusedWithLineAndCure(t *testing.T) {
	for name, test := range map[string]struct {
		source string
		want   []string // parts of the error
	}{
		"nothing":             {"", []string{"version: 1"}},
		"another version":     {"version: 2\n", []string{"version 2", "write version: 1", ">  1 | version: 2"}},
		"no YAML":             {"version: [1\n", []string{"[1:10]"}},
		"an unknown member":   {"version: 1\ntabels: {}\n", []string{"[2:1]", "tabels"}},
		"a member twice":      {"version: 1\nversion: 1\n", []string{"[2:1]", "already defined"}},
		"a table twice":       {rulesHead + "tables:\n  a: {tenant: [o]}\n  a: {tenant: [p]}\n", []string{"[6:3]", "already defined"}},
		"twice by its schema": {rulesHead + "tables:\n  a: {tenant: [o]}\n  public.a: {tenant: [p]}\n", []string{"public.a is named twice", "take one out"}},
		"two documents":       {rulesHead + "---\nversion: 1\n", []string{"line 4", "one document"}},
		"an alias":            {rulesHead + "tables:\n  a: &a {tenant: [o]}\n  b: *a\n", []string{"line 5", "write it out"}},
		"a long line":         {"version: 1 #" + strings.Repeat("x", maxLine), []string{"line 1", "break it"}},
		"many brackets":       {"version:\n" + strings.Repeat("[", 99), []string{"line 2", "close them"}},
		"a large file":        {strings.Repeat("# comment\n", MaxRules/10+1), []string{"more than 262144"}},
		"no membership":       {"version: 1\norganizations: {table: o, id: id, name: n}\n", []string{"membership.user", "a name is missing"}},
		"no event": {rulesHead + "tables:\n  a:\n    tenant: [o]\n    columns: [x]\n",
			[]string{"tables.a", "columns and entity need an event", "5 |   a:"}},
		"an unknown event": {rulesHead + "tables:\n  a:\n    event: member.join\n    tenant: [o]\n    columns: [x]\n",
			[]string{"tables.a.event", "property.update, data.sync or user.activity", ">  6 |     event: member.join"}},
		"no entity":            {rulesHead + "tables:\n  a: {event: data.sync, tenant: [o], columns: [x]}\n", []string{"needs an entity"}},
		"no columns":           {rulesHead + "tables:\n  a: {event: property.update, tenant: [o]}\n", []string{"name them one by one"}},
		"no tenant":            {rulesHead + "tables:\n  a: {event: property.update, columns: [x]}\n", []string{"no tenant path"}},
		"an unknown parent":    {rulesHead + "tables:\n  a:\n    tenant:\n      - x: b\n", []string{"the parent b is not among the tables", "add it"}},
		"a path of two":        {rulesHead + "tables:\n  a: {tenant: [{x: b, y: c}]}\n", []string{"a tenant path is"}},
		"its own parent":       {rulesHead + "tables:\n  a: {tenant: [{x: a}]}\n", []string{"leads back to its own table"}},
		"a circle":             {rulesHead + "tables:\n  a: {tenant: [{x: b}]}\n  b: {tenant: [{x: c}]}\n  c: {tenant: [{x: a}]}\n", []string{"leads back"}},
		"a table of passwords": {rulesHead + "tables:\n  public.Accounts: {event: data.sync, entity: a, tenant: [o], columns: [x]}\n", []string{"holds credentials", "take it out"}},
		"it as a parent":       {rulesHead + "tables:\n  a: {tenant: [{x: sessions}]}\n  sessions: {tenant: [o]}\n", []string{"holds credentials"}},
		"it as the members":    {strings.Replace(rulesHead, "organization_members", "sessions", 1), []string{"membership.table", "holds credentials"}},
		"a denied column": {rulesHead + "tables:\n  users: {event: data.sync, entity: u, tenant: [o], columns: [{column: password, sensitive: true}]}\n",
			[]string{"users.password can't be sent at all"}},
		"a denied role":     {strings.Replace(strings.Replace(rulesHead, "organization_members", "users", 1), "role: role", "role: password", 1), []string{"membership.role", "can't be sent at all"}},
		"a secret's name":   {rulesHead + "tables:\n  a: {event: data.sync, entity: a, tenant: [o], columns: [resetToken]}\n", []string{"resetToken looks like a secret", "{column: resetToken, sensitive: true}"}},
		"a secret renamed":  {rulesHead + "tables:\n  a: {event: data.sync, entity: a, tenant: [o], columns: [{pass_hash: greeting}]}\n", []string{"looks like a secret"}},
		"a secret as id":    {rulesHead + "tables:\n  a: {event: data.sync, entity: a, id: apiKey, tenant: [o], columns: [x]}\n", []string{"tables.a.id", "looks like a secret"}},
		"a secret as maker": {rulesHead + "tables:\n  a: {event: data.sync, entity: a, createdBy: iban, tenant: [o], columns: [x]}\n", []string{"tables.a.createdBy", "looks like a secret"}},
		"two of one name":   {rulesHead + "tables:\n  a: {event: data.sync, entity: a, tenant: [o], columns: [x, {y: x}]}\n", []string{"two columns are called x"}},
		"a column of two":   {rulesHead + "tables:\n  a: {event: data.sync, entity: a, tenant: [o], columns: [{x: y, z: w}]}\n", []string{"unknown or wrong member"}},
		"a column of what":  {rulesHead + "tables:\n  a: {event: data.sync, entity: a, tenant: [o], columns: [{x: 7}]}\n", []string{"is no text"}},
		"another rls":       {rulesHead + "tables:\n  a: {tenant: [o], rls: none}\n", []string{"tables.a.rls", "tenant_only"}},
		"a place of its own": {rulesHead + "tables:\n  organizations: {tenant: [id]}\n",
			[]string{"has a place of its own"}},
		"an organization's secret": {strings.Replace(rulesHead, "name: name", "name: name, columns: [apiKey]", 1), []string{"organizations.columns[0]", "looks like a secret"}},
		"a column for all and for some": {strings.Replace(rulesHead, "name: name", "name: name, columns: [plan], billing: {columns: [{plan: tariff}], roles: [A]}", 1),
			[]string{"billing.columns[0]", "plan is among columns too", "take one out"}},
		"roles for no billing":   {strings.Replace(rulesHead, "name: name", "name: name, billing: {roles: [A]}", 1), []string{"roles without columns"}},
		"an unknown type by SQL": {rulesHead + "publish:\n  sql:\n    types: [system.alarm]\n", []string{"publish.sql.types[0]", "no event type", "system.alert", ">  6 |     types: [system.alarm]"}},
		"a part of nothing":      {rulesHead + "tables:\n  a: {event: property.update, part: x, tenant: [o], columns: [y]}\n", []string{"tables.a.part", "x is no tenant path", "write tenant: [{x:"}},
		"a part of no property": {rulesHead + "tables:\n  a: {event: property.update, part: x, tenant: [{x: b}], columns: [y]}\n  b: {event: data.sync, entity: b, tenant: [o], columns: [y]}\n",
			[]string{"b is no table of properties"}},
		"a part of a part": {rulesHead + "tables:\n  a: {event: property.update, part: x, tenant: [{x: b}], columns: [y]}\n  b: {event: property.update, part: x, tenant: [{x: c}], columns: [y]}\n  c: {event: property.update, tenant: [o], columns: [y]}\n",
			[]string{"tables.a.part", "b is no table of properties"}},
		"a part that is synced":     {rulesHead + "tables:\n  a: {event: data.sync, entity: a, part: x, tenant: [o], columns: [y]}\n", []string{"tables.a.part", "only a property.update"}},
		"a part's maker":            {rulesHead + "tables:\n  a: {event: property.update, part: x, createdBy: z, tenant: [{x: b}], columns: [y]}\n  b: {event: property.update, tenant: [o], columns: [y]}\n", []string{"take createdBy out"}},
		"an archive of a sync":      {rulesHead + "tables:\n  a: {event: data.sync, entity: a, archive: [y], tenant: [o], columns: [y]}\n", []string{"tables.a.archive", "only a property.update"}},
		"an archive by a secret":    {rulesHead + "tables:\n  a: {event: property.update, archive: [{z: GONE}], tenant: [o], columns: [y]}\n", []string{"archive[0]", "z is not among columns"}},
		"an archive of two":         {rulesHead + "tables:\n  a: {event: property.update, archive: [{y: A, z: B}], tenant: [o], columns: [y]}\n", []string{"what archives a row is"}},
		"an archive by nothing":     {rulesHead + "tables:\n  a: {event: property.update, archive: [{y: \"\"}], tenant: [o], columns: [y]}\n", []string{"the value is missing"}},
		"an activity without any":   {rulesHead + "tables:\n  a: {event: user.activity, tenant: [o]}\n", []string{"a user.activity needs activity"}},
		"an activity's columns":     {rulesHead + "tables:\n  a: {event: user.activity, tenant: [o], columns: [x], activity: {user: u, action: a, resourceType: t, resourceId: i}}\n", []string{"neither columns nor entity"}},
		"half an activity":          {rulesHead + "tables:\n  a: {event: user.activity, tenant: [o], activity: {user: u, action: a, resourceType: t}}\n", []string{"resourceId is missing"}},
		"an activity's secret":      {rulesHead + "tables:\n  a: {event: user.activity, tenant: [o], activity: {user: u, action: passcode, resourceType: t, resourceId: i}}\n", []string{"activity.action", "looks like a secret"}},
		"an activity of a sync":     {rulesHead + "tables:\n  a: {event: data.sync, entity: a, tenant: [o], columns: [x], activity: {user: u}}\n", []string{"activity needs event: user.activity"}},
		"a payload whole":           {rulesHead + activityHead + "{column: p}}}\n", []string{"no paths are named"}},
		"a path without a column":   {rulesHead + activityHead + "{paths: [x]}}}\n", []string{"metadata.column is missing"}},
		"a path that is none":       {rulesHead + activityHead + "{column: p, paths: [x..y]}}}\n", []string{"paths[0]", "is no path"}},
		"a path to a secret":        {rulesHead + activityHead + "{column: p, paths: [user.apiKey]}}}\n", []string{"paths[0]", "looks like a secret"}},
		"a path in another":         {rulesHead + activityHead + "{column: p, paths: [a.b, x, a]}}}\n", []string{"paths[2]", "a.b and a are in each other"}},
		"a notice of a property":    {rulesHead + "tables:\n  a: {event: property.update, tenant: [o], columns: [x, y], notify: {user: x, title: y, category: c}}\n", []string{"notify needs event: data.sync"}},
		"a notice of what is kept":  {rulesHead + "tables:\n  a: {event: data.sync, entity: a, tenant: [o], columns: [x], notify: {user: x, title: y, category: c}}\n", []string{"user and title must be among columns"}},
		"a notice of no category":   {rulesHead + "tables:\n  a: {event: data.sync, entity: a, tenant: [o], columns: [x, y], notify: {user: x, title: y}}\n", []string{"a category is missing"}},
		"too long a name":           {rulesHead + "tables:\n  " + strings.Repeat("t", 64) + ": {tenant: [o]}\n", []string{"is no table's name"}},
		"too many dots":             {rulesHead + "tables:\n  a.b.c: {tenant: [o]}\n", []string{"is no table's name"}},
		"sessions without a column": {rulesHead + "sessions: {table: sessions, token: t, user: u}\n", []string{"sessions.expires", "a name is missing"}},
		"sessions of no table":      {rulesHead + "sessions: {table: a.b.c, token: t, user: u, expires: e}\n", []string{"sessions.table", "is no table's name"}},
		"sessions among members":    {rulesHead + "sessions: {table: public.organization_members, token: t, user: u, expires: e}\n", []string{"sessions.table", "a table of their own"}},
		"sessions that are sent": {rulesHead + "sessions: {table: logins, token: t, user: u, expires: e}\ntables:\n  logins: {event: data.sync, entity: l, tenant: [o], columns: [x]}\n",
			[]string{"tables.logins", "has a place of its own"}},
		"a dotted schema": {rulesHead + "schema: a.b\n", []string{"no dot"}},
		"one table for two": {strings.Replace(rulesHead, "organization_members", "public.organizations", 1),
			[]string{"can't be one table"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseRules([]byte(test.source))
			if err == nil {
				t.Fatal("taken")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in: %v", part, err)
				}
			}
		})
	}
}

func TestASensitiveColumnMaySayThatItIsNone(t *testing.T) {
	rules, err := ParseRules([]byte(rulesHead + "tables:\n  a: {event: data.sync, entity: a, id: key, tenant: [o], columns: [{column: key, as: name, sensitive: true}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := rules.Tables["a"].Columns[0]; got != (ColumnRule{Column: "key", As: "name", Sensitive: true}) {
		t.Errorf("got %+v", got)
	}
}

func TestThePresetParses(t *testing.T) {
	rules, err := Preset("oikion")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, table := range rules.All() {
		names = append(names, table.String())
	}
	want := []string{"activities", "addresses", "client_relationships", "clients", "interactions", "invitations", "listings", "media_assets",
		"notes", "organization_members", "organizations", "properties", "sessions", "tasks"}
	if got := strings.ReplaceAll(strings.Join(names, " "), "public.", ""); got != strings.Join(want, " ") {
		t.Errorf("got %q", names)
	}
	if _, err := Preset("nothing"); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("got %v", err)
	}
}

func TestEveryRuleIsInTheText(t *testing.T) {
	print := func(tables string) string {
		rules, err := ParseRules([]byte(rulesHead + "tables:\n" + tables))
		if err != nil {
			t.Fatal(err)
		}
		return rules.Text()
	}
	base := print("  a: {tenant: [o]}\n  b: {event: data.sync, entity: b, tenant: [x: a], columns: [y]}\n")
	if print("  b: {columns: [y], tenant: [x: a], entity: b, event: data.sync}\n  # the same\n  a: {tenant: [o]}\n") != base {
		t.Error("the same rules in another order are others")
	}
	for what, tables := range map[string]string{
		"a column":      "  a: {tenant: [o]}\n  b: {event: data.sync, entity: b, tenant: [x: a], columns: [y, z]}\n",
		"a name":        "  a: {tenant: [o]}\n  b: {event: data.sync, entity: b, tenant: [x: a], columns: [y: z]}\n",
		"an entity":     "  a: {tenant: [o]}\n  b: {event: data.sync, entity: c, tenant: [x: a], columns: [y]}\n",
		"roles":         "  a: {tenant: [o]}\n  b: {event: data.sync, entity: b, tenant: [x: a], columns: [y], roles: [ADMIN]}\n",
		"a tenant path": "  a: {tenant: [p]}\n  b: {event: data.sync, entity: b, tenant: [x: a], columns: [y]}\n",
	} {
		if print(tables) == base {
			t.Errorf("%s changed, the text did not", what)
		}
	}
}

func TestABadFileIsRefusedSoon(t *testing.T) {
	for name, source := range map[string]string{
		"dashes":   strings.Repeat(strings.Repeat("- ", 500)+"x\n", 50),
		"brackets": strings.Repeat("[", 15) + strings.Repeat("[],\n", 20000),
		"tables":   rulesHead + "tables:\n" + strings.Repeat("  a: {event: x}\n", 1000),
		"problems": rulesHead + "tables:\n  a:\n    tenant: [o]\n    columns:\n" + strings.Repeat("      - secret\n", 3000),
	} {
		begun := time.Now()
		if _, err := ParseRules([]byte(source)); err == nil {
			t.Errorf("%s: taken", name)
		} else if len(err.Error()) > 64<<10 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
		// Generous: the race detector is slow, a square of the length is slower.
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

// FuzzRules: no file panics, and what is taken is whole: every rule can be used,
// and nothing that can't be sent is in it.
func FuzzRules(f *testing.F) {
	preset, err := presets.ReadFile("preset/oikion.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{string(preset), smallRules, sessionRules, benchRules, rulesHead, "", "a: &a [*a]", "- - -", "{[", rulesHead + "tables: {a: null}", rulesHead + "tables:\n  a: {tenant: [{x: b}]}\n  b: {tenant: [o]}\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		rules, err := ParseRules(source)
		if err != nil {
			return
		}
		r := New(rules, nobody{}, Hooks{})
		want := len(rules.Tables) + 2
		if rules.Sessions != nil {
			want++
		}
		if len(r.tables) != want {
			t.Fatalf("%d tables of %d", len(r.tables), want)
		}
		for name, table := range rules.Tables {
			if len(table.Tenant) == 0 || table.ID == "" || slices.Contains(deniedTables, strings.ToLower(bareName(name))) {
				t.Fatalf("took %s: %+v", name, table)
			}
			for _, c := range table.Columns {
				if c.Column == "" || looksSecret(c.Column) && !c.Sensitive || denied(bareName(name), c.Column) {
					t.Fatalf("took %s.%s", name, c.Column)
				}
			}
		}
		for _, table := range rules.All() {
			if table.Schema == "" || table.Name == "" || len(table.String()) > 255 {
				t.Fatalf("took %q", table)
			}
		}
		_ = rules.Text()
	})
}
