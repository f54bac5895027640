package feed

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
	"github.com/oikion/orgcast/internal/pgtest"
	"github.com/oikion/orgcast/internal/route"
)

var tenantKeys = []string{"1", "2", "3"}

// way draws what a column of a way says.
func (a *tenants) way(t *tenantTable, w wayOf) any {
	choices := tenantKeys
	if w.parent == "" {
		choices = []string{"a", "aa", "b"}
	}
	if t.nullable {
		choices = append([]string{""}, choices...)
	}
	if s := rapid.SampledFrom(choices).Draw(a.t, w.column); s != "" {
		return s
	}
	return nil
}

// insert makes a row, unless its key is taken. parent, if not empty, is the key
// that it says of every parent.
func (a *tenants) insert(t *tenantTable, key, parent string) error {
	columns, marks, values := "id, v", "$1::text, ''", []any{key}
	for _, w := range t.ways {
		value := a.way(t, w)
		if w.parent != "" && parent != "" {
			value = parent
		}
		values = append(values, value)
		columns += ", " + w.column
		marks += fmt.Sprintf(", $%d::text", len(values))
	}
	return a.try(fmt.Sprintf("INSERT INTO app.%[1]s (%[2]s) SELECT %[3]s WHERE NOT EXISTS (SELECT FROM app.%[1]s WHERE id = $1)", t.name, columns, marks), values...)
}

// move gives rows other ways.
func (a *tenants) move(t *tenantTable, key string) error {
	set, values := "v = ''", []any{key}
	for _, w := range t.ways {
		values = append(values, a.way(t, w))
		set += fmt.Sprintf(", %s = $%d", w.column, len(values))
	}
	return a.try(fmt.Sprintf("UPDATE app.%s SET %s WHERE id = $1", t.name, set), values...)
}

// step does something at random. PostgreSQL may refuse it.
func (a *tenants) step() error {
	t := &a.tables[rapid.IntRange(0, len(a.tables)-1).Draw(a.t, "table")]
	key := rapid.SampledFrom(tenantKeys).Draw(a.t, "key")
	remove := fmt.Sprintf("DELETE FROM app.%s WHERE id = '%s'", t.name, key)
	switch rapid.SampledFrom([]string{"insert", "insert", "insert", "touch", "move", "move", "rename", "all", "delete", "again", "child first"}).Draw(a.t, "what") {
	case "insert":
		return a.insert(t, key, "")
	case "touch":
		return a.try(fmt.Sprintf("UPDATE app.%s SET v = '' WHERE id = '%s'", t.name, key))
	case "all":
		return a.try("UPDATE app." + t.name + " SET v = ''")
	case "move":
		return a.move(t, key)
	case "rename":
		return a.try(fmt.Sprintf("UPDATE app.%s SET id = '%s' WHERE id = '%s'", t.name, rapid.SampledFrom(tenantKeys).Draw(a.t, "new key"), key))
	case "delete":
		return a.try(remove)
	case "again":
		if err := a.try(remove); err != nil {
			return err
		}
		return a.insert(t, key, "")
	}
	if err := a.insert(t, key, key); err != nil {
		return err
	}
	for _, w := range t.ways {
		if w.parent == "" {
			continue
		}
		if err := a.insert(a.table(w.parent), key, ""); err != nil {
			return err
		}
	}
	return nil
}

// settle makes deferred foreign keys hold.
func (a *tenants) settle() {
	for range len(a.tables) { // parents of parents
		for _, t := range slices.Backward(a.tables) {
			for _, w := range t.ways {
				if w.parent != "" {
					columns, values := "id, v", "DISTINCT r."+w.column+", ''"
					for _, of := range a.table(w.parent).ways {
						columns += ", " + of.column
						values += ", '" + map[bool]string{true: "b", false: "1"}[of.parent == ""] + "'"
					}
					a.exec(fmt.Sprintf("INSERT INTO app.%[1]s (%[2]s) SELECT %[3]s FROM app.%[4]s r WHERE r.%[5]s IS NOT NULL AND NOT EXISTS (SELECT FROM app.%[1]s WHERE id = r.%[5]s)",
						w.parent, columns, values, t.name, w.column))
				}
			}
		}
	}
}

// fill makes most rows that there can be.
func (a *tenants) fill() {
	a.exec("BEGIN")
	for i := range a.tables {
		for _, key := range tenantKeys {
			a.exec("SAVEPOINT step")
			absent := 0
			if a.tables[i].identity == orgcast.IdentityNothing {
				absent = 2 // of what is there nothing can be changed
			}
			if rapid.IntRange(0, 3).Draw(a.t, "is there") <= absent || a.insert(&a.tables[i], key, "") != nil {
				a.exec("ROLLBACK TO step")
			}
		}
	}
	if a.foreign != "" {
		a.settle()
	}
	a.exec("COMMIT")
}

// transaction commits some steps, each in a savepoint, which may be rolled back.
func (a *tenants) transaction(met map[string]int) {
	a.exec("DELETE FROM oracle.history")
	a.exec("BEGIN")
	for range rapid.IntRange(1, 8).Draw(a.t, "steps") {
		a.exec("SAVEPOINT step")
		back := rapid.IntRange(0, 7).Draw(a.t, "roll back") == 0
		if err := a.step(); err != nil || back {
			a.exec("ROLLBACK TO step")
			met["rolled back"]++
		}
	}
	if a.foreign != "" {
		a.settle()
	}
	a.exec("COMMIT")
}

