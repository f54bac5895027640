package doctor

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/oikion/orgcast/internal/app"
)

var update = flag.Bool("update", false, "write docs/DOCTOR.md")

func TestTheReferenceIsUpToDate(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "DOCTOR.md")
	if *update {
		if err := os.WriteFile(path, Markdown(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(text, Markdown()) {
		t.Errorf("%s is not up to date: go test ./internal/doctor -update (%v)", path, err)
	}
}

// A code that no test plants is one that nobody has seen found.
func TestEveryCodeIsPlanted(t *testing.T) {
	constants := regexp.MustCompile(`(?m)^\s(?:\{"[^"]+", )?(?:Code\((setup\.\w+)\)|(\w+)), (?:Fatal|Warning|Note), `)
	source, err := os.ReadFile("code.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range constants.FindAllSubmatch(source, -1) {
		names[string(m[1])+string(m[2])] = true
	}
	if len(names) != len(entries) || len(catalog) != len(entries) {
		t.Fatalf("%d names of %d entries, %d of them different", len(names), len(entries), len(catalog))
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests []byte
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		tests = append(tests, text...)
	}
	for name := range names {
		// Those come from facts that only the setup room's own tests can make.
		if name == "setup.ServerIsStandby" {
			continue
		}
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`).Match(tests) {
			t.Errorf("no test plants %s", name)
		}
	}
}

func TestAnInterruptedExaminationIsNone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Examine(ctx, Options{Environ: offline(t), LoadRules: app.LoadRules, SetupConfig: app.SetupConfig}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestAReportThatCannotBePrintedIsAnError(t *testing.T) {
	r := examine(t, Options{Environ: offline(t)})
	if r.Print(broken{}) == nil || r.JSON(broken{}) == nil {
		t.Error("no error")
	}
}
