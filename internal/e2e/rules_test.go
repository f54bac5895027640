package e2e_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// TestOtherRulesCostOnlyWhatTheyMust: the log, the slot and the epoch go on. Rules
// that narrow cost those nothing who missed nothing, and nobody is told what they
// took away, not even of the past; rules that widen have everybody refetch who was
// not there.
func TestOtherRulesCostOnlyWhatTheyMust(t *testing.T) {
	h := settled(t, 2)
	data := map[string]string{"ORGCAST_DATA_DIR": filepath.Join(t.TempDir(), "data")}
	const clients = "  clients: {event: data.sync, entity: client, tenant: [organizationId], columns: [id, name, phone]}\n"
	wide := withRules(t, h.environ, goodRules+clients)
	narrow := withRules(t, h.environ, goodRules+strings.Replace(clients, ", phone", "", 1))
	var cursors []string // after each of two events of the first organization
	var second string    // of the second one, which hears nothing
	run := func(environ map[string]string, then func(s *instance)) {
		t.Helper()
		s := serve(t, environ, data)
		s.ready(t)
		then(s)
		s.terminate(t)
		if status := s.exit(t, 20*time.Second); status != 0 {
			t.Fatalf("status %d", status)
		}
		if strings.Count(s.out.String(), "new epoch") > 1 {
			t.Errorf("a new epoch:\n%s", s.out.String())
		}
	}
	connectTo := func(s *instance, organization, from string) *connection {
		t.Helper()
		user := "user_" + strings.TrimPrefix(organization, "org_")
		c, err := connect(within(t, time.Minute), s.address, "organizationId="+organization, h.cookie(t, user), from)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	// resumes says what a stream from a cursor begins with: ready, or reset.
	resumes := func(s *instance, organization, from, want string) {
		t.Helper()
		c := connectTo(s, organization, from)
		defer c.Close()
		for {
			b, m, err := c.next()
			if err != nil {
				t.Fatal(err)
			}
			switch m.Type {
			case "ready", "reset":
				if got := strings.TrimSpace(m.Type + " " + string(m.Reason)); got != want {
					t.Errorf("%s from %s: %s, want %s", organization, from, got, want)
				}
				return
			case "connection":
			default:
				t.Errorf("%s from %s is told %s", organization, from, b.data)
			}
		}
	}
	run(wide, func(s *instance) {
		c, other := connectTo(s, "org_1", ""), connectTo(s, "org_2", "")
		defer c.Close()
		defer other.Close()
		c.await(t, "ready")
		second = string(other.await(t, "ready").Cursor)
		for _, phone := range []string{"1", "2"} {
			h.Exec(t, `UPDATE clients SET phone = '`+phone+`' WHERE "organizationId" = 'org_1'`)
			cursors = append(cursors, c.await(t, "data.sync").ID)
		}
	})
	run(narrow, func(s *instance) {
		resumes(s, "org_1", cursors[1], "ready")
		resumes(s, "org_1", cursors[0], "reset "+string(orgcast.ResetTooOld))
		resumes(s, "org_2", second, "ready")
		h.Exec(t, `UPDATE clients SET name = 'x', phone = 'hidden' WHERE "organizationId" = 'org_1'`)
		c := connectTo(s, "org_1", cursors[1])
		defer c.Close()
		b, m, err := c.next()
		for err == nil && m.Type != "data.sync" {
			b, m, err = c.next()
		}
		if err != nil || strings.Contains(b.data, "phone") || !strings.Contains(b.data, `"name":"x"`) {
			t.Errorf("%s %v", b.data, err)
		}
	})
	run(wide, func(s *instance) {
		resumes(s, "org_2", second, "reset "+string(orgcast.ResetTooOld))
		resumes(s, "org_1", cursors[1], "reset "+string(orgcast.ResetTooOld))
	})
	// One that is killed has told of more than it stored: who is at the end of what is
	// stored may be one who was.
	s := serve(t, narrow, data)
	s.ready(t)
	c := connectTo(s, "org_2", "")
	defer c.Close()
	second = string(c.await(t, "ready").Cursor)
	s.kill(t)
	h.Exec(t, `UPDATE clients SET phone = '3' WHERE "organizationId" = 'org_1'`)
	run(wide, func(s *instance) { resumes(s, "org_2", second, "reset "+string(orgcast.ResetTooOld)) })
}
