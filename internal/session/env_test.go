package session

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
)

type environ map[string]string

func (e environ) get(name string) string { return e[name] }

func secretsFile(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask says
		t.Fatal(err)
	}
	return path
}

func TestEnvironmentOfTheApplicationIsEnough(t *testing.T) {
	for name, test := range map[string]struct {
		env  environ
		want Config
	}{
		"v5":             {environ{"AUTH_SECRET": "a"}, Config{Scheme: Auto, Secrets: []string{"a"}}},
		"v4":             {environ{"NEXTAUTH_SECRET": "n", "NEXTAUTH_URL": "http://localhost:3000"}, Config{Scheme: Auto, Secrets: []string{"n"}, Secure: SecureNever}},
		"both secrets":   {environ{"AUTH_SECRET": "a", "NEXTAUTH_SECRET": "n"}, Config{Scheme: Auto, Secrets: []string{"a"}}},
		"not trimmed":    {environ{"AUTH_SECRET": " a\n"}, Config{Scheme: Auto, Secrets: []string{" a\n"}}},
		"https":          {environ{"AUTH_SECRET": "a", "AUTH_URL": "https://app.example.com/api/auth", "NEXTAUTH_URL": "http://x"}, Config{Scheme: Auto, Secrets: []string{"a"}, Secure: SecureOnly}},
		"https in caps":  {environ{"AUTH_SECRET": "a", "AUTH_URL": "HTTPS://app.example.com"}, Config{Scheme: Auto, Secrets: []string{"a"}, Secure: SecureOnly}},
		"development":    {environ{"AUTH_SECRET": "a", "NODE_ENV": "development"}, Config{Scheme: Auto, Secrets: []string{"a"}, Secure: SecureNever}},
		"dev over https": {environ{"AUTH_SECRET": "a", "NODE_ENV": "development", "AUTH_URL": "https://x"}, Config{Scheme: Auto, Secrets: []string{"a"}, Secure: SecureOnly}},
		"list":           {environ{"AUTH_SECRET": "a", "ORGCAST_AUTH_SECRETS": "\nnew\r\n\nold \n"}, Config{Scheme: Auto, Secrets: []string{"new", "old "}}},
		"all": {environ{"ORGCAST_SESSION": "authjs", "ORGCAST_SESSION_COOKIE": "c", "ORGCAST_SESSION_SALT": "s", "ORGCAST_SESSION_USER_CLAIM": "id", "AUTH_SECRET": "a"},
			Config{Scheme: AuthJS, Cookie: "c", Salt: "s", UserClaim: "id", Secrets: []string{"a"}}},
		// Its secret is not ours to know.
		"database": {environ{"ORGCAST_SESSION": "authjs-database", "AUTH_SECRET": "a", "ORGCAST_AUTH_SECRETS_FILE": "none", "AUTH_URL": "https://x"}, Config{Scheme: AuthJSDatabase, Secure: SecureOnly}},
		"file":     {environ{"ORGCAST_AUTH_SECRETS_FILE": secretsFile(t, "new\nold\n", 0o640)}, Config{Scheme: Auto, Secrets: []string{"new", "old"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := FromEnv(test.env.get)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Secrets, test.want.Secrets) {
				t.Errorf("secrets %q, want %q", got.Secrets, test.want.Secrets)
			}
			if got.Secure != test.want.Secure || got.Salt != test.want.Salt || got.String() != test.want.String() {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if got.Scheme == AuthJSDatabase {
				got.Table = rows{}
			}
			if _, err := New(got); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWrongVariableIsNamedAndItsValueIsNot(t *testing.T) {
	const secret = "hunter2"
	for variable, envs := range map[string][]environ{
		"AUTH_SECRET:":     {{}, {"AUTH_SECRET_1": secret}},
		"ORGCAST_SESSION:": {{"AUTH_SECRET": secret, "ORGCAST_SESSION": secret}},
		"AUTH_URL:": {
			{"AUTH_SECRET": secret, "AUTH_URL": "user:" + secret + "@host"},
			{"AUTH_SECRET": secret, "AUTH_URL": "https://user:" + secret + "%zz@host"},
			{"AUTH_SECRET": secret, "AUTH_URL": "ftp://" + secret},
			{"AUTH_SECRET": secret, "AUTH_URL": "app.example.com"},
		},
		"NEXTAUTH_URL:": {{"AUTH_SECRET": secret, "NEXTAUTH_URL": "/" + secret}},
		"ORGCAST_AUTH_SECRETS:": {
			{"ORGCAST_AUTH_SECRETS": "\n\r\n"},
			{"ORGCAST_AUTH_SECRETS": secret, "ORGCAST_AUTH_SECRETS_FILE": "f"},
		},
		"ORGCAST_AUTH_SECRETS_FILE:": {
			{"ORGCAST_AUTH_SECRETS_FILE": filepath.Join(t.TempDir(), "none")},
			{"ORGCAST_AUTH_SECRETS_FILE": t.TempDir()},
			{"ORGCAST_AUTH_SECRETS_FILE": secretsFile(t, secret, 0o644)},
			{"ORGCAST_AUTH_SECRETS_FILE": secretsFile(t, secret, 0o602)},
			{"ORGCAST_AUTH_SECRETS_FILE": secretsFile(t, "\n\n", 0o600)},
			{"ORGCAST_AUTH_SECRETS_FILE": secretsFile(t, strings.Repeat(secret, 20_000), 0o600)},
		},
	} {
		for i, env := range envs {
			t.Run(fmt.Sprint(variable, i), func(t *testing.T) {
				_, err := FromEnv(env.get)
				if err == nil {
					t.Fatal("accepted")
				}
				if !strings.Contains(err.Error(), variable) || orgcast.Hint(err) == "" {
					t.Errorf("%v (hint %q) does not help with %s", err, orgcast.Hint(err), variable)
				}
				if strings.Contains(err.Error()+orgcast.Hint(err), secret) {
					t.Errorf("%v shows the value", err)
				}
			})
		}
	}
}