// check holds what is told against what the oracle says.
func (a *tenants) check(met map[string]int) {
	all, events := a.judge(), a.replay()
	fail := func(i int, format string, args ...any) {
		a.t.Helper()
		var s strings.Builder
		for n, j := range all {
			fmt.Fprintf(&s, "%d: %s %s → %s, was %s/%s, is %s/%s, sure %v %s\n", n, j.table.name, values(j.old), values(j.new), j.wasFirst, j.wasKnown, j.isPlace, j.isCommit, j.sure, j.reason)
		}
		for _, e := range events {
			s.Write(e.Frame)
		}
		fmt.Fprintf(&s, "withheld: %v\n%s", a.withheld, a.rules())
		a.t.Fatalf("change %d: %s\n%s", i, fmt.Sprintf(format, args...), s.String())
	}
	if a.changes != len(all) {
		fail(-1, "the WAL has %d changes, the history %d", a.changes, len(all))
	}
	told := make([][]string, len(all))
	resets := map[orgcast.OrganizationID]bool{}
	versions := map[string]*judgement{}
	for _, j := range all {
		if j.new != nil {
			versions[*j.new["v"]] = j
		}
	}
	for _, e := range events {
		i := int(e.Cursor.Index / orgcast.SubIndexes)
		if e.Kind == orgcast.KindReset {
			resets[e.Organization] = true // once in a transaction will do
			continue
		}
		_, operation, _ := strings.Cut(string(e.Frame), `"operation":"`)
		operation, _, _ = strings.Cut(operation, `"`)
		told[i] = append(told[i], operation+" "+string(e.Organization))
		j := all[i]
		met[operation]++
		if m := token.FindStringSubmatch(string(e.Frame)); m != nil {
			if j.new == nil || *j.new["v"] != m[1] || !j.mayHave(e.Organization) {
				fail(i, "%s is told %s", e.Organization, m[1])
			}
		} else if operation != "delete" || !slices.Contains([]orgcast.OrganizationID{organization(j.wasFirst), organization(j.wasKnown), organization(j.wasCommit)}, e.Organization) {
			fail(i, "%s is told of what was not its own: %s", e.Organization, operation)
		}
	}
	doubts, want, got := 0, map[route.Reason]int{}, map[route.Reason]int{}
	for i, j := range all {
		if j.parentWas != j.parentIs {
			met["parent moves"]++
			for _, o := range []orgcast.OrganizationID{j.parentWas, j.parentIs} {
				if o != "" && !resets[o] {
					fail(i, "%s is not told to refetch", o)
				}
			}
		}
		switch {
		case !j.sure:
			doubts++
			continue
		case j.reason != "":
			want[j.reason]++
			met["withheld "+string(j.reason)]++
		}
		if !slices.Equal(told[i], j.told()) {
			fail(i, "told %q, want %q", told[i], j.told())
		}
	}
	met["doubts"] += doubts
	met["changes"] += len(all)
	sure := 0
	for _, r := range a.withheld {
		got[r]++
	}
	for r, n := range want {
		sure += n
		if got[r] < n {
			fail(-1, "%d are withheld with %s, want %d", got[r], r, n)
		}
	}
	if len(a.withheld) > sure+doubts {
		fail(-1, "%d are withheld, of which %d are in doubt, want %v", len(a.withheld), doubts, want)
	}
}

func values(row map[string]*string) string {
	if row == nil {
		return "nothing"
	}
	var all []string
	for column, value := range row {
		all = append(all, column+text(value))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestWhoseARowIsIsWhatTheDatabaseSays writes random transactions into random
// applications, under every replica identity, and holds what is told, to whom, and
// what is withheld against SQL. The frames are those of a real slot.
//
// It checks few of each, for a database costs; -rapid.checks is for more.
func TestWhoseARowIsIsWhatTheDatabaseSays(t *testing.T) {
	checks, asked := flag.Lookup("rapid.checks"), false
	flag.Visit(func(f *flag.Flag) { asked = asked || f == checks })
	if !asked {
		if err := checks.Value.Set("5"); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := checks.Value.Set(checks.DefValue); err != nil {
				t.Error(err)
			}
		}()
	}
	db := pgtest.Database(t, oracle)
	conn := db.Conn(t)
	slot := db.ConnURL(t, db.URL+"&options=-c%20datestyle%3DISO%20-c%20timezone%3DUTC")
	db.Exec(t, `CREATE PUBLICATION whose FOR ALL TABLES`)
	db.Exec(t, `SELECT pg_create_logical_replication_slot('whose', 'pgoutput')`)
	log := eventlogtest.New(t, eventlog.Hooks{})
	all, ran := map[string]int{}, 0
	for _, one := range []struct {
		name     string
		identity orgcast.ReplicaIdentity
	}{
		{"full", orgcast.IdentityFull}, {"default", orgcast.IdentityDefault}, {"index", orgcast.IdentityIndex}, {"nothing", orgcast.IdentityNothing}, {"each table another", 0},
	} {
		t.Run(one.name, func(t *testing.T) {
			met := map[string]int{}
			rapid.Check(t, func(r *rapid.T) {
				a := beginTenants(t, r, one.identity, log, conn, slot)
				a.fill() // before the feed begins
				a.judge()
				a.snapshot()
				for range rapid.IntRange(1, 12).Draw(r, "transactions") {
					a.transaction(met)
					a.check(met)
				}
			})
			t.Log(met)
			for what, n := range met {
				all[what] += n
			}
			ran++
		})
	}
	must := []string{"create", "rolled back", "withheld no_old_row"}
	if asked { // what few checks may not meet
		must = append(must, "update", "delete", "parent moves", "withheld tenant_null", "withheld tenant_unknown", "withheld tenants_disagree", "doubts")
	}
	for _, what := range must {
		if all[what] == 0 && ran == 5 && !t.Failed() {
			t.Errorf("nothing was seen of %q", what)
		}
	}
}
