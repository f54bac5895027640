package server

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// Every route passes the gate but those that are written down here once more,
// so that opening one takes two edits.
func TestEveryRouteButTheProbesPassesTheGate(t *testing.T) {
	open := []string{"GET /healthz", "HEAD /healthz", "GET /readyz", "HEAD /readyz"}
	w := newWorld()
	s := w.server()
	for _, route := range s.routes() {
		r := httptest.NewRequest(route.method, route.path+"?organizationId=org_a", nil)
		r.Header = http.Header{"Origin": {"https://evil.example"}, "Cookie": {"session=good"}}
		got := httptest.NewRecorder()
		s.Handler().ServeHTTP(got, r)
		refused := got.Code == http.StatusForbidden && got.Body.String() == "Forbidden: Origin not allowed"
		if want := !slices.Contains(open, route.method+" "+route.path); refused != want {
			t.Errorf("%s %s: got %d %q", route.method, route.path, got.Code, got.Body)
		}
		if got.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s allows a foreign origin", route.method, route.path)
		}
	}
}

func TestGateAdmitsOnlyTheApplicationsPages(t *testing.T) {
	const listed = "https://app.example.com"
	for _, c := range []struct {
		name   string
		header http.Header
		want   bool
	}{
		{"no browser", http.Header{}, true},
		{"own page, EventSource", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}}, true},
		{"own page, fetch in mode same-origin", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"same-origin"}, "Sec-Fetch-Dest": {"empty"}}, true},
		{"own page that sends its listed Origin", http.Header{"Origin": {listed}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"cors"}}, true},
		{"listed page of another site", http.Header{"Origin": {listed}, "Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}}, true},
		{"listed, old browser", http.Header{"Origin": {listed}}, true},
		{"listed, port", http.Header{"Origin": {"http://localhost:3000"}}, true},

		{"same site, no Origin", http.Header{"Sec-Fetch-Site": {"same-site"}}, false},
		{"cross site, no Origin", http.Header{"Sec-Fetch-Site": {"cross-site"}}, false},
		{"typed into the address bar", http.Header{"Sec-Fetch-Site": {"none"}}, false},
		{"empty Sec-Fetch-Site", http.Header{"Sec-Fetch-Site": {""}}, false},
		{"two Sec-Fetch-Site", http.Header{"Sec-Fetch-Site": {"same-origin", "cross-site"}}, false},
		{"Sec-Fetch-Site in another case", http.Header{"Sec-Fetch-Site": {"Same-Origin"}}, false},
		{"Sec-Fetch-Site as a list", http.Header{"Sec-Fetch-Site": {"same-origin, cross-site"}}, false},

		{"navigation", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"navigate"}}, false},
		{"image", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"no-cors"}}, false},
		{"websocket", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"websocket"}}, false},
		{"listed, no-cors", http.Header{"Origin": {listed}, "Sec-Fetch-Mode": {"no-cors"}}, false},
		{"listed, navigation", http.Header{"Origin": {listed}, "Sec-Fetch-Mode": {"navigate"}}, false},
		{"script", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"script"}}, false},
		{"frame", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"iframe"}}, false},
		{"listed, document", http.Header{"Origin": {listed}, "Sec-Fetch-Dest": {"document"}}, false},
		{"two Sec-Fetch-Mode", http.Header{"Sec-Fetch-Mode": {"cors", "navigate"}}, false},

		{"foreign", http.Header{"Origin": {"https://evil.example"}}, false},
		{"foreign that claims to be the own page", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"same-origin"}}, false},
		{"null", http.Header{"Origin": {"null"}}, false},
		{"null of the own page", http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"same-origin"}}, false},
		{"empty", http.Header{"Origin": {""}}, false},
		{"two", http.Header{"Origin": {listed, listed}}, false},
		{"list", http.Header{"Origin": {listed + ", https://evil.example"}}, false},
		{"other scheme", http.Header{"Origin": {"http://app.example.com"}}, false},
		{"other port", http.Header{"Origin": {listed + ":8443"}}, false},
		{"default port written out", http.Header{"Origin": {listed + ":443"}}, false},
		{"slash", http.Header{"Origin": {listed + "/"}}, false},
		{"path", http.Header{"Origin": {listed + "/page"}}, false},
		{"other case", http.Header{"Origin": {"https://APP.example.com"}}, false},
		{"suffix", http.Header{"Origin": {listed + ".evil.example"}}, false},
		{"prefix", http.Header{"Origin": {"https://evilapp.example.com"}}, false},
		{"subdomain", http.Header{"Origin": {"https://x.app.example.com"}}, false},
		{"parent", http.Header{"Origin": {"https://example.com"}}, false},
		{"user part", http.Header{"Origin": {"https://app.example.com@evil.example"}}, false},
		{"trailing dot", http.Header{"Origin": {listed + "."}}, false},
		{"star", http.Header{"Origin": {"*"}}, false},
	} {
		g := newGate([]string{listed, "http://localhost:3000", "null", ""}, false)
		if origin, got := g.admits(c.header); got != c.want || got && origin != c.header.Get("Origin") {
			t.Errorf("%s: got %v for origin %q", c.name, got, origin)
		}
	}
}

func TestDevelopmentAdmitsAnyOriginButNoneThatIsNone(t *testing.T) {
	g := newGate(nil, true)
	for origin, want := range map[string]bool{
		"http://localhost:3000": true, "https://anything.example": true, "http://[::1]:3000": true,
		"null": false, "": false, "*": false, "https://a.example/": false, "https://a.example/x": false, "https://u@a.example": false,
		"localhost": false, "https://": false, "https://a.example?x": false, "https://a.example#x": false,
	} {
		if _, got := g.admits(http.Header{"Origin": {origin}}); got != want {
			t.Errorf("%q: got %v", origin, got)
		}
	}
	if _, ok := g.admits(http.Header{"Origin": {"http://localhost:3000"}, "Sec-Fetch-Mode": {"no-cors"}}); ok {
		t.Error("development admits no-cors")
	}
}

func TestNoListMeansNoForeignOrigin(t *testing.T) {
	g := newGate(nil, false)
	for _, origin := range []string{"https://app.example.com", "http://localhost:3000", "null", ""} {
		if _, ok := g.admits(http.Header{"Origin": {origin}}); ok {
			t.Errorf("%q is admitted", origin)
		}
	}
}

func TestPreflightNamesMethodsAndHeaders(t *testing.T) {
	w, a := newWorld(), goodAsk()
	a.method = "OPTIONS"
	a.header.Del("Cookie") // a browser sends none
	a.header.Set("Access-Control-Request-Method", "GET")
	got := send(t, listen(t, w.server()), a.String())
	for _, line := range []string{
		"HTTP/1.1 204 No Content", "Access-Control-Allow-Origin: https://app.example.com", "Access-Control-Allow-Credentials: true",
		"Access-Control-Allow-Methods: GET, OPTIONS", "Access-Control-Allow-Headers: Cache-Control, Last-Event-ID", "Vary: Cookie, Origin",
	} {
		if !slices.Contains(strings.Split(got, "\r\n"), line) {
			t.Errorf("no %q in %q", line, got)
		}
	}
	if calls := w.calls(); len(calls) != 0 {
		t.Errorf("a preflight called %v", calls)
	}
}
