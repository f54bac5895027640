package config

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
)

var update = flag.Bool("update", false, "write docs/CONFIG.md")

// with is an environment that is valid, and what is said on top of it.
func with(pairs ...string) map[string]string {
	m := map[string]string{"ORGCAST_DATABASE_URL": "postgresql://orgcast:hunter2hunter2@localhost/app", "XDG_STATE_HOME": "/state"}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

func load(t *testing.T, environ map[string]string) *Config {
	t.Helper()
	c, err := Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhatIsNotSetHasItsDefault(t *testing.T) {
	c := load(t, with())
	got := fmt.Sprint(c.Listen, c.AdminListen, c.DataDir, c.Rules, c.Slot, c.Publication, c.Heartbeat, c.Lease, c.AllowedOrigins, c.AnyOrigin,
		c.MaxStreams, c.MaxStreamsPerUser, c.MaxStreamsPerOrganization, c.MaxStreamsPerAddress, c.LogLevel, c.LogFormat, int64(c.LogBytes))
	want := "127.0.0.1:4050 127.0.0.1:4051 /state/orgcast preset:oikion orgcast_app orgcast 15s 15m0s [] false 10000 20 5000 100 info text 4294967296"
	if strings.Join(strings.Fields(got), "") != strings.Join(strings.Fields(want), "") {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if c.SetupDatabase.URL != c.Database.URL {
		t.Error("setup does not use the database that is set")
	}
}

func TestTheFirstDatabaseThatIsSetIsTaken(t *testing.T) {
	environ := map[string]string{"XDG_STATE_HOME": "/state"}
	for _, name := range slices.Backward(databaseVariables) {
		environ[name] = "postgresql://localhost/" + strings.ToLower(name)
		if got := load(t, environ).Database.Name; got != strings.ToLower(name) {
			t.Errorf("with %s set: got %s", name, got)
		}
	}
	environ["ORGCAST_DATABASE_URL"] = "" // as good as not set
	if got := load(t, environ).Database.Name; got != "direct_url" {
		t.Errorf("got %s", got)
	}
	_, err := Load(map[string]string{"DIRECT_URL": "postgresql://u:p@x-pooler.neon.tech/db"})
	if err == nil || !strings.Contains(err.Error(), "DIRECT_URL") || !strings.Contains(orgcast.Hint(err), "-pooler.") {
		t.Errorf("got %v (%s)", err, orgcast.Hint(err))
	}
}

func TestPortIsOnLoopbackUnlessAnAddressIsSet(t *testing.T) {
	if got := load(t, with("PORT", "8080")).Listen; got != "127.0.0.1:8080" {
		t.Errorf("got %s", got)
	}
	if got := load(t, with("PORT", "8080", "ORGCAST_LISTEN", "0.0.0.0:9")).Listen; got != "0.0.0.0:9" {
		t.Errorf("got %s", got)
	}
}

func TestOriginsAreAsBrowsersWriteThem(t *testing.T) {
	c := load(t, with("ORGCAST_ORIGINS", " HTTPS://App.example.com:443 ,http://localhost:3000,https://[2001:DB8::1]", "NEXT_PUBLIC_APP_URL", "https://www.example.com/app?x=y"))
	want := []string{"https://app.example.com", "http://localhost:3000", "https://[2001:db8::1]", "https://www.example.com"}
	if !slices.Equal(c.AllowedOrigins, want) || c.AnyOrigin {
		t.Errorf("got %q, any %v", c.AllowedOrigins, c.AnyOrigin)
	}
}

func TestOnlyExactlyDevelopmentLetsAnyOriginConnect(t *testing.T) {
	for value, want := range map[string]bool{"development": true, "": false, "Development": false, "dev": false, "test": false, "production": false} {
		if got := load(t, with("NODE_ENV", value)).AnyOrigin; got != want {
			t.Errorf("%q: got %v", value, got)
		}
	}
}

func TestWhatIsNotValidIsRefusedWithVariableProblemAndCure(t *testing.T) {
	dir := t.TempDir()
	short, empty := filepath.Join(dir, "short"), filepath.Join(dir, "empty")
	for path, text := range map[string]string{short: "short", empty: "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		variable, value string
		more            []string
	}{
		{"ORGCAST_DATABASE_URL", "", nil},
		{"ORGCAST_DATABASE_URL", "prisma://x", nil},
		{"ORGCAST_SETUP_DATABASE_URL", "postgresql://u:hunter2hunter2@x-pooler.neon.tech/db", nil},
		{"ORGCAST_LISTEN", "4050", nil},
		{"ORGCAST_LISTEN", "127.0.0.1:http", nil},
		{"PORT", "80000", nil},
		{"ORGCAST_ADMIN_LISTEN", "0.0.0.0:4051", nil},
		{"ORGCAST_ADMIN_LISTEN", ":4051", nil},
		{"ORGCAST_ADMIN_HOSTS", "", []string{"ORGCAST_ADMIN_LISTEN", ":4051", "ORGCAST_ADMIN_TOKEN", "0123456789abcdef"}},
		{"ORGCAST_ADMIN_LISTEN", "127.0.0.1:4050", nil},
		{"ORGCAST_ADMIN_TOKEN", "hunter2", nil},
		{"ORGCAST_TRUSTED_PROXIES", "proxy.internal", nil},
		{"ORGCAST_TRUSTED_PROXIES", "10.0.0.0/33", nil},
		{"ORGCAST_TRUSTED_PROXIES", "10.0.0.1,0.0.0.0/0", nil},
		{"ORGCAST_TRUSTED_PROXIES", "::/0", nil},
		{"ORGCAST_TRUSTED_PROXIES", "::ffff:0:0/90", nil},
		{"ORGCAST_TRUSTED_PROXIES", "fe80::1%eth0", nil},
		{"ORGCAST_TRUSTED_PROXIES", "0.0.0.0", nil},
		{"ORGCAST_CLIENT_ADDRESS_HEADER", "X Forwarded For", nil},
		{"ORGCAST_CLIENT_ADDRESS_HEADER", ":authority", nil},
		{"ORGCAST_ADMIN_TOKEN", "hunter2hunter2 hunter2", nil},
		{"ORGCAST_ADMIN_TOKEN", "hunter2hunter2hunter2", []string{"ORGCAST_ADMIN_TOKEN_FILE", short}},
		{"ORGCAST_ADMIN_TOKEN_FILE", filepath.Join(dir, "missing"), nil},
		{"ORGCAST_ADMIN_TOKEN_FILE", short, nil},
		{"ORGCAST_ADMIN_TOKEN_FILE", empty, nil},
		{"ORGCAST_SLOT", "Orgcast", nil},
		{"ORGCAST_SLOT", strings.Repeat("x", 64), nil},
		{"ORGCAST_PUBLICATION", `or"gcast`, nil},
		{"ORGCAST_HEARTBEAT", "26s", nil},
		{"ORGCAST_HEARTBEAT", "15", nil},
		{"ORGCAST_LEASE", "0s", nil},
		{"ORGCAST_ORIGINS", "https://*.example.com", nil},
		{"ORGCAST_ORIGINS", "*", nil},
		{"ORGCAST_ORIGINS", "null", nil},
		{"ORGCAST_ORIGINS", "https://app.example.com/", nil},
		{"ORGCAST_ORIGINS", "app.example.com", nil},
		{"ORGCAST_ORIGINS", "https://u:hunter2hunter2@app.example.com", nil},
		{"NEXT_PUBLIC_APP_URL", "app.example.com", nil},
		{"NODE_ENV", "development", []string{"ORGCAST_LISTEN", "0.0.0.0:4050"}},
		{"ORGCAST_MAX_STREAMS", "many", nil},
		{"ORGCAST_MAX_STREAMS", "0", nil},
		{"ORGCAST_MAX_STREAMS_PER_USER", "-1", nil},
		{"ORGCAST_LOG_BYTES", "4GB", nil},
		{"ORGCAST_LOG_BYTES", "1MiB", nil},
		{"ORGCAST_LOG_BYTES", "99999999999TiB", nil},
		{"ORGCAST_LOG_LEVEL", "loud", nil},
		{"ORGCAST_LOG_FORMAT", "xml", nil},
		{"ORGCAST_HEARTBEET", "15s", nil},
	} {
		_, err := Load(with(append([]string{c.variable, c.value}, c.more...)...))
		if err == nil || !strings.HasPrefix(err.Error(), "read "+c.variable+": ") || orgcast.Hint(err) == "" {
			t.Errorf("%s=%s: got %v (%s)", c.variable, c.value, err, orgcast.Hint(err))
			continue
		}
		if strings.Contains(fmt.Sprint(err, orgcast.Hint(err)), "hunter2") {
			t.Errorf("%s: a secret is shown: %v", c.variable, err)
		}
	}
}

func TestOneStartShowsAllThatIsWrong(t *testing.T) {
	_, err := Load(with("ORGCAST_HEARTBEAT", "1h", "ORGCAST_LISTEN", "x", "ORGCAST_SLOT", "-"))
	e, ok := errors.AsType[*Error](err)
	if !ok || len(e.Problems) != 3 {
		t.Fatalf("got %v", err)
	}
	for _, p := range e.Problems {
		if !strings.Contains(err.Error(), "\n  "+p.Error()+". "+orgcast.Hint(p)) {
			t.Errorf("not told: %v", p)
		}
	}
}

func TestAMisspeltVariableIsNamedWithTheOneThatWasMeant(t *testing.T) {
	for name, want := range map[string]string{
		"ORGCAST_HEARTBEET": "ORGCAST_HEARTBEAT", "ORGCAST_DATABASEURL": "ORGCAST_DATABASE_URL", "ORGCAST_MAX_STREAM": "ORGCAST_MAX_STREAMS",
		"ORGCAST_ORIGIN": "ORGCAST_ORIGINS", "ORGCAST_AUTH_SECRET": "ORGCAST_AUTH_SECRETS",
	} {
		_, err := Load(with(name, "x"))
		if hint := orgcast.Hint(err); !strings.Contains(hint, "Did you mean "+want+"?") {
			t.Errorf("%s: %v (%s)", name, err, hint)
		}
	}
	for _, name := range own {
		if name != "ORGCAST_ADMIN_TOKEN_FILE" {
			load(t, with(name, "x"))
		}
	}
}

func TestTheTokenMayComeFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := load(t, with("ORGCAST_ADMIN_TOKEN_FILE", path, "ORGCAST_ADMIN_LISTEN", "0.0.0.0:1", "ORGCAST_ADMIN_HOSTS", "orgcast")).AdminToken; got != "0123456789abcdef" {
		t.Errorf("got %q", got)
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	c := load(t, with("ORGCAST_ADMIN_TOKEN", "hunter2hunter2token", "ORGCAST_SETUP_DATABASE_URL", "postgresql://owner:hunter2hunter2@db.example.com/app"))
	for _, got := range []string{c.Redacted(), fmt.Sprint(c), fmt.Sprintf("%+v %#v %s %q", c, *c, c, *c)} {
		if strings.Contains(got, "hunter2") {
			t.Errorf("printed %s", got)
		}
	}
	for _, line := range []string{"ORGCAST_ADMIN_TOKEN=(set)", "ORGCAST_HEARTBEAT=15s", "ORGCAST_SLOT=orgcast_app", "NODE_ENV=(not set)",
		`ORGCAST_SETUP_DATABASE_URL=database "app" on db.example.com:5432 as "owner", sslmode=require`} {
		if !slices.Contains(strings.Split(c.Redacted(), "\n"), line) {
			t.Errorf("no line %q in\n%s", line, c.Redacted())
		}
	}
}

func TestNoEnvironmentIsNotTheProcesssOwn(t *testing.T) {
	t.Setenv("ORGCAST_HEARTBEAT", "nonsense")
	if _, err := Load(nil); err == nil || strings.Contains(err.Error(), "HEARTBEAT") {
		t.Errorf("got %v", err)
	}
}

func TestEnvironTakesWhatOsEnvironGives(t *testing.T) {
	got := Environ([]string{"A=b", "C=d=e", "F=", "nothing"})
	if want := map[string]string{"A": "b", "C": "d=e", "F": ""}; !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestTheDefaultSlotIsTheDatabasesOwn(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"app", "my_app", "my-app", "My_app", "my app", "größe", strings.Repeat("a", 55), strings.Repeat("a", 63), strings.Repeat("a", 62) + "b"} {
		slot := defaultSlot(name)
		if err := checkSlot(slot); err != nil || !strings.HasPrefix(slot, "orgcast_") {
			t.Errorf("%s: %s, %v", name, slot, err)
		}
		if other, ok := seen[slot]; ok {
			t.Errorf("%s and %s share %s", name, other, slot)
		}
		seen[slot] = name
	}
	if got := defaultSlot("app"); got != "orgcast_app" {
		t.Errorf("got %s", got)
	}
}

func TestSizesAreReadInBinaryUnits(t *testing.T) {
	for text, want := range map[string]Bytes{"1": 1, "2KiB": 2 << 10, "512MiB": 512 << 20, "4 GiB": 4 << 30, "1TiB": 1 << 40} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s: got %d, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "GiB", "-1", "1.5GiB", "4GB", "4g", "9223372036854775807KiB"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %d", text, b)
		}
	}
}

func TestEveryVariableIsDescribed(t *testing.T) {
	for _, f := range Fields() {
		if f.Doc == "" || !strings.HasSuffix(f.Doc, ".") {
			t.Errorf("%s: %q", f.Name, f.Doc)
		}
	}
	for _, name := range own {
		if !bytes.Contains(Markdown(), []byte(name)) && name != "ORGCAST_PG_BIN" && name != "ORGCAST_CHROMIUM" { // the demo's and tests' own
			t.Errorf("%s is not in the reference", name)
		}
	}
}

func TestTheReferenceIsWhatTheCodeSays(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "CONFIG.md")
	if *update {
		if err := os.WriteFile(path, Markdown(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, Markdown()) {
		t.Errorf("%s is not up to date: go test ./internal/config -update", path)
	}
}

func TestTrustedProxiesAreAddressesAndNetworks(t *testing.T) {
	c := load(t, with("ORGCAST_TRUSTED_PROXIES", " 127.0.0.1, 10.0.3.7/24,::1 ,2001:db8:ff::/48,::ffff:192.0.2.0/120,::ffff:192.0.2.9"))
	if got, want := fmt.Sprint(c.ProxyNetworks), "[127.0.0.1/32 10.0.3.0/24 ::1/128 2001:db8:ff::/48 192.0.2.0/24 192.0.2.9/32]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if c := load(t, with()); c.ProxyNetworks != nil || c.ClientAddressHeader != "X-Forwarded-For" {
		t.Errorf("by default %v, %s", c.ProxyNetworks, c.ClientAddressHeader)
	}
}
