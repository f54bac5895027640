package admin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oikion/orgcast"
)

const secret = "0123456789abcdef-the-right-one"

// call asks the handler once.
func call(t *testing.T, h http.Handler, path, host string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = host
	if header != nil {
		r.Header = header
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func deps(fresh error) Deps {
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "orgcast_test_total", Help: "A counter."})
	registry.MustRegister(counter)
	counter.Inc()
	return Deps{Fresh: func() error { return fresh }, Gatherer: registry}
}

func bearer(values ...string) http.Header { return http.Header{"Authorization": values} }

func TestOperatorSeesHealthReadinessAndMetrics(t *testing.T) {
	loop := Config{Address: "127.0.0.1:4051"}
	stale := errors.New("no fresh position for 12s")
	for _, c := range []struct {
		path, body string
		fresh      error
		status     int
	}{
		{"/healthz", "ok", stale, 200},
		{"/readyz", "ok", nil, 200},
		{"/readyz", stale.Error(), stale, 503},
		{"/other", "404 page not found\n", nil, 404},
	} {
		w := call(t, New(loop, deps(c.fresh)), c.path, "localhost:4051", nil)
		if w.Code != c.status || w.Body.String() != c.body {
			t.Errorf("%s: got %d %q, want %d %q", c.path, w.Code, w.Body, c.status, c.body)
		}
	}
	w := call(t, New(loop, deps(nil)), "/metrics", "localhost:4051", nil)
	if w.Code != 200 || !strings.Contains(w.Body.String(), "\norgcast_test_total 1\n") {
		t.Errorf("/metrics: got %d %q", w.Code, w.Body)
	}
}

func TestOnlyTheConfiguredHostsAreAnswered(t *testing.T) {
	loop := Config{Address: "127.0.0.1:4051", Hosts: []string{"Metrics.example.com", "exact.example.com:80"}}
	wide := Config{Address: "0.0.0.0:4051", Token: secret, Hosts: []string{"ops.internal"}}
	for _, c := range []struct {
		config Config
		host   string
		want   bool
	}{
		{loop, "127.0.0.1:4051", true},
		{loop, "localhost:4051", true},
		{loop, "LOCALHOST:4051", true},
		{loop, "[::1]:4051", true},
		{loop, "metrics.example.com:9", true},
		{loop, "metrics.example.com", true},
		{loop, "exact.example.com:80", true},
		{loop, "exact.example.com:81", false},
		{loop, "localhost:4052", false},
		{loop, "localhost", false},
		{loop, "evil.example", false},
		{loop, "evil.example:4051", false},
		{loop, "127.0.0.1.evil.example:4051", false},
		{loop, "", false},
		{wide, "ops.internal:4051", true},
		{wide, "0.0.0.0:4051", false}, // a browser can be sent there
		{wide, "localhost:4051", false},
	} {
		header := bearer("Bearer " + secret)
		if w := call(t, New(c.config, deps(nil)), "/healthz", c.host, header); (w.Code == 200) != c.want {
			t.Errorf("%s at %q: got %d", c.config.Address, c.host, w.Code)
		}
	}
}

func TestNoWebPageIsAnswered(t *testing.T) {
	h := New(Config{Address: "127.0.0.1:4051", Token: secret}, deps(nil))
	for _, origin := range []string{"http://localhost:4051", "null", ""} {
		header := bearer("Bearer " + secret)
		header["Origin"] = []string{origin}
		if w := call(t, h, "/metrics", "localhost:4051", header); w.Code != 403 {
			t.Errorf("Origin %q: got %d", origin, w.Code)
		}
	}
}

func TestOffLoopbackEveryCallNeedsTheToken(t *testing.T) {
	for _, c := range []struct {
		name, token string
		header      http.Header
		want        int
	}{
		{"right", secret, bearer("Bearer " + secret), 200},
		{"scheme in another case", secret, bearer("bearer " + secret), 200},
		{"none", secret, nil, 401},
		{"empty", secret, bearer("Bearer "), 401},
		{"longer", secret, bearer("Bearer " + secret + "x"), 401},
		{"shorter", secret, bearer("Bearer " + secret[1:]), 401},
		{"another scheme", secret, bearer("Basic " + secret), 401},
		{"two", secret, bearer("Bearer "+secret, "Bearer wrong"), 401},
		{"none configured", "", nil, 401},
		{"none configured, empty sent", "", bearer("Bearer "), 401},
	} {
		for _, path := range []string{"/healthz", "/readyz", "/metrics", "/api/realtime/stats", "/other"} {
			h := New(Config{Address: "192.0.2.1:4051", Token: c.token}, deps(nil))
			want := c.want
			if want == 200 && (path == "/other" || path == "/api/realtime/stats") { // not given
				want = 404
			}
			if w := call(t, h, path, "192.0.2.1:4051", c.header); w.Code != want {
				t.Errorf("%s, %s: got %d, want %d", c.name, path, w.Code, want)
			}
		}
	}
}

