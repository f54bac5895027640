package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oikion/orgcast/internal/codec"
	"github.com/oikion/orgcast/internal/publish"
)

// keysIn runs orgcast keys with a data directory and nothing else set.
func keysIn(t *testing.T, dir string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errors bytes.Buffer
	env := &environment{ctx: t.Context(), stdin: strings.NewReader(""), stdout: &out, stderr: &errors, environ: []string{"ORGCAST_DATA_DIR=" + dir}}
	status = run(env, append([]string{"keys"}, args...))
	return status, out.String(), errors.String()
}

func TestAKeyIsShownOnceListedWithoutItAndRevoked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	status, bearer, said := keysIn(t, dir, "new", "billing", "--organization", "org_a", "--organization", "org_b", "--type", "system.alert", "--broadcast")
	bearer = strings.TrimSuffix(bearer, "\n")
	if status != 0 || len(bearer) != 65 || strings.Contains(said, bearer) {
		t.Fatalf("status %d, key %q, said %q", status, bearer, said)
	}
	path := filepath.Join(dir, "api-keys.json")
	k, err := publish.NewStore(path).Find(bearer)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), bearer[len(bearer)-43:]) {
		t.Errorf("the file holds the key, or is not there: %v", err)
	}
	for _, file := range []struct {
		path string
		mode os.FileMode
	}{{path, 0o600}, {dir, 0o700}} {
		if info, err := os.Stat(file.path); err != nil || info.Mode().Perm() != file.mode {
			t.Errorf("%s: %v, %v", file.path, info, err)
		}
	}

	status, list, _ := keysIn(t, dir, "list")
	if status != 0 || !strings.HasPrefix(list, k.ID) || !strings.HasSuffix(list, "billing: system.alert to org_a, org_b, everyone at once\n") {
		t.Errorf("status %d, list %q", status, list)
	}
	status, list, _ = keysIn(t, dir, "list", "--json")
	var l listedKey
	if err := codec.Unmarshal([]byte(list), &l); status != 0 || err != nil || l.ID != k.ID || len(l.Organizations) != 2 || !l.Broadcast || l.AllOrganizations {
		t.Errorf("status %d, list %s, %v", status, list, err)
	}

	status, _, said = keysIn(t, dir, "revoke", bearer) // the key is no id
	if status != 1 || strings.Contains(said, bearer) || !strings.Contains(said, "keys list") {
		t.Errorf("status %d, %q", status, said)
	}
	if status, _, said = keysIn(t, dir, "revoke", k.ID); status != 0 {
		t.Errorf("status %d, %q", status, said)
	}
	if status, list, _ = keysIn(t, dir, "list"); status != 0 || list != "" {
		t.Errorf("status %d, list %q", status, list)
	}
	if _, err := publish.NewStore(path).Find(bearer); err == nil {
		t.Error("a revoked key is found")
	}
}

func TestAKeyThatCouldSayNothingIsNotMade(t *testing.T) {
	for name, args := range map[string][]string{
		"no organization":           {"new", "n"},
		"all and one":               {"new", "n", "--all-organizations", "--organization", "org_a"},
		"broadcast without a type":  {"new", "n", "--broadcast"},
		"an unknown type":           {"new", "n", "--organization", "org_a", "--type", "nothing"},
		"everyone as one":           {"new", "n", "--organization", "*"},
		"no name":                   {"new", "", "--organization", "org_a"},
		"a name that draws":         {"new", "a\x1b[2Jb", "--organization", "org_a"},
		"a broken file, to list":    {"list"},
		"a broken file, to alter":   {"new", "n", "--organization", "org_a"},
		"a broken file, to take of": {"revoke", "aaaabbbbccccdddd"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "api-keys.json")
		if strings.HasPrefix(name, "a broken file") {
			if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		status, out, said := keysIn(t, dir, args...)
		if status != 1 || out != "" || !strings.Contains(said, "→") {
			t.Errorf("%s: status %d, %q, %q", name, status, out, said)
		}
		if text, err := os.ReadFile(path); err == nil && string(text) != "{" {
			t.Errorf("%s: the file is %s", name, text)
		}
	}
}
