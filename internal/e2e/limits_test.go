package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/oikion/orgcast/internal/config"
)

// count reads one counter or gauge of the operator's, by its whole name.
func (s *instance) count(t testing.TB, series string) float64 {
	t.Helper()
	_, text, err := get("http://" + s.oper + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in the metrics", series)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// asked is who opens a stream, of what, and from where.
type asked struct{ user, organization, address string }

// openFrom opens a stream behind a proxy that names an address, and closes it with
// the context.
func (h *house) openFrom(ctx context.Context, t testing.TB, s *instance, a asked) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/api/realtime/stream?organizationId="+a.organization, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a.user != "" {
		r.Header.Set("Cookie", h.cookie(t, a.user))
	}
	r.Header.Set("X-Forwarded-For", "192.0.2.66, "+a.address)
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// TestEveryLimitHasItsDefaultItsAnswerAndItsCount over the wire.
func TestEveryLimitHasItsDefaultItsAnswerAndItsCount(t *testing.T) {
	h := settled(t, 3)
	for i := 2; i <= 3; i++ {
		h.member(t, "user_1", org(i))
		h.member(t, fmt.Sprintf("user_%d", i), "org_1")
	}
	user := func(i int) string { return fmt.Sprintf("user_%d", i) }
	defaults := map[string]string{}
	for _, f := range config.Fields() {
		defaults[f.Name] = f.Default
	}
	for _, c := range []struct {
		variable, def, reason string
		status                int
		body                  string
		ask                   func(i int) asked
		other                 asked // who is served all the same
	}{
		{"ORGCAST_MAX_STREAMS", "10000", "node_limit", 503, "Service Unavailable: Too many streams",
			func(i int) asked { return asked{user(i), org(i), fmt.Sprintf("203.0.113.%d", i)} }, asked{}},
		{"ORGCAST_MAX_STREAMS_PER_USER", "20", "user_limit", 429, "Too Many Requests: Too many streams of this user",
			func(i int) asked { return asked{user(1), org(i), fmt.Sprintf("203.0.113.%d", i)} }, asked{user(2), org(1), "203.0.113.1"}},
		{"ORGCAST_MAX_STREAMS_PER_ORGANIZATION", "5000", "organization_limit", 429, "Too Many Requests: Too many streams of this organization",
			func(i int) asked { return asked{user(i), org(1), fmt.Sprintf("203.0.113.%d", i)} }, asked{user(2), org(2), "203.0.113.1"}},
		{"ORGCAST_MAX_STREAMS_PER_ADDRESS", "100", "address_limit", 429, "Too Many Requests: Too many streams from this address",
			func(i int) asked { return asked{user(i), org(i), fmt.Sprintf("2001:db8::%d", i)} }, asked{user(1), org(1), "2001:db8:0:1::1"}},
		{"ORGCAST_MAX_CONNECTS_PER_SECOND", "500", "connect_rate", 503, "Service Unavailable: Too many connects", nil, asked{}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			if got := defaults[c.variable]; got != c.def {
				t.Errorf("%s is %s by default, want %s", c.variable, got, c.def)
			}
			s := serve(t, h.environ, map[string]string{c.variable: "2", "ORGCAST_TRUSTED_PROXIES": "127.0.0.1"})
			s.ready(t)
			series := fmt.Sprintf("orgcast_requests_refused_total{reason=%q}", c.reason)
			if n := s.count(t, series); n != 0 {
				t.Errorf("%s begins at %v", series, n)
			}
			ctx := within(t, 2*time.Minute)
			first, leave := context.WithCancel(ctx)
			var refused *http.Response
			if c.ask == nil { // a second's connects: some are let in, and then one is not
				for i := 0; refused == nil; i++ {
					if i == 40 {
						t.Fatal("40 connects at once, of 2 a second")
					}
					if answer := h.openFrom(first, t, s, asked{user(1 + i%3), org(1), "203.0.113.1"}); answer.StatusCode != http.StatusOK {
						refused = answer
					}
				}
			} else {
				for i := 1; i <= 2; i++ {
					on := ctx
					if i == 1 {
						on = first
					}
					if answer := h.openFrom(on, t, s, c.ask(i)); answer.StatusCode != http.StatusOK {
						t.Fatalf("stream %d of 2: status %d", i, answer.StatusCode)
					}
				}
				refused = h.openFrom(ctx, t, s, c.ask(3))
			}
			body, err := io.ReadAll(refused.Body)
			if err != nil || refused.StatusCode != c.status || string(body) != c.body {
				t.Errorf("beyond the limit: %d %q, %v; want %d %q", refused.StatusCode, body, err, c.status, c.body)
			}
			if n, err := strconv.Atoi(refused.Header.Get("Retry-After")); err != nil || n < 1 || n > 60 {
				t.Errorf("Retry-After %q", refused.Header.Get("Retry-After"))
			}
			if n := s.count(t, series); n != 1 {
				t.Errorf("%s is %v", series, n)
			}
			if c.other != (asked{}) {
				if answer := h.openFrom(ctx, t, s, c.other); answer.StatusCode != http.StatusOK {
					t.Errorf("another is turned away, too: status %d", answer.StatusCode)
				}
			}
			leave()
			again := asked{user(3), org(3), "203.0.113.3"}
			if c.ask != nil {
				again = c.ask(3)
			}
			until(t, 30*time.Second, func() string {
				answer := h.openFrom(ctx, t, s, again)
				if answer.StatusCode != http.StatusOK {
					return fmt.Sprint("one has left, and the next gets ", answer.StatusCode)
				}
				return ""
			})
		})
	}
}
