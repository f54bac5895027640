package e2e_test

import (
	"strings"
	"testing"
	"time"
)

// TestRowSecurityThatNoRuleSpeaksOf ends a server that starts, and makes one that
// has served stale: the WAL has what the policies hide.
func TestRowSecurityThatNoRuleSpeaksOf(t *testing.T) {
	h := settled(t, 1)
	s := serve(t, h.environ, nil)
	s.ready(t)
	h.Exec(t, `ALTER TABLE clients ENABLE ROW LEVEL SECURITY`)
	until(t, 40*time.Second, func() string {
		if why := s.readiness(t); !strings.Contains(why, "row-level security") {
			return "it serves a table with policies; /readyz: " + why
		}
		return ""
	})
	again := serve(t, h.environ, nil)
	if status := again.exit(t, time.Minute); status != 1 || !strings.Contains(again.out.String(), "rls: tenant_only") {
		t.Errorf("status %d:\n%s", status, again.out)
	}
	h.Exec(t, `ALTER TABLE clients DISABLE ROW LEVEL SECURITY`)
	s.ready(t)
}
