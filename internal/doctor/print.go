package doctor

import (
	"fmt"
	"io"
	"strings"

	"github.com/oikion/orgcast/internal/codec"
)

// marks are what people see of a severity; the worst comes first.
var marks = []struct {
	severity Severity
	mark     string
}{{Fatal, "✗"}, {Warning, "!"}, {Note, "·"}}

// Print writes the report for people: the worst first, each with its cure.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	for _, m := range marks {
		for _, f := range r.Findings {
			if f.Severity == m.severity {
				fmt.Fprintf(&b, "%s %s: %s\n    → %s\n", m.mark, f.Code, f.Text, f.Cure)
			}
		}
	}
	for _, g := range r.Good {
		fmt.Fprintln(&b, "✓", g)
	}
	for i, s := range r.Skipped {
		switch {
		case i == 0 || r.Skipped[i-1].Why != s.Why:
			fmt.Fprintf(&b, "? not looked at, because %s: %s", s.Why, s.Check)
		default:
			b.WriteString(", " + s.Check)
		}
		if i+1 == len(r.Skipped) || r.Skipped[i+1].Why != s.Why {
			b.WriteString("\n")
		}
	}
	end := "orgcast serve should work."
	if r.Fatal > 0 {
		end = "orgcast serve does not work until what is marked ✗ is mended."
	}
	fmt.Fprintf(&b, "Fatal: %d. Warnings: %d. Notes: %d. %s\n", r.Fatal, r.Warnings, r.Notes, end)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	return nil
}

// JSON writes the report as one line, for scripts.
func (r *Report) JSON(w io.Writer) error {
	if err := codec.Line(w, r); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	return nil
}

// Markdown is docs/DOCTOR.md.
func Markdown() []byte {
	var b strings.Builder
	b.WriteString("# Doctor\n\n" +
		"`orgcast doctor` takes the environment of `orgcast serve` and tells what is wrong with the installation, each with its cure. It changes nothing, and may run beside a serving orgcast. " +
		"It exits with 1 if something keeps serve from working, with `--strict` also if there is a warning; else with 0. " +
		"`--json` prints one line of JSON: `fatal`, `warnings`, `notes` (how many), `findings` (`code`, `severity`, `table`, `text`, `cure`), `good`, `skipped`. " +
		"`--url https://app.example.com/api/realtime/stream` also looks at the way through the application's proxy, without a cookie.\n\n" +
		"This page is made from the code: `go test ./internal/doctor -update`.\n")
	subject := ""
	for _, e := range entries {
		if e.subject != subject {
			subject = e.subject
			b.WriteString("\n## " + subject + "\n\n| code | severity | what is so |\n|---|---|---|\n")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", e.code, e.severity, e.what)
	}
	return []byte(b.String())
}
