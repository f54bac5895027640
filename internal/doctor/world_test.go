package doctor

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/app"
	"github.com/oikion/orgcast/internal/codec"
	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/pgtest"
	"github.com/oikion/orgcast/internal/session"
	"github.com/oikion/orgcast/internal/setup"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, pgtest.WithSetting("max_slot_wal_keep_size", "4GB"), pgtest.WithSetting("max_prepared_transactions", "4"))
}

// Canaries: none of them may be in any output.
const (
	canaryPassword = "canary-password-4711"
	canarySecret   = "canary-secret-0815-0815-0815-0815-0815"
	canaryToken    = "canary-token-of-the-operator-1234"
	canaryCookie   = "canary-in-the-address"
)

// offline is an environment in which nothing is wrong but that there is no
// database.
func offline(t *testing.T) map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"ORGCAST_DATA_DIR": dir, "ORGCAST_LOG_BYTES": "32MiB", "ORGCAST_ADMIN_TOKEN": canaryToken, "ORGCAST_ADMIN_LISTEN": "127.0.0.1:1",
		"AUTH_SECRET": canarySecret, "AUTH_URL": "https://user:" + canaryCookie + "@app.example.com", "NEXT_PUBLIC_APP_URL": "https://app.example.com",
	}
}

// world is an installation that was set up: the application's database and role,
// orgcast's role, and the environment of serve.
type world struct {
	*pgtest.DB
	role, app string
	env       map[string]string
	opts      Options
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := pgtest.Database(t, pgtest.OikionSchema(), `
		CREATE TABLE "_AToB" ("A" text NOT NULL, "B" text NOT NULL); CREATE UNIQUE INDEX "_AToB_AB_unique" ON "_AToB" ("A", "B");`)
	w := &world{DB: db, role: db.Role("reader"), app: db.Role("app"), env: offline(t)}
	db.Exec(t, `CREATE ROLE `+w.app+` LOGIN PASSWORD 'app';
		DO $$ DECLARE c record; BEGIN
			FOR c IN SELECT oid::regclass AS t FROM pg_class WHERE relkind IN ('r', 'p') AND oid >= 16384 LOOP
				EXECUTE format('ALTER TABLE %s OWNER TO `+w.app+`', c.t);
			END LOOP; END $$`)
	w.env["ORGCAST_DATABASE_URL"] = db.URLAs(w.role, canaryPassword)
	w.apply(t)
	return w
}

// apply is `orgcast setup`.
func (w *world) apply(t *testing.T) {
	t.Helper()
	cfg, err := config.Load(w.env)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := app.LoadRules(cfg.Rules, session.Auto)
	if err != nil {
		t.Fatal(err)
	}
	s := app.SetupConfig(cfg, rules)
	s.Role, s.RolePassword = w.role, canaryPassword
	if _, err := setup.Apply(t.Context(), w.Conn(t), s); err != nil {
		t.Fatal(err)
	}
}

func (w *world) slot() string { return "orgcast_" + w.Name }

func (w *world) names() *strings.Replacer {
	return strings.NewReplacer("%r", w.role, "%a", w.app, "%s", w.slot(), "%d", w.Name)
}

func (w *world) examine(t *testing.T) *Report {
	t.Helper()
	o := w.opts
	o.Environ = w.env
	return examine(t, o)
}

// examine runs the doctor as the command does, and looks for canaries in all
// that it says.
func examine(t *testing.T, o Options) *Report {
	t.Helper()
	o.LoadRules, o.SetupConfig = app.LoadRules, app.SetupConfig
	environ := maps.Clone(o.Environ)
	r, err := Examine(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(environ, o.Environ) {
		t.Error("the doctor changed the environment")
	}
	said(t, r)
	return r
}

func said(t *testing.T, r *Report) {
	t.Helper()
	var text, line bytes.Buffer
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	if err := r.JSON(&line); err != nil {
		t.Fatal(err)
	}
	for _, canary := range []string{canaryPassword, canarySecret, canaryToken, canaryCookie} {
		if strings.Contains(text.String()+line.String(), canary) {
			t.Fatalf("a secret is in the output:\n%s", text.String())
		}
	}
	var back Report
	if err := codec.Unmarshal(line.Bytes(), &back); err != nil || len(back.Findings) != len(r.Findings) || strings.Count(line.String(), "\n") != 1 {
		t.Errorf("the report is no line of JSON: %v\n%s", err, line.String())
	}
	for _, f := range r.Findings {
		e, ok := catalog[f.Code]
		if !ok || f.Severity == "" || f.Text == "" || f.Cure == "" || strings.Contains(f.Text+f.Cure, "\n") {
			t.Errorf("finding %+v (catalog %+v): want a code of the catalog, a severity, and a text and a cure on a line each", f, e)
		}
		if !strings.Contains(text.String(), string(f.Code)+": "+f.Text+"\n    → "+f.Cure+"\n") {
			t.Errorf("%s is not printed:\n%s", f.Code, text.String())
		}
	}
}

// want fails unless the code is found once, with that severity and table and
// with text in its text or cure.
func want(t *testing.T, findings []Finding, code Code, severity Severity, table, text string) {
	t.Helper()
	n := 0
	for _, f := range findings {
		if f.Code != code || table != "" && f.Table != table {
			continue
		}
		n++
		if f.Severity != severity || !strings.Contains(f.Text+" "+f.Cure, text) {
			t.Errorf("%+v, want it %s and with %q", f, severity, text)
		}
		if f.Text == "" || f.Cure == "" {
			t.Errorf("%s has no text or no cure", code)
		}
	}
	if n != 1 {
		t.Errorf("%s of %q found %d times, want once, in %+v", code, table, n, findings)
	}
}

// worse lists what is more than a note.
func worse(r *Report) (codes []Code) {
	for _, f := range r.Findings {
		if f.Severity != Note {
			codes = append(codes, f.Code)
		}
	}
	return codes
}

// open begins a transaction that has written, and ends it with the test.
func (w *world) open(t *testing.T, application string) {
	t.Helper()
	conn := w.ConnURL(t, w.URL+"&application_name="+application)
	if _, err := conn.Exec(t.Context(), `BEGIN; SELECT pg_current_xact_id()`, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := conn.Exec(context.Background(), `ROLLBACK`); err != nil {
			t.Error(err)
		}
	})
}