func TestEveryRefusalIsCountedWithItsReason(t *testing.T) {
	var got []Reason
	d := deps(nil)
	d.Refused = func(r Reason) { got = append(got, r) }
	h := New(Config{Address: "127.0.0.1:4051", Token: secret}, d)
	call(t, h, "/healthz", "evil.example", nil)
	call(t, h, "/healthz", "localhost:4051", http.Header{"Origin": {"http://a.example"}})
	call(t, h, "/healthz", "localhost:4051", nil)
	if want := []Reason{ReasonHost, ReasonOrigin, ReasonToken}; len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("got %v, want %v", got, want)
	}
}

func post(t *testing.T, h http.Handler, contentType, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/api/realtime/kick", strings.NewReader(body))
	r.Host = "localhost:4051"
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestOnlyAWholeAndUnambiguousKickEndsStreams(t *testing.T) {
	d := deps(nil)
	var ended []string
	d.Kick = func(user orgcast.UserID, organization orgcast.OrganizationID) int {
		ended = append(ended, string(user)+" in "+string(organization))
		return 3
	}
	h := New(Config{Address: "127.0.0.1:4051"}, d)
	for _, c := range []struct {
		contentType, body string
		status            int
		answer            string
		ended             string
	}{
		{"application/json", `{"userId":"u"}`, 200, `{"closed":3}`, "u in "},
		{"application/json; charset=utf-8", `{"organizationId":"o"}`, 200, `{"closed":3}`, " in o"},
		{"application/json", `{"userId":"u","organizationId":"o"}`, 200, `{"closed":3}`, "u in o"},
		{"application/json", `{}`, 400, "Bad Request: userId, organizationId or both", ""},
		{"application/json", `{"userId":"","organizationId":""}`, 400, "Bad Request: userId, organizationId or both", ""},
		{"application/json", `{"userid":"u"}`, 400, `Bad Request: read JSON: unknown member "userid"`, ""},
		{"application/json", `{"userId":"u","userId":"v"}`, 400, `Bad Request: read JSON: duplicate member "userId"`, ""},
		{"application/json", `{"userId":"u"} x`, 400, "Bad Request: read JSON: text after the value", ""},
		{"application/json", "", 400, "Bad Request: read JSON: malformed", ""},
		{"application/json", `{"userId":"` + strings.Repeat("u", 5000) + `"}`, 413, "Payload Too Large", ""},
		{"text/plain", `{"userId":"u"}`, 415, "Unsupported Media Type: application/json is taken", ""},
		{"", `{"userId":"u"}`, 415, "Unsupported Media Type: application/json is taken", ""},
	} {
		ended = nil
		w := post(t, h, c.contentType, c.body)
		if got := strings.TrimSpace(w.Body.String()); w.Code != c.status || got != c.answer || strings.Join(ended, ",") != c.ended {
			t.Errorf("%.60s: got %d %q and ended %q, want %d %q and %q", c.body, w.Code, got, ended, c.status, c.answer, c.ended)
		}
	}
	if w := call(t, h, "/api/realtime/kick", "localhost:4051", nil); w.Code != 405 {
		t.Errorf("GET: %d", w.Code)
	}
}

func TestStatsHaveTheContractsNames(t *testing.T) {
	d := deps(nil)
	lag, bytes := 1.5, uint64(7)
	d.Stats = func() Stats {
		return Stats{
			ActiveConnections: 2, TotalSubscriptions: 3, EventsProcessed: 4, EventsDelivered: 5, EventsFailed: 6, AverageLatency: 1.25, Uptime: 60,
			OrganizationCount: 1, ConnectionsByOrg: map[orgcast.OrganizationID]int{"<o>": 2}, UntrustedProxies: 3,
			Replication: Replication{State: orgcast.FeedLive, Connected: true, Slot: "s", Position: "0/10", Durable: "0/9", Flushed: "0/17", Lag: &lag, LagBytes: &bytes},
		}
	}
	w := call(t, New(Config{Address: "127.0.0.1:4051"}, d), "/api/realtime/stats", "localhost:4051", nil)
	const want = `{"activeConnections":2,"totalSubscriptions":3,"eventsProcessed":4,"eventsDelivered":5,"eventsFailed":6,"averageLatency":1.25,"uptime":60,` +
		`"organizationCount":1,"connectionsByOrg":{"<o>":2},"untrustedProxies":3,` +
		`"replication":{"state":"live","connected":true,"slot":"s","position":"0/10","durable":"0/9","flushed":"0/17","lag":1.5,"lagBytes":7}}` + "\n"
	if w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s %s", w.Code, w.Header(), w.Body)
	}
}
