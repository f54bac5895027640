package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatPublishingNeedsIsLookedAt(t *testing.T) {
	file := func(text string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := strings.Repeat("0123456789abcdef", 4)
	for name, c := range map[string]struct {
		variable, value string
		want            Code
		severity        Severity
		text            string
	}{
		"a secret that is none":    {"ORGCAST_SEAL_SECRET", "canary-4711", SealSecretUnusable, Fatal, "openssl rand"},
		"a secret's file missing":  {"ORGCAST_SEAL_SECRET_FILE", "/nowhere/secret", SealSecretUnusable, Fatal, "/nowhere/secret"},
		"a secret others can read": {"ORGCAST_SEAL_SECRET_FILE", file(good, 0o644), SealSecretUnusable, Fatal, "0644"},
		"keys others can write":    {"ORGCAST_API_KEYS_FILE", file(`{"version":1,"keys":[]}`, 0o666), APIKeysUnreadable, Warning, "0666"},
		"damaged keys":             {"ORGCAST_API_KEYS_FILE", file(`{"version":`, 0o600), APIKeysUnreadable, Warning, "malformed"},
	} {
		env := offline(t)
		env[c.variable] = c.value
		r := examine(t, Options{Environ: env})
		want(t, r.Findings, c.want, c.severity, "", c.text)
		if text := r.Findings; strings.Contains(strings.Join(texts(text), "\n"), "canary-4711") {
			t.Errorf("%s: the secret is told", name)
		}
	}
	env := offline(t)
	env["ORGCAST_SEAL_SECRET_FILE"] = file(good, 0o600)
	for _, f := range examine(t, Options{Environ: env}).Findings {
		if f.Code == SealSecretUnusable || f.Code == APIKeysUnreadable {
			t.Errorf("nothing is wrong, but: %+v", f)
		}
	}
}

func texts(findings []Finding) (all []string) {
	for _, f := range findings {
		all = append(all, f.Text+" "+f.Cure)
	}
	return all
}
