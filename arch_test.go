package orgcast_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/oikion/orgcast"

// rooms says which rooms each room may import, besides the vocabulary. What is
// not here is not a room. docs/ARCHITECTURE.md shows the same as a picture.
var rooms = map[string][]string{
	"":                     {},
	"examples/oikion":      {},
	"internal/codec":       {},
	"internal/plant":       {},
	"internal/pgoutput":    {"internal/plant"},
	"internal/sse":         {},
	"internal/session":     {"internal/codec"},
	"internal/eventlog":    {"internal/plant"},
	"internal/replication": {"internal/plant"},
	"internal/setup":       {"internal/codec"},
	"internal/access":      {},
	"internal/config":      {},
	"internal/cluster":     {},
	"internal/publish":     {"internal/codec", "internal/sse"},
	"internal/route":       {"internal/sse", "internal/codec", "internal/plant", "internal/publish"},
	"internal/hub":         {"internal/plant", "internal/sse"},
	"internal/delivery":    {"internal/hub"},
	"internal/feed":        {"internal/pgoutput", "internal/plant", "internal/route", "internal/eventlog"},
	"internal/server":      {"internal/codec"},
	"internal/admin":       {"internal/codec", "internal/sse"},
	"internal/telemetry":   {"internal/delivery", "internal/eventlog", "internal/feed", "internal/hub", "internal/publish", "internal/route"},
	"internal/app": {
		"internal/access", "internal/admin", "internal/config", "internal/delivery", "internal/eventlog", "internal/feed", "internal/hub",
		"internal/plant", "internal/publish", "internal/replication", "internal/route", "internal/server", "internal/session", "internal/setup",
		"internal/telemetry",
	},
	"internal/doctor": {
		"internal/codec", "internal/config", "internal/eventlog", "internal/publish", "internal/replication", "internal/route", "internal/session",
		"internal/setup",
	},
	"internal/rulecheck": {"internal/codec", "internal/publish", "internal/route", "internal/setup"},
	"internal/demo": {
		"examples/oikion", "internal/app", "internal/cluster", "internal/codec", "internal/config", "internal/session", "internal/setup",
	},
	"cmd/orgcast": {
		"internal/admin", "internal/app", "internal/codec", "internal/config", "internal/demo", "internal/doctor", "internal/eventlog",
		"internal/publish", "internal/route", "internal/rulecheck", "internal/session", "internal/setup", "internal/telemetry",
	},
	"bench": {"examples/oikion", "internal/cluster", "internal/eventlog", "internal/pgoutput", "internal/replication", "internal/route", "internal/session"},
	// Test kits: only tests import them.
	"internal/pgtest":                {"examples/oikion", "internal/cluster"},
	"internal/pgoutput/pgoutputtest": {"internal/pgoutput"},
	"internal/eventlog/eventlogtest": {"internal/eventlog"},
	"internal/e2e":                   {},
	// The verifier is a black box: no room of the product is in it.
	"internal/verify":         {},
	"internal/verify/wire":    {},
	"internal/verify/load":    {"internal/verify"},
	"internal/verify/truth":   {"internal/verify"},
	"internal/verify/ear":     {"internal/verify"},
	"internal/verify/check":   {"internal/verify"},
	"internal/verify/house":   {"examples/oikion", "internal/cluster", "internal/verify", "internal/verify/wire"},
	"internal/verify/nemesis": {"internal/verify", "internal/verify/house", "internal/verify/wire"},
	"verify": {
		"internal/verify", "internal/verify/check", "internal/verify/ear", "internal/verify/house", "internal/verify/load",
		"internal/verify/nemesis", "internal/verify/truth",
	},
}

// pure are the rooms that do no I/O and start nothing.
var pure = []string{"", "internal/pgoutput", "internal/sse", "internal/route", "internal/codec"}

// impure are what a pure room must not import, with the reason.
var impure = map[string]string{
	"net": "it does I/O", "net/http": "it does I/O", "os": "it does I/O", "context": "it waits", "log/slog": "rooms report through hooks",
	"github.com/jackc/pgx/v5": "it asks the database",
}

type pkg struct {
	ImportPath string
	Imports    []string
	Doc        string
	GoFiles    []string
}

// TestImportsGoOneWay holds the picture of the house: each room imports only
// what the table allows, so that no arrow points back.
func TestImportsGoOneWay(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range list(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		allowed, ok := rooms[name]
		if !ok {
			t.Errorf("%s is no room of the house: put it into the table, with what it may import", name)
			continue
		}
		seen[name] = true
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment: say which question it answers", name)
		}
		for _, i := range p.Imports {
			if room, ours := strings.CutPrefix(i, module+"/"); ours && !slices.Contains(allowed, room) {
				t.Errorf("%s imports %s: the table does not allow it", name, room)
			}
			if why := impure[i]; why != "" && slices.Contains(pure, name) {
				t.Errorf("%s imports %s: %s, and the room is pure", name, i, why)
			}
			if i == "encoding/json" && name != "internal/codec" && !strings.HasPrefix(strings.TrimPrefix(name, "internal/"), "verify") {
				t.Errorf("%s imports encoding/json: internal/codec is the one place of the product that does", name)
			}
			if i == "log" {
				t.Errorf("%s imports log: rooms report through hooks, the app through log/slog", name)
			}
		}
	}
	for name := range rooms {
		if !seen[name] {
			t.Errorf("the table names %s, which is not there", name)
		}
	}
}

func list(t *testing.T) (packages []pkg) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Doc,GoFiles", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages
		case err != nil:
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
