package e2e_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestNearlyTheSameNameIsAnother: from SQL to the wire, live, in the log and in a
// replay, an organization whose name begins another's is another.
func TestNearlyTheSameNameIsAnother(t *testing.T) {
	h := newHouse(t)
	alike := []string{"org_1", "org_10", "org_", "ORG_1", "org_1 ", " org_1", "org_1'", "org_1\\", "org_1;", "org_1,org_10", "org_1&x", "org_1%00", "org_1\x01", "org_é", "org_" + strings.Repeat("1", 251)}
	h.user(t, "user_1")
	for i, o := range alike {
		h.Exec(t, `INSERT INTO organizations (id, name) VALUES ($1, $2)`, o, fmt.Sprint("Organization ", i))
		h.user(t, fmt.Sprint("only_", i))
		h.member(t, fmt.Sprint("only_", i), o)
	}
	h.setUp(t)
	s := serve(t, h.environ, map[string]string{"ORGCAST_MAX_STREAMS_PER_ORGANIZATION": "3"})
	s.ready(t)
	t.Run("key-prefix-organizations", func(t *testing.T) {
		var ears []*ear
		var extra []*connection
		for i, o := range alike {
			ears = append(ears, s.listenAs(t, h, fmt.Sprint("only_", i), escaped(o)))
			// A full organization fills no other: two more each, and the next is one too many.
			for n := range 3 {
				c, err := connect(within(t, time.Minute), s.address, "organizationId="+escaped(o), h.cookie(t, fmt.Sprint("only_", i)), "")
				if err != nil {
					t.Fatal(err)
				}
				extra = append(extra, c)
				if full := c.StatusCode == 429; full != (n == 2) {
					t.Errorf("stream %d of %q: status %d", n+2, o, c.StatusCode)
				}
			}
			for k := 1; k <= 4; k++ { // no more: nobody may ask too often for what is not his
				other := alike[(i+k)%len(alike)]
				if got := s.status(t, h.cookie(t, fmt.Sprint("only_", i)), escaped(other)); got != 403 {
					t.Errorf("a member of %q asks for %q: status %d", o, other, got)
				}
			}
		}
		for _, c := range extra {
			c.Close()
		}
		until(t, time.Minute, func() string { // the server has seen that they left
			if n := s.metric(t, "orgcast_streams_open"); n > float64(len(ears)) {
				return fmt.Sprint(n, " streams")
			}
			return ""
		})
		for i, o := range alike {
			h.property(t, fmt.Sprint("property-", i), o, fmt.Sprintf("for-%d.", i))
			h.Exec(t, `UPDATE properties SET price = 2 WHERE id = $1`, fmt.Sprint("property-", i))
		}
		for i, e := range ears {
			told := e.live.count(t, 2)
			page := must(t, 200, "GET", "http://"+s.address+"/api/realtime/events?organizationId="+escaped(alike[i])+"&after="+e.from, e.cookie, "")
			if lines(told, fmt.Sprintf("property-%d\"", i)) != 2 || lines(told, fmt.Sprintf("for-%d.", i)) != 1 || strings.Count(page, `"propertyId"`) != 2 || strings.Count(page, fmt.Sprintf(`"propertyId":"property-%d"`, i)) != 2 {
				t.Errorf("a member of %q was told\n%s\nand by a page %s", alike[i], strings.Join(told, "\n"), page)
			}
		}
		// The removal of one ends the streams of that one alone.
		h.Exec(t, `DELETE FROM organizations WHERE id = 'org_1'`)
		for i, e := range ears {
			if alike[i] == "org_1" {
				e.live.ends(t)
				continue
			}
			h.Exec(t, `UPDATE properties SET price = 3 WHERE id = $1`, fmt.Sprint("property-", i))
			if told := e.live.count(t, 1); lines(told, fmt.Sprintf("property-%d\"", i)) != 1 {
				t.Errorf("a member of %q was told %s", alike[i], told)
			}
		}
	})
}

// escaped is an organization in a query.
func escaped(organization string) string { return url.QueryEscape(organization) }

// count reads n events, and no word of an end.
func (c *connection) count(t testing.TB, n int) (all []string) {
	t.Helper()
	for len(all) < n {
		b, m, err := c.next()
		switch {
		case err != nil || m.Type == "closing" || m.Type == "reset":
			t.Fatalf("%s %s %v after\n%s", m.Type, m.Reason, err, strings.Join(all, "\n"))
		case m.Type != "connection" && m.Type != "ready" && m.Type != "status":
			all = append(all, b.data)
		}
	}
	return all
}
