package e2e_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/cluster"
	"github.com/oikion/orgcast/internal/pgtest"
)

// TestBadConfigurationSaysWhatToDo: whatever is wrong, the text names what to
// do, and no secret. spawn's cleanup searches every output for the secrets.
func TestBadConfigurationSaysWhatToDo(t *testing.T) {
	h := settled(t, 1)
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// What can't get better by waiting ends the process.
	for name, c := range map[string]struct {
		over map[string]string
		want []string
	}{
		"a rule file that is not there": {map[string]string{"ORGCAST_RULES": "/nowhere/rules.yaml"}, []string{"/nowhere/rules.yaml", "ORGCAST_RULES", "preset:oikion"}},
		"an unknown preset":             {map[string]string{"ORGCAST_RULES": "preset:oikon"}, []string{"oikon", "oikion"}},
		"a rule file that is wrong":     {map[string]string{"ORGCAST_RULES": file("rules.yaml", "version: 1\ntables:\n  properties:\n    evnt: property.update\n")}, []string{"evnt"}},
		"rules that enable a password": {map[string]string{"ORGCAST_RULES": file("rules.yaml", strings.Replace(goodRules, "- description", "- description\n      - password", 1))},
			[]string{"password", "sensitive"}},
		"a variable with a typing error": {map[string]string{"ORGCAST_ORIGIN": "https://app.example.com"}, []string{"ORGCAST_ORIGIN", "did you mean ORGCAST_ORIGINS?"}},
		"no database":                    {map[string]string{"ORGCAST_DATABASE_URL": ""}, []string{"no database", "ORGCAST_DATABASE_URL", "postgresql://user:password@host"}},
		"a database that is no URL":      {map[string]string{"ORGCAST_DATABASE_URL": "host=db password=hunter22222"}, []string{"ORGCAST_DATABASE_URL", "postgresql://"}},
		"prisma's own service":           {map[string]string{"ORGCAST_DATABASE_URL": "prisma://accelerate.prisma-data.net/?api_key=secretsecret"}, []string{"prisma://", "Set ORGCAST_DATABASE_URL"}},
		"no session secret":              {map[string]string{"AUTH_SECRET": ""}, []string{"AUTH_SECRET", "set it to the application's value"}},
		"a wrong duration":               {map[string]string{"ORGCAST_HEARTBEAT": "often"}, []string{"ORGCAST_HEARTBEAT", "duration such as 15s"}},
		"a heartbeat too slow":           {map[string]string{"ORGCAST_HEARTBEAT": "30s"}, []string{"ORGCAST_HEARTBEAT", "25s"}},
		"an origin with a path":          {map[string]string{"ORGCAST_ORIGINS": "https://app.example.com/app"}, []string{"ORGCAST_ORIGINS", "scheme://host"}},
		"development off loopback":       {map[string]string{"NODE_ENV": "development", "ORGCAST_LISTEN": "0.0.0.0:0"}, []string{"NODE_ENV", "ORGCAST_LISTEN", "loopback"}},
		"an operator's listener for all": {map[string]string{"ORGCAST_ADMIN_LISTEN": "0.0.0.0:0"}, []string{"ORGCAST_ADMIN_TOKEN"}},
		"a short operator's token":       {map[string]string{"ORGCAST_ADMIN_TOKEN": "short-token"}, []string{"ORGCAST_ADMIN_TOKEN", "16"}},
		"a wrong log level":              {map[string]string{"ORGCAST_LOG_LEVEL": "loud"}, []string{"ORGCAST_LOG_LEVEL", "debug, info, warn or error"}},
		"an address that is taken":       {map[string]string{"ORGCAST_LISTEN": taken(t)}, []string{"address already in use", "ORGCAST_LISTEN"}},
		"data where nobody may write":    {map[string]string{"ORGCAST_DATA_DIR": file("file", "") + "/data"}, []string{"ORGCAST_DATA_DIR"}},
	} {
		s := serve(t, h.environ, c.over)
		status := s.exit(t, time.Minute)
		text := s.out.String()
		if status != 1 {
			t.Errorf("%s: status %d, want 1", name, status)
		}
		for _, want := range c.want {
			if !strings.Contains(strings.ToLower(text), strings.ToLower(want)) {
				t.Errorf("%s: no %q in:\n%s", name, want, text)
			}
		}
		for _, secret := range []string{"hunter22222", "secretsecret", "short-token"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: the secret is told:\n%s", name, text)
			}
		}
	}
	// What may get better is waited for, and /readyz is red until then.
	notSetUp := newHouse(t)
	notSetUp.Exec(t, `CREATE ROLE `+notSetUp.role+` LOGIN REPLICATION PASSWORD '`+notSetUp.password+`'`)
	old := oldCluster(t)
	for name, c := range map[string]struct {
		environ map[string]string
		url     string
		want    []string // of /readyz, or of the output
	}{
		"a wrong password":         {h.environ, h.URLAs(h.role, "not-the-password"), []string{"password authentication failed", "role and password of ORGCAST_DATABASE_URL"}},
		"a role that is not there": {h.environ, h.URLAs("nobody_at_all", "whatever-it-is"), []string{"nobody_at_all", "`orgcast setup` makes the role"}},
		"nobody listens":           {h.environ, "postgres://u:the-password@" + freeAddress(t) + "/db", []string{"connection refused", "Check that the database runs"}},
		"no setup":                 {notSetUp.environ, notSetUp.environ["ORGCAST_DATABASE_URL"], []string{"publication_missing", "orgcast setup"}},
		"wal_level":                {h.environ, old.URL("postgres"), []string{"wal_level is replica, not logical", "wal_level"}},
	} {
		s := serve(t, c.environ, map[string]string{"ORGCAST_DATABASE_URL": c.url})
		until(t, time.Minute, func() string {
			text := s.readiness(t) + "\n" + s.out.String()
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					return name + ": no " + want + " in:\n" + text
				}
			}
			return ""
		})
		if why := s.readiness(t); !strings.Contains(why, c.want[0]) {
			t.Errorf("%s: /readyz says %q, want %q in it", name, why, c.want[0])
		}
		s.terminate(t)
		if status := s.exit(t, 20*time.Second); status != 0 {
			t.Errorf("%s: status %d after SIGTERM", name, status)
		}
	}
	// And the cure cures.
	s := serve(t, notSetUp.environ, nil)
	until(t, time.Minute, func() string {
		if why := s.readiness(t); !strings.Contains(why, "publication_missing") {
			return why
		}
		return ""
	})
	notSetUp.setUp(t)
	s.ready(t)

	// setup says it too.
	environ := maps.Clone(h.environ)
	environ["ORGCAST_SETUP_DATABASE_URL"] = h.URLAs("postgres", "not-the-password")
	if status, text := run(t, environ, "", "setup"); status != 1 || !strings.Contains(text, "Set ORGCAST_SETUP_DATABASE_URL") {
		t.Errorf("setup with a wrong password: status %d, %s", status, text)
	}
	environ["ORGCAST_SETUP_DATABASE_URL"] = old.URL("postgres")
	if status, text := run(t, environ, "", "setup"); status != 0 || !strings.Contains(text, "ALTER SYSTEM SET wal_level = 'logical'") ||
		!strings.Contains(text, "orgcast serve will not start") {
		t.Errorf("setup with wal_level replica: status %d, %s", status, text)
	}
}

// goodRules are rules that would do.
const goodRules = `version: 1
organizations:
  table: organizations
  id: id
  name: name
membership:
  table: organization_members
  id: id
  user: userId
  organization: organizationId
  role: role
tables:
  properties:
    event: property.update
    tenant: [organizationId]
    columns:
      - description
`

// taken is an address that somebody listens on.
func taken(t testing.TB) string {
	t.Helper()
	l := listen(t)
	return l.Addr().String()
}

// oldCluster is a server that was never told of logical decoding.
func oldCluster(t testing.TB) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Options{Settings: map[string]string{"wal_level": "replica"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	conn, err := pgx.Connect(t.Context(), c.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.PgConn().Exec(t.Context(), pgtest.OikionSchema()).ReadAll(); err != nil {
		t.Fatal(err)
	}
	return c
}
