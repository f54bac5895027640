package setup

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/pgtest"
)

func TestApplyLeavesNothingForCheckToFind(t *testing.T) {
	w := newWorld(t)
	if report := w.apply(t); !report.Changed() || len(report.Warnings) != 0 {
		t.Errorf("first apply: changed %v, warnings %+v", report.Changed(), report.Warnings)
	}
	state, err := Check(t.Context(), w.ConnAs(t, w.cfg.Role, rolePassword), w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(state.Problems) != 0 {
		t.Errorf("problems: %+v", state.Problems)
	}
	if len(state.OIDs) != len(w.cfg.Tables) || state.OIDs["public.listings"] == 0 || state.Role != w.cfg.Role ||
		state.Database != w.Name || state.Version < oldestVersion {
		t.Errorf("state: %+v", state)
	}
}

func TestApplyTwiceChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.apply(t)
	before := w.state(t)
	report := w.apply(t)
	if report.Changed() || len(report.Steps) == 0 {
		t.Errorf("second apply: %+v", report.Steps)
	}
	differ(t, "state", w.state(t), before)
}

func TestPrintedSQLDoesWhatApplyDoes(t *testing.T) {
	applied, printed := newWorld(t), newWorld(t)
	applied.apply(t)
	before := printed.state(t)
	var sql bytes.Buffer
	if err := Print(t.Context(), printed.Conn(t), printed.cfg, &sql); err != nil {
		t.Fatal(err)
	}
	differ(t, "state after printing", printed.state(t), before)
	if strings.Contains(sql.String(), "s3cret") || strings.Contains(sql.String(), "SCRAM-SHA-256") {
		t.Error("the password, or its verifier, is printed")
	}
	if !strings.Contains(sql.String(), `\password`) {
		t.Error("nothing says that the password is still to be set")
	}
	var plain []string
	for line := range strings.Lines(sql.String()) {
		if !strings.HasPrefix(line, `\set `) { // psql's own
			plain = append(plain, line)
		}
	}
	if _, err := printed.Conn(t).PgConn().Exec(t.Context(), strings.Join(plain, "")).ReadAll(); err != nil {
		t.Fatalf("run what was printed: %v\n%s", err, sql.String())
	}
	differ(t, "state", printed.state(t), applied.state(t))

	sql.Reset()
	if err := Print(t.Context(), applied.Conn(t), applied.cfg, &sql); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(sql.String()) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") && !strings.HasPrefix(line, "SET ") && !strings.HasPrefix(line, `\set`) {
			t.Errorf("nothing is left to do, and it prints %q", line)
		}
	}
}

