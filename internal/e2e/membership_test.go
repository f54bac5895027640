package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
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
