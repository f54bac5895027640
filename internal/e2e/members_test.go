package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTheTableOfMembersIsTakenAway: while it is not known who belongs where,
// nobody does.
func TestTheTableOfMembersIsTakenAway(t *testing.T) {
	h := settled(t, 2)
	h.member(t, "user_1", "org_2")
	h.user(t, "restored")
	s, whole := serve(t, h.environ, nil), t
	s.ready(t)
	type stream struct {
		user          string
		organizations []string
	}
	all := []stream{{"user_1", []string{"org_1"}}, {"user_1", []string{"org_1", "org_2"}}, {"user_2", []string{"org_2"}}}
	listen := func(t *testing.T) (ears []*ear) {
		for _, st := range all {
			ears = append(ears, s.listenAs(t, h, st.user, st.organizations...))
		}
		return ears
	}
	// ended says that every stream has ended, for a reason, before a word.
	ended := func(t *testing.T, ears []*ear, word string, reasons ...string) {
		t.Helper()
		for _, e := range ears {
			told, m := e.live.ends(t)
			never(t, e.user, told, word)
			if !slices.Contains(reasons, m.Reason) {
				t.Errorf("%s of %v: closing %+v", e.user, e.organizations, m)
			}
		}
	}
	// closed says that nobody is let in, and that nobody is told for good that he
	// is not.
	closed := func(t *testing.T) {
		t.Helper()
		for _, st := range all {
			var got int
			until(t, shortly, func() string {
				// He who was refused a moment ago may not ask again at once.
				if got = s.status(t, h.cookie(t, st.user), st.organizations...); got == http.StatusTooManyRequests {
					return st.user + " asks too often"
				}
				return ""
			})
			if got != http.StatusServiceUnavailable {
				t.Errorf("%s of %v is answered %d while nobody knows who belongs where", st.user, st.organizations, got)
			}
		}
	}
	const refill = `INSERT INTO organization_members (id, "userId", "organizationId") VALUES ('user_1@org_1', 'user_1', 'org_1'), ('user_1@org_2', 'user_1', 'org_2'), ('user_2@org_2', 'user_2', 'org_2');`
	const canary = `UPDATE properties SET description = 'canary';`
	t.Run("members-truncate-drop-recreate", func(t *testing.T) {
		t.Run("truncate", func(t *testing.T) {
			ears := listen(t)
			h.script(t, `TRUNCATE organization_members; `+canary)
			ended(t, ears, "canary", "membership_revoked")
			for _, st := range all {
				if got := s.status(t, h.cookie(t, st.user), st.organizations...); got != http.StatusForbidden {
					t.Errorf("%s is answered %d", st.user, got)
				}
			}
			h.script(t, refill)
			for _, e := range listen(t) {
				e.live.Close()
			}
		})
		t.Run("truncated and filled in one", func(t *testing.T) {
			ears := listen(t)
			h.script(t, `BEGIN; TRUNCATE organization_members; INSERT INTO organization_members (id, "userId", "organizationId") VALUES ('user_1@org_1', 'user_1', 'org_1'); `+canary+` COMMIT`)
			ended(t, ears[1:], "a word that is in none", "membership_revoked")
			if got := s.status(t, h.cookie(t, "user_1"), "org_1"); got != http.StatusOK {
				t.Errorf("who is in it again is answered %d", got)
			}
			h.script(t, `DELETE FROM organization_members`)
			ended(t, ears[:1], "a word that is in none", "membership_revoked")
			h.script(t, refill)
		})
		const recreate = `CREATE TABLE organization_members (id text PRIMARY KEY, "userId" text NOT NULL, "organizationId" text NOT NULL, role "UserRole" NOT NULL DEFAULT 'AGENT', joined_at timestamp(3));`
		for _, c := range []struct{ name, sql string }{
			{"dropped", `DROP TABLE organization_members CASCADE`},
			{"made anew", `BEGIN; DROP TABLE organization_members CASCADE; ` + recreate + refill + ` DELETE FROM organization_members WHERE "userId" = 'user_1'; COMMIT`},
			{"renamed away", `ALTER TABLE organization_members RENAME TO former_members`},
			{"unpublished", `ALTER PUBLICATION orgcast DROP TABLE organization_members`},
			{"without identity", `ALTER TABLE organization_members REPLICA IDENTITY DEFAULT`},
			{"without its column", `ALTER TABLE organization_members RENAME COLUMN "userId" TO user_id`},
		} {
			t.Run(c.name, func(t *testing.T) {
				ears := listen(t)
				h.script(t, c.sql)
				ended(t, ears, "a word that is in none", "lease")
				h.script(t, canary)
				closed(t)
				if why := s.readiness(t); !strings.Contains(why, "organization_members") {
					t.Errorf("the operator is told %q", why)
				}
				h.script(t, `DROP TABLE IF EXISTS organization_members, former_members CASCADE; `+recreate+refill)
				h.setUp(t)
				s.ready(t)
				until(t, time.Minute, func() string {
					if got := s.status(t, h.cookie(t, "user_1"), "org_1", "org_2"); got != http.StatusOK {
						return fmt.Sprint("a member is answered ", got)
					}
					return ""
				})
				defer func() { // a process that has waited long tries again seldom
					s.kill(t)
					s.start(whole)
					s.ready(t)
				}()
				for _, e := range ears { // what was committed meanwhile is not told by the old cursor
					again, err := connect(within(t, time.Minute), s.address, e.query, e.cookie, e.from)
					if err != nil {
						t.Fatal(err)
					}
					if m := again.await(t, "reset"); m.Reason != "epoch" {
						t.Errorf("reset %s", m.Reason)
					}
					again.Close()
				}
			})
		}
		t.Run("made anew and published in one", func(t *testing.T) {
			// Nobody looks at the catalog between the two: the WAL itself must say it.
			ears := listen(t)
			h.script(t, `BEGIN; DROP TABLE organization_members CASCADE; `+recreate+`ALTER TABLE organization_members REPLICA IDENTITY FULL; ALTER PUBLICATION orgcast ADD TABLE organization_members;
				GRANT SELECT ON organization_members TO `+h.role+`; INSERT INTO organization_members (id, "userId", "organizationId") VALUES ('r', 'restored', 'org_1'); `+canary+` COMMIT`)
			ended(t, ears, "canary", "lease", "membership_revoked")
			until(t, time.Minute, func() string {
				if got := s.status(t, h.cookie(t, "restored"), "org_1"); got != http.StatusOK {
					return fmt.Sprint("the one member is answered ", got)
				}
				return ""
			})
			for _, st := range all { // 503 while it is not sure yet, never 200
				until(t, time.Minute, func() string {
					switch got := s.status(t, h.cookie(t, st.user), st.organizations...); got {
					case http.StatusForbidden:
						return ""
					case http.StatusServiceUnavailable:
						return st.user + " of the old table is answered 503"
					default:
						t.Fatalf("%s of the old table is answered %d", st.user, got)
						return ""
					}
				})
			}
		})
	})
}