// Between any two steps of setup and of its undoing, an unlucky application
// writes to every table.
func TestTheApplicationWritesBetweenAllSteps(t *testing.T) {
	w := newWorld(t)
	conn, app := w.Conn(t), w.ConnAs(t, w.app, "app")
	cfg := w.cfg.withDefaults()
	w.write(t, app, "before setup")
	walk := func(p *plan, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.steps {
			if s.done {
				continue
			}
			if err := attempt(t.Context(), conn, cfg, s); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			w.write(t, app, "after "+s.name)
		}
	}
	f, err := inspect(t.Context(), conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	walk(planApply(f, cfg))
	if f, err = inspect(t.Context(), conn, cfg); err != nil {
		t.Fatal(err)
	}
	rec, ours := f.record()
	if f, err = inspect(t.Context(), conn, rec.config(cfg)); err != nil {
		t.Fatal(err)
	}
	walk(planUndo(f, cfg, rec, ours))
}

func TestASecondSetupKeepsTheFirstRecordAndAddsToIt(t *testing.T) {
	w := newWorld(t)
	before := w.state(t)
	all := w.cfg.Tables
	i := slices.IndexFunc(all, func(t Table) bool { return t.Name == "by_index" })
	w.cfg.Tables = slices.Delete(slices.Clone(all), i, i+1)
	w.apply(t)
	w.cfg.Tables = all
	report := w.apply(t)
	if !slices.Contains(report.Steps, Step{Name: "publish public.by_index"}) {
		t.Errorf("steps: %+v", report.Steps)
	}
	w.apply(t)
	w.undo(t)
	differ(t, "state after undo", w.state(t), before)
}

func TestARecreatedTableIsFoundAndSetUpAgain(t *testing.T) {
	w := newWorld(t)
	w.apply(t)
	old := mustCheck(t, w).OIDs["public.notes"]
	w.Exec(t, `DROP TABLE notes; CREATE TABLE notes (id text PRIMARY KEY, content text, created_at timestamp(3), "clientId" text, "propertyId" text, "createdBy" text);
		ALTER TABLE notes OWNER TO `+w.app)
	state := mustCheck(t, w)
	if p := find(state.Problems, TableNotPublished); p == nil || p.Table != "public.notes" || !p.Fatal {
		t.Errorf("problems: %+v", state.Problems)
	}
	if state.OIDs["public.notes"] == old {
		t.Error("the new table has the old OID")
	}
	w.apply(t)
	if problems := mustCheck(t, w).Problems; len(problems) != 0 {
		t.Errorf("problems after setup: %+v", problems)
	}
}

func TestInheritanceChildrenAndOtherPublicationsAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.Exec(t, `CREATE PUBLICATION other FOR TABLE clients, users WITH (publish = 'insert')`)
	w.apply(t)
	var child, other int
	err := w.Conn(t).QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM pg_publication_tables WHERE tablename = 'inherited_child'),
		       (SELECT count(*) FROM pg_publication_tables WHERE pubname = 'other')`).Scan(&child, &other)
	if err != nil || child != 0 || other != 2 {
		t.Errorf("child published %d times, other publication has %d tables, %v", child, other, err)
	}
}

func TestSetupWithoutARoleSaysWhoServeRunsAs(t *testing.T) {
	w := newWorld(t)
	w.cfg.Role, w.cfg.RolePassword = "", ""
	report := w.apply(t)
	if p := find(report.Warnings, RoleShared); p == nil || p.Fatal || !strings.Contains(p.Text, "postgres") {
		t.Errorf("warnings: %+v", report.Warnings)
	}
}

func TestSetupRefusesBeforeItChangesAnything(t *testing.T) {
	for name, c := range map[string]struct {
		sql   string
		edit  func(*world)
		want  string
		since int // the PostgreSQL that can be so
	}{
		"missing table":                    {edit: func(w *world) { w.cfg.Tables[0].Name = "nope" }, want: "no table public.nope"},
		"missing column":                   {edit: func(w *world) { w.cfg.Tables[0].Columns = []string{"nope"} }, want: "no column nope"},
		"view":                             {sql: `CREATE VIEW addresses2 AS SELECT 1 AS id`, edit: func(w *world) { w.cfg.Tables[0].Name = "addresses2" }, want: "is a view"},
		"unlogged table":                   {sql: `ALTER TABLE notes SET UNLOGGED`, want: "UNLOGGED"},
		"generated column":                 {sql: `ALTER TABLE notes ADD g int GENERATED ALWAYS AS (1) STORED`, edit: func(w *world) { w.cfg.Tables[6].Columns = []string{"g"} }, want: "generated"},
		"publication for all tables":       {sql: `CREATE PUBLICATION orgcast FOR ALL TABLES WITH (publish = 'insert')`, want: "FOR ALL TABLES"},
		"publication for a schema":         {sql: `CREATE PUBLICATION orgcast FOR TABLES IN SCHEMA "Odd ""schema""" WITH (publish = 'insert')`, want: "schema", since: 15},
		"somebody's publication":           {sql: `CREATE PUBLICATION orgcast WITH (publish = 'insert')`, want: "other options"},
		"row filter":                       {sql: `CREATE PUBLICATION orgcast FOR TABLE notes WHERE (id = 'x') WITH (publish_via_partition_root)`, want: "row filter", since: 15},
		"column list in another":           {sql: `CREATE PUBLICATION other FOR TABLE notes (id, content)`, want: "column list in publication other", since: 15},
		"column list on a partition":       {sql: `CREATE PUBLICATION other FOR TABLE parted_a (org, id)`, want: "column list in publication other", since: 15},
		"row-level security, untold":       {sql: `ALTER TABLE notes ENABLE ROW LEVEL SECURITY`, want: "row-level security"},
		"role that owns tables":            {edit: func(w *world) { w.cfg.Role = w.app }, want: "_app owns "},
		"role that setup runs as":          {edit: func(w *world) { w.cfg.Role = "postgres" }, want: "itself runs as"},
		"foreign role without REPLICATION": {sql: `CREATE ROLE %s LOGIN`, want: "lacks LOGIN or REPLICATION"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if w.Major(t) < c.since {
				return
			}
			if c.edit != nil {
				c.edit(w)
			}
			if c.sql != "" {
				w.Exec(t, strings.ReplaceAll(c.sql, "%s", w.cfg.Role))
			}
			before := w.state(t)
			report, err := Apply(t.Context(), w.Conn(t), w.cfg)
			wantHinted(t, err, c.want)
			if report == nil || report.Changed() {
				t.Errorf("report: %+v", report)
			}
			differ(t, "state", w.state(t), before)
			w.write(t, w.ConnAs(t, w.app, "app"), "after a refusal")
		})
	}
}

func mustCheck(t *testing.T, w *world) *State {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), w.URLAs(w.cfg.Role, rolePassword))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	state, err := Check(t.Context(), conn, w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func BenchmarkCheck(b *testing.B) {
	db := pgtest.Database(b, pgtest.OikionSchema())
	conn := db.Conn(b)
	cfg := Config{Publication: "orgcast", Slot: "s"}
	for _, n := range []string{"addresses", "listings", "media_assets", "tasks", "notes", "activities", "properties", "clients", "organizations"} {
		cfg.Tables = append(cfg.Tables, Table{Schema: "public", Name: n, Published: true})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Check(b.Context(), conn, cfg); err != nil {
			b.Fatal(err)
		}
	}
}
