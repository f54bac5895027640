package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast/internal/pgtest"
)

// status asks for a stream and tells what the answer is; one that is 200 is
// closed again.
func (s *instance) status(t testing.TB, cookie string, organizations ...string) int {
	t.Helper()
	c, err := connect(within(t, time.Minute), s.address, "organizationId="+strings.Join(organizations, "&organizationId="), cookie, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.StatusCode
}

// ends reads a stream to its end and returns its data lines, the last of which
// says why it ends.
func (c *connection) ends(t testing.TB) (all []string, closing message) {
	t.Helper()
	for {
		b, m, err := c.next()
		if err != nil {
			t.Fatalf("the stream ends without a word: %v, after\n%s", err, strings.Join(all, "\n"))
		}
		all = append(all, b.data)
		if m.Type == "closing" {
			return all, m
		}
	}
}

// TestReplayFloorAtJoin: a replay begins where the present membership does,
// whichever cursor its user comes with and from whom he has it.
func TestReplayFloorAtJoin(t *testing.T) {
	h := settled(t, 2)
	for _, user := range []string{"joins", "returns", "both", "twice"} {
		h.user(t, user)
	}
	h.member(t, "returns", "org_1")
	h.member(t, "both", "org_1")
	s := serve(t, h.environ, nil)
	s.ready(t)
	t.Run("replay-floor-at-join", func(t *testing.T) {
		member := s.listenAs(t, h, "user_1", "org_1")
		returns := s.listenAs(t, h, "returns", "org_1")
		start := member.from
		change := func(text string) {
			h.Exec(t, `UPDATE properties SET description = $1 WHERE id = 'property_1'`, text)
			h.Exec(t, `UPDATE properties SET description = $1 WHERE id = 'property_2'`, text)
		}
		change("canary-before")
		h.script(t, `DELETE FROM organization_members WHERE "userId" = 'returns'`)
		if _, m := returns.live.ends(t); m.Reason != "membership_revoked" {
			t.Errorf("closing %+v", m)
		}
		change("canary-while-away")
		change("plain") // or it would be an old value of what comes after
		s.hear(t, h, member)
		middle := member.from
		h.member(t, "joins", "org_1")
		h.member(t, "returns", "org_1")
		h.member(t, "both", "org_2") // who was in one for long is new in the other
		h.member(t, "twice", "org_1")
		// Neither of these begins a membership anew, or ends one.
		h.script(t, `UPDATE organization_members SET role = 'ADMIN', joined_at = '2000-01-01' WHERE "userId" IN ('joins', 'twice'); UPDATE organization_members SET id = 'another key' WHERE "userId" = 'twice'`)
		change("after-the-join")
		whole := s.hear(t, h, member)[0]
		if lines(whole, "member.join") != 3 || lines(whole, "after-the-join") != 1 {
			t.Fatalf("a member was told\n%s", strings.Join(whole, "\n"))
		}
		for _, from := range []string{start, middle} {
			for _, c := range []struct {
				user          string
				organizations []string
			}{{"joins", []string{"org_1"}}, {"returns", []string{"org_1"}}, {"twice", []string{"org_1"}}, {"both", []string{"org_1", "org_2"}}, {"both", []string{"org_2"}}} {
				cookie, query := h.cookie(t, c.user), "organizationId="+strings.Join(c.organizations, "&organizationId=")
				stream, err := connect(within(t, time.Minute), s.address, query, cookie, from)
				if err != nil {
					t.Fatal(err)
				}
				if m := stream.await(t, "reset"); m.Reason != "too_old" {
					t.Errorf("%s from %s: reset %s", c.user, from, m.Reason)
				}
				e := &ear{user: c.user, organizations: c.organizations, query: query, cookie: cookie, live: stream}
				e.from = stream.await(t, "ready").Cursor
				if told := s.hear(t, h, e)[0]; len(told) > 0 {
					t.Errorf("%s from %s was told\n%s", c.user, from, strings.Join(told, "\n"))
				}
				stream.Close()
				page := must(t, http.StatusOK, http.MethodGet, "http://"+s.address+"/api/realtime/events?limit=1000&"+query+"&after="+from, cookie, "")
				if !strings.Contains(page, `"reset":"too_old"`) || !strings.Contains(page, `"events":[]`) {
					t.Errorf("a page of %s from %s: %s", c.user, from, page)
				}
			}
		}
		// From his own join on, and not an event before it.
		joined := ""
		for _, line := range whole {
			if strings.Contains(line, `"memberId":"joins@org_1"`) {
				joined = between(line, `"id":"`, `"`)
			}
		}
		first, err := connect(within(t, time.Minute), s.address, "organizationId=org_1", h.cookie(t, "joins"), joined)
		if err != nil {
			t.Fatal(err)
		}
		defer first.Close()
		told, _ := first.dataUpTo(t, "mark-", 1)
		never(t, "who resumes at his own join", told, "canary")
		if lines(told, "after-the-join") != 1 || lines(told, "reset") != 0 {
			t.Errorf("who resumes at his own join was told\n%s", strings.Join(told, "\n"))
		}
		// Who was there all the time is not held up by it.
		for user, organizations := range map[string][]string{"user_1": {"org_1"}, "both": {"org_1"}} {
			page := must(t, http.StatusOK, http.MethodGet, "http://"+s.address+"/api/realtime/events?limit=1000&organizationId="+organizations[0]+"&after="+start, h.cookie(t, user), "")
			if !strings.Contains(page, "canary-before") || !strings.Contains(page, "canary-while-away") || !strings.Contains(page, `"reset":null`) {
				t.Errorf("a page of %s: %.500s", user, page)
			}
		}
	})
}

// between cuts out what stands between two texts.
func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

// TestAnOldInsertGrantsNothing: through redelivery, a snapshot and all that a
// transaction may do, who was removed is out.
func TestAnOldInsertGrantsNothing(t *testing.T) {
	h := settled(t, 2)
	const users = 12
	for i := range users {
		h.user(t, fmt.Sprintf("late_%d", i))
	}
	s := serve(t, h.environ, map[string]string{"ORGCAST_HEARTBEAT": "1s"})
	s.ready(t)
	grant := func(i int) string {
		return fmt.Sprintf(`INSERT INTO organization_members (id, "userId", "organizationId") VALUES ('m_%d', 'late_%[1]d', 'org_1');`, i)
	}
	revoke := func(i int) string { return fmt.Sprintf(`DELETE FROM organization_members WHERE id = 'm_%d';`, i) }
	out := func(t *testing.T, when string, from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if got := s.status(t, h.cookie(t, fmt.Sprintf("late_%d", i)), "org_1"); got != http.StatusForbidden {
				t.Errorf("%s: late_%d, who was removed, is answered %d", when, i, got)
			}
		}
	}
	t.Run("stale-insert-no-regrant", func(t *testing.T) {
		h.script(t, `BEGIN;`+grant(0)+revoke(0)+`COMMIT`) // in one transaction
		h.script(t, grant(1))
		h.script(t, revoke(1))
		h.script(t, `BEGIN;`+grant(2)+`ROLLBACK; BEGIN; SAVEPOINT a;`+grant(2)+`ROLLBACK TO a; COMMIT`) // never was
		h.script(t, `BEGIN;`+grant(3)+`UPDATE organization_members SET "organizationId" = 'org_2' WHERE id = 'm_3'; COMMIT`)
		h.script(t, grant(4)+`BEGIN; UPDATE organization_members SET "userId" = 'user_2' WHERE id = 'm_4'; COMMIT`)
		h.script(t, grant(5))
		h.script(t, `BEGIN;`+revoke(5)+grant(5)+revoke(5)+`COMMIT`)
		h.script(t, grant(6)+`BEGIN; DELETE FROM users WHERE id = 'late_6'; COMMIT`) // by a cascade
		h.script(t, grant(7))
		h.script(t, `UPDATE organization_members SET id = 'm_7b' WHERE id = 'm_7'; BEGIN; DELETE FROM organization_members WHERE id = 'm_7b'; COMMIT`) // by another key
		const removed = 8
		h.script(t, grant(removed)) // who stays
		stays := s.listenAs(t, h, "late_8", "org_1")
		out(t, "live", 0, removed)

		// Both are killed: the slot forgets what was confirmed since the database's
		// last checkpoint.
		c := pgtest.Cluster(t)
		for range 3 {
			s.kill(t)
			if err := c.Stop(t.Context(), "immediate"); err != nil {
				t.Fatal(err)
			}
			s.start(t)
			if err := c.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			until(t, time.Minute, func() string {
				if status, _, err := get("http://" + s.address + "/healthz"); err != nil || status != http.StatusOK {
					return fmt.Sprint("healthz ", status, err)
				}
				return ""
			})
			out(t, "after a crash", 0, removed)
			s.ready(t)
			out(t, "after a crash, and ready", 0, removed)
		}
		if got := s.status(t, h.cookie(t, "late_8"), "org_1"); got != http.StatusOK {
			t.Errorf("who was not removed is answered %d", got)
		}

		// The slot is gone: a new one, and a snapshot. What lies below it, and what
		// was written while nobody read, is in the snapshot or nowhere.
		s.kill(t)
		h.script(t, grant(9))
		h.script(t, revoke(9))
		until(t, time.Minute, func() string {
			if _, active := slot(t, h.Conn(t), h.Name); active {
				return "the slot is still read"
			}
			return ""
		})
		h.script(t, `SELECT pg_drop_replication_slot('orgcast_`+h.Name+`')`)
		h.script(t, grant(10))
		s.start(t)
		h.script(t, revoke(10)) // before the snapshot or after it
		h.script(t, `BEGIN;`+grant(11)+`ROLLBACK`)
		s.ready(t)
		out(t, "after a new snapshot", 0, removed)
		out(t, "after a new snapshot", 9, 12)
		// Who comes back by right is in, from there on.
		h.script(t, grant(9))
		back, err := connect(within(t, time.Minute), s.address, "organizationId=org_1", h.cookie(t, "late_9"), stays.from)
		if err != nil || back.StatusCode != http.StatusOK {
			t.Fatalf("who was let in again is answered %+v, %v", back, err)
		}
		defer back.Close()
		if m := back.await(t, "reset"); m.Reason != "epoch" {
			t.Errorf("reset %s", m.Reason)
		}
	})
}

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
			if got := s.status(t, h.cookie(t, st.user), st.organizations...); got != http.StatusServiceUnavailable {
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
			for _, st := range all {
				if got := s.status(t, h.cookie(t, st.user), st.organizations...); got != http.StatusForbidden {
					t.Errorf("%s of the old table is answered %d", st.user, got)
				}
			}
		})
	})
}
