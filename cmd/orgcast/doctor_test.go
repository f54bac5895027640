package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/oikion/orgcast/internal/codec"
	"github.com/oikion/orgcast/internal/doctor"
)

func TestDoctorExitsWithOneAndSaysWhy(t *testing.T) {
	const secret = "canary-secret-0815-0815-0815-0815-0815"
	ask := func(args ...string) (status int, stdout string) {
		t.Helper()
		var out, errors bytes.Buffer
		env := &environment{
			ctx: t.Context(), stdin: strings.NewReader(""), stdout: &out, stderr: &errors,
			environ: []string{"AUTH_SECRET=" + secret, "ORGCAST_DATA_DIR=" + t.TempDir(), "DATABASE_URL=prisma://x/?api_key=" + secret},
		}
		status = run(env, append([]string{"doctor"}, args...))
		if errors.Len() > 0 || strings.Contains(out.String(), secret) {
			t.Errorf("on standard error %q, on standard output %q", errors.String(), out.String())
		}
		return status, out.String()
	}
	status, text := ask()
	if status != 1 || !strings.Contains(text, "✗ database_prisma: ") || !strings.Contains(text, "→ ") {
		t.Errorf("status %d, %s", status, text)
	}
	status, text = ask("--json")
	var r doctor.Report
	if err := codec.Unmarshal([]byte(text), &r); status != 1 || err != nil || r.Fatal != 1 || r.Findings[0].Code != doctor.DatabasePrisma {
		t.Errorf("status %d, %v, %s", status, err, text)
	}
}
