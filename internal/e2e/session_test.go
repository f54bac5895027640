package e2e_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestSessionCommands: what mint makes, check reads; what it does not make,
// check refuses, with the reason and status 1.
func TestSessionCommands(t *testing.T) {
	secret, other := rand.Text()+rand.Text(), rand.Text()+rand.Text()
	environ := map[string]string{"AUTH_SECRET": secret, "AUTH_URL": "https://app.example.com"}
	issued := time.Now().UTC().Truncate(time.Second)
	at := issued.Format(time.RFC3339)
	mint := func(environ map[string]string, args ...string) string {
		t.Helper()
		status, text := run(t, environ, "", append([]string{"session", "mint"}, args...)...)
		if status != 0 || !strings.HasSuffix(text, "\n") || strings.Count(text, "\n") != 1 {
			t.Fatalf("mint %v: status %d, %q", args, status, text)
		}
		return strings.TrimSuffix(text, "\n")
	}
	good := mint(environ, "--user", "user <&> é", "--expires-in", "2h", "--at", at)
	if !strings.HasPrefix(good, "__Secure-authjs.session-token=") {
		t.Errorf("the cookie is %.40q", good)
	}
	nextauth := mint(environ, "--user", "u", "--scheme", "nextauth", "--at", at)
	foreign := mint(map[string]string{"AUTH_SECRET": other, "AUTH_URL": "https://app.example.com"}, "--user", "u")
	foreignV4 := mint(map[string]string{"NEXTAUTH_SECRET": other, "AUTH_URL": "https://app.example.com"}, "--user", "u", "--scheme", "nextauth")
	tampered := good[:len(good)-3] + map[bool]string{true: "B", false: "A"}[good[len(good)-3] == 'A'] + good[len(good)-2:]
	plain := mint(map[string]string{"AUTH_SECRET": secret, "AUTH_URL": "http://app.example.com"}, "--user", "u")

	valid := func(scheme, user string, expires time.Time) string {
		return fmt.Sprintf(`{"valid":true,"scheme":"%s","userId":"%s","expiresAt":"%s"}`, scheme, user, expires.UTC().Format("2006-01-02T15:04:05Z"))
	}
	invalid := func(reason string) string { return fmt.Sprintf(`{"valid":false,"reason":"%s"}`, reason) }
	for name, c := range map[string]struct {
		cookie string
		args   []string
		status int
		want   string
	}{
		"round trip":             {good, nil, 0, valid("authjs", "user <&> é", issued.Add(2*time.Hour))},
		"with its header name":   {"Cookie: theme=dark; " + good, nil, 0, valid("authjs", "user <&> é", issued.Add(2*time.Hour))},
		"NextAuth v4":            {nextauth, nil, 0, valid("nextauth", "u", issued.Add(time.Hour))},
		"nothing":                {"", nil, 1, invalid("absent")},
		"another cookie":         {"theme=dark", nil, 1, invalid("absent")},
		"the http cookie":        {plain, nil, 1, invalid("absent")},
		"expired":                {good, []string{"--at", issued.Add(2*time.Hour + 15*time.Second).Format(time.RFC3339)}, 1, invalid("expired")},
		"just not expired":       {good, []string{"--at", issued.Add(2*time.Hour + 14*time.Second).Format(time.RFC3339)}, 0, valid("authjs", "user <&> é", issued.Add(2*time.Hour))},
		"issued ahead":           {good, []string{"--at", issued.Add(-6 * time.Minute).Format(time.RFC3339)}, 1, invalid("issued_ahead")},
		"tampered with":          {tampered, nil, 1, invalid("tampered")},
		"another secret":         {foreign, nil, 1, invalid("unknown_key")},
		"another secret, v4":     {foreignV4, nil, 1, invalid("tampered")},
		"no token":               {"__Secure-authjs.session-token=hello", nil, 1, invalid("malformed")},
		"too long a token":       {"__Secure-authjs.session-token=" + strings.Repeat("a", 40<<10), nil, 1, invalid("oversize")},
		"a hole in the chunks":   {"__Secure-authjs.session-token.1=a", nil, 1, invalid("bad_chunks")},
		"too long a header":      {strings.Repeat("a=b; ", 20<<10), nil, 1, invalid("oversize")},
		"a signed, open JWT":     {"__Secure-authjs.session-token=eyJhbGciOiJIUzI1NiJ9.e30.c2ln", nil, 1, invalid("malformed")},
		"an unsecured JWT":       {"__Secure-authjs.session-token=eyJhbGciOiJub25lIn0.e30.", nil, 1, invalid("malformed")},
		"endless standard input": {strings.Repeat("x", 1<<20), nil, 1, invalid("oversize")},
	} {
		status, text := run(t, environ, c.cookie, append([]string{"session", "check"}, c.args...)...)
		if status != c.status || text != c.want+"\n" {
			t.Errorf("%s: status %d, %s want %d, %s", name, status, text, c.status, c.want)
		}
	}
	for name, c := range map[string]struct {
		environ map[string]string
		args    []string
		want    string
	}{
		"no secret":         {nil, []string{"session", "mint", "--user", "u"}, "AUTH_SECRET"},
		"in the database":   {map[string]string{"ORGCAST_SESSION": "authjs-database"}, []string{"session", "check"}, "running server"},
		"no user":           {environ, []string{"session", "mint"}, "--user"},
		"an empty user":     {environ, []string{"session", "mint", "--user", ""}, "user id"},
		"no lifetime":       {environ, []string{"session", "mint", "--user", "u", "--expires-in", "0s"}, "lifetime"},
		"an unknown scheme": {environ, []string{"session", "mint", "--user", "u", "--scheme", "clerk"}, "nextauth"},
	} {
		if status, text := run(t, c.environ, "", c.args...); status == 0 || !strings.Contains(text, c.want) {
			t.Errorf("%s: status %d, %s", name, status, text)
		}
	}
}
