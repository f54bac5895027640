//go:build !plant

package plant_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// names are those of the faults, from the source that a build without the tag
// leaves out.
func names(t *testing.T) (all []string) {
	t.Helper()
	source, err := os.ReadFile("on.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`planted\("([a-z-]+)"\)`).FindAllSubmatch(source, -1) {
		all = append(all, string(m[1]))
	}
	if len(all) < 13 {
		t.Fatalf("on.go names only %q", all)
	}
	return all
}

// program builds orgcast as it is released, but for the race detector, if this
// test has it: then most of it is compiled already.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "orgcast")
	args := []string{"build", "-o", path}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" && s.Value == "true" {
				args = append(args, "-race")
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "go", append(args, "github.com/oikion/orgcast/cmd/orgcast")...).CombinedOutput(); err != nil {
		t.Fatalf("build orgcast: %v\n%s", err, out)
	}
	return path
}

func TestNoFaultIsInTheProgramThatIsReleased(t *testing.T) {
	path := program(t)
	binary, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// What is in it is found: a function's name and a text.
	for _, there := range []string{"internal/feed.(*Feed).learned", "replication slot is lost"} {
		if !bytes.Contains(binary, []byte(there)) {
			t.Errorf("%q is not found in the program: this test would find nothing", there)
		}
	}
	for _, name := range append(names(t), "ORGCAST_PLANT", "planted") {
		if i := bytes.Index(binary, []byte(name)); i >= 0 {
			t.Errorf("%q is in the program: %q", name, binary[max(0, i-40):i+60])
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	serve := exec.CommandContext(ctx, path, "serve")
	serve.Env = []string{"HOME=" + t.TempDir(), "ORGCAST_PLANT=toast-null"}
	out, err := serve.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "ORGCAST_PLANT: it is not known") {
		t.Errorf("serve with ORGCAST_PLANT: %v, %s; want it refused by name", err, out)
	}
}

func TestEveryFaultIsDocumentedAndCanBeThrown(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	off, err := os.ReadFile("off.go")
	if err != nil {
		t.Fatal(err)
	}
	all := names(t)
	for _, name := range all {
		if !strings.Contains(string(doc), "//\t"+name+" ") {
			t.Errorf("doc.go does not say what %s does", name)
		}
	}
	if n := strings.Count(string(off), "= false"); n != len(all) {
		t.Errorf("off.go has %d switches, on.go %d", n, len(all))
	}
}
