package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// told is what the operator's commands print with --json, as far as it is looked
// at.
type told struct {
	Control, Reason, Cursor, Channel string
	Audience                         *struct{ Roles []string }
	Event                            struct {
		Type    string
		Payload struct{ PropertyID, EntityType string }
	}
	Verdict string
	User    *struct {
		Member  bool
		Role    string
		Sees    *bool
		Why     string
		Streams int
	}
	Withheld []struct {
		Table, Reason string
		Count         int
	}
	Events int
	Floor  string
}

func tell(t testing.TB, line string) (x told) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &x); err != nil {
		t.Fatalf("%v: %q", err, line)
	}
	return x
}

// command runs a command of the operator and reads its one line.
func (s *instance) command(t testing.TB, status int, args ...string) told {
	t.Helper()
	got, text := run(t, s.environ, "", append(args, "--json")...)
	if got != status {
		t.Fatalf("orgcast %v: status %d, want %d\n%s", args, got, status, text)
	}
	if got != 0 && !strings.HasPrefix(text, "{") {
		return told{}
	}
	return tell(t, text)
}

// TestTheOperatorFollowsAsksWhyAndPurges with the commands, on a real server: of
// one organization, while another whose id begins like its own loses nothing.
func TestTheOperatorFollowsAsksWhyAndPurges(t *testing.T) {
	h := newHouse(t)
	h.fill(t, 10) // org_1 and org_10
	h.setUp(t)
	// With the role that serve has, which may read the catalog and little else.
	if status, text := run(t, h.environ, "", "rules", "check"); status != 0 || !strings.Contains(text, "secrets   token: kept here") || !strings.HasSuffix(text, "\nSound.\n") {
		t.Errorf("rules check: status %d\n%s", status, text)
	}
	h.Exec(t, `ALTER TABLE notes REPLICA IDENTITY DEFAULT`)
	if status, text := run(t, h.environ, "", "rules", "check"); status != 1 || !strings.Contains(text, "✗ preset:oikion:") || !strings.Contains(text, "tables.notes: ") || !strings.Contains(text, "→ Run orgcast setup") {
		t.Errorf("rules check without an identity: status %d\n%s", status, text)
	}
	h.Exec(t, `ALTER TABLE notes REPLICA IDENTITY FULL`)
	s := serve(t, h.environ, map[string]string{"ORGCAST_ADMIN_TOKEN": "a-token-of-the-test-0815"})
	cookie, other := h.cookie(t, "user_1"), h.cookie(t, "user_10")
	until(t, time.Minute, func() string {
		if status, _, err := get("http://" + s.address + "/readyz"); err != nil || status != http.StatusOK {
			return "ready"
		}
		return ""
	})
	begin := s.position(t, "organizationId=org_1", cookie)

	// Follow: what was, and what comes.
	h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id IN ('property_1', 'property_10')`)
	h.Exec(t, `INSERT INTO invitations (id, email, role, token, "organizationId", "invitedBy", "expiresAt") VALUES ('i', 'x@example.com', 'AGENT', 'the-token-of-it', 'org_1', 'user_1', now())`)
	tail := spawn(t, s.environ, nil, "tail", "--json", "--organization", "org_1", "--after", begin)
	lines := func(n int) []told {
		t.Helper()
		var all []told
		until(t, 30*time.Second, func() string {
			all = nil
			text := tail.out.String()
			for line := range strings.Lines(text[:strings.LastIndexByte(text, '\n')+1]) {
				if x := tell(t, line); x.Control != "heartbeat" {
					all = append(all, x)
				}
			}
			if len(all) < n {
				return "lines, after: " + text
			}
			return ""
		})
		return all
	}
	if got := lines(3); got[0].Control != "begin" || got[0].Cursor != begin || got[1].Event.Payload.PropertyID != "property_1" || got[1].Audience != nil ||
		got[2].Event.Payload.EntityType != "invitation" || got[2].Audience == nil || len(got[2].Audience.Roles) != 2 {
		t.Fatalf("tail: %+v", got)
	}
	h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id IN ('property_1', 'property_10')`)
	h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id IN ('property_1', 'property_10')`)
	all := lines(5)
	if text := tail.out.String(); strings.Contains(text, "the-token-of-it") || strings.Contains(text, "property_10") {
		t.Errorf("tail shows what it must not:\n%s", text)
	}
	tail.signal(t, syscall.SIGINT)
	if status := tail.exit(t, 30*time.Second); status != 0 {
		t.Errorf("an interrupted tail: status %d", status)
	}

	// Ask why.
	update, invitation := all[1].Cursor, all[2].Cursor
	c, _ := open(t, s.address, "organizationId=org_1", cookie, "")
	if e := s.command(t, 0, "explain", "--organization", "org_1", "--user", "user_1", update); e.Verdict != "found" || !*e.User.Sees || e.User.Why != "every_member" || e.User.Streams != 1 {
		t.Errorf("%+v", e)
	}
	if e := s.command(t, 1, "explain", "--organization", "org_1", "--user", "user_1", invitation); *e.User.Sees || e.User.Why != "role_missing" || e.User.Role != "AGENT" {
		t.Errorf("%+v", e)
	}
	if e := s.command(t, 1, "explain", "--organization", "org_1", "--user", "user_10", update); *e.User.Sees || e.User.Why != "not_a_member" {
		t.Errorf("%+v", e)
	}
	if e := s.command(t, 1, "explain", "--organization", "org_10", update); e.Verdict != "no_event" {
		t.Errorf("another organization's event: %+v", e)
	}
	h.Exec(t, `INSERT INTO notes (id, content, "createdBy") VALUES ('nobodys', 'text', 'user_1')`)
	until(t, 30*time.Second, func() string {
		e := s.command(t, 0, "explain", "--organization", "org_1")
		if len(e.Withheld) != 1 || e.Withheld[0].Table != "public.notes" || e.Withheld[0].Reason != "tenant_null" || e.Withheld[0].Count != 1 {
			return "the withheld row"
		}
		return ""
	})

	// Purge, while somebody is live, and somebody else comes back from before.
	if p := s.command(t, 0, "log", "purge", "--organization", "org_1"); p.Events != 4 || p.Floor == "" {
		t.Errorf("purge: %+v", p)
	}
	if e := s.command(t, 1, "explain", "--organization", "org_1", update); e.Verdict != "too_old" {
		t.Errorf("%+v", e)
	}
	if back, err := connect(within(t, time.Minute), s.address, "organizationId=org_1", cookie, begin); err != nil {
		t.Fatal(err)
	} else if m := back.await(t, "reset"); m.Reason != "too_old" || back.Close() != nil {
		t.Errorf("behind the purge: %+v", m)
	}
	if p, err := s.page(t.Context(), "organizationId=org_10&after="+begin, other); err != nil || p.Reset != nil || len(p.Events) != 3 {
		t.Errorf("the other organization: %+v, %v", p, err)
	}
	h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id IN ('property_1', 'property_10')`)
	if m := c.await(t, "property.update"); m.Payload.PropertyID != "property_1" {
		t.Errorf("who is live: %+v", m)
	}

	// Stopped: the command opens the log itself.
	s.terminate(t)
	if status := s.exit(t, 30*time.Second); status != 0 {
		t.Fatalf("status %d", status)
	}
	if p := s.command(t, 0, "log", "purge", "--organization", "org_1"); p.Events != 1 {
		t.Errorf("purge of a stopped server's log: %+v", p)
	}
	s.command(t, 1, "log", "purge", "--organization", "*")
	nowhere := &instance{environ: map[string]string{"ORGCAST_ADMIN_LISTEN": freeAddress(t), "ORGCAST_DATA_DIR": filepath.Join(t.TempDir(), "none")}}
	nowhere.command(t, 1, "log", "purge", "--organization", "org_1")
	if _, err := os.Stat(nowhere.environ["ORGCAST_DATA_DIR"]); err == nil {
		t.Error("the command has made a log")
	}

	// And it is so after the restart, in the same epoch.
	s.start(t)
	until(t, time.Minute, func() string {
		if status, _, err := get("http://" + s.address + "/readyz"); err != nil || status != http.StatusOK {
			return "ready again"
		}
		return ""
	})
	if p, err := s.page(t.Context(), "organizationId=org_1&after="+begin, cookie); err != nil || p.Reset == nil || *p.Reset != "too_old" {
		t.Errorf("after the restart: %+v, %v", p, err)
	}
	if p, err := s.page(t.Context(), "organizationId=org_10&after="+begin, other); err != nil || p.Reset != nil || len(p.Events) != 4 {
		t.Errorf("the other organization: %+v, %v", p, err)
	}
}
