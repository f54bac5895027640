package orgcast_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// promises are the names under which the promises of isolation and secrecy are
// held. A name is how one is found; it must not get lost in a rewrite.
var promises = []string{
	"admin-rebinding", "ambiguous-tenant-withheld", "anonymous-connect-storm", "assignee-not-member", "foreign-connection-id", "gate-on-every-route",
	"idempotency-two-keys", "key-prefix-organizations", "key-scope-matrix", "members-truncate-drop-recreate", "migration-adds-secret", "move-carries-nothing", "node-env-unset-cors", "parent-move-race", "pk-squat",
	"replay-floor-at-join", "secrets-nowhere", "slow-header-body", "spoof-matrix", "sse-one-frame", "stale-insert-no-regrant", "unfiltered-is-not-all-users", "viewer-sees-no-invitations",
}

var (
	testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w*)\(`)
	subtest      = regexp.MustCompile(`\bt\.Run\("([a-z0-9]+(?:-[a-z0-9]+)+)["/]`)
	quoted       = regexp.MustCompile("`([^`]+)`")
	kebab        = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)
)

// tests lists every test, fuzz target and subtest with a name in kebab case, with
// the rooms that have it.
func tests(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		room := filepath.Base(filepath.Dir(path))
		for _, pattern := range []*regexp.Regexp{testFunction, subtest} {
			for _, m := range pattern.FindAllSubmatch(source, -1) {
				if name := string(m[1]); !slices.Contains(found[name], room) {
					found[name] = append(found[name], room)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestEveryPromiseIsHeldByATest holds docs/SECURITY.md against the tree: every row
// of its tables names a test, every test that it names is there, in the room that
// it says, and no promise's name is lost.
func TestEveryPromiseIsHeldByATest(t *testing.T) {
	found := tests(t)
	text, err := os.ReadFile("docs/SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for n, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		switch {
		case !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---"), cells[len(cells)-1] == "held by":
			continue
		case len(cells) != 3:
			t.Errorf("line %d has %d cells, want a threat, what holds, and by which tests", n+1, len(cells))
			continue
		}
		room, held := "", 0
		for _, m := range quoted.FindAllStringSubmatch(cells[2], -1) {
			name := m[1]
			if !kebab.MatchString(name) && !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Fuzz") {
				room = name
				continue
			}
			held++
			named[name] = true
			switch {
			case room == "":
				t.Errorf("line %d: in which room is %s?", n+1, name)
			case !slices.Contains(found[name], room):
				t.Errorf("line %d: there is no %s in %s; it is in %v", n+1, name, room, found[name])
			}
		}
		if held == 0 {
			t.Errorf("line %d: nothing holds %q", n+1, cells[0])
		}
	}
	for _, name := range promises {
		if len(found[name]) == 0 {
			t.Errorf("no test is called %s any more", name)
		}
		if !named[name] {
			t.Errorf("docs/SECURITY.md does not say what %s holds", name)
		}
	}
	if len(named) < 50 {
		t.Errorf("only %d tests are named: the page was not read", len(named))
	}
}
