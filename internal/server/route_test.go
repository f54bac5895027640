package server

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// surface is every route, written down once more: opening one takes two edits.
var surface = []string{
	"GET /api/realtime/stream", "PUT /api/realtime/stream", "DELETE /api/realtime/stream", "OPTIONS /api/realtime/stream",
	"GET /api/realtime/cursor", "OPTIONS /api/realtime/cursor",
	"GET /api/realtime/events", "POST /api/realtime/events", "OPTIONS /api/realtime/events",
	"GET /healthz", "HEAD /healthz", "GET /readyz", "HEAD /readyz",
}

// call sends a request that is right for any route, but for the headers given.
func (w *world) call(s *Server, method, path string, header http.Header) *httptest.ResponseRecorder {
	body := ""
	if method == http.MethodPut || method == http.MethodPost {
		body = "{}"
	}
	r := httptest.NewRequest(method, path+"?organizationId=org_a&connectionId="+ownID, strings.NewReader(body))
	r.RemoteAddr = "203.0.113.7:4711"
	r.Header = http.Header{"Cookie": {"session=good"}, "Authorization": {"Bearer orgc_good"}, "Content-Type": {"application/json"}}
	for name, values := range header {
		r.Header[name] = values
		if values == nil {
			delete(r.Header, name)
		}
	}
	got := httptest.NewRecorder()
	s.Handler().ServeHTTP(got, r)
	return got
}

func TestGateOnEveryRoute(t *testing.T) {
	const listed = "https://app.example.com"
	w := newWholeWorld()
	s := w.server()
	var all []string
	for _, r := range s.routes() {
		all = append(all, r.method+" "+r.path)
	}
	if !slices.Equal(all, surface) {
		t.Fatalf("the surface is %v", all)
	}
	for name, header := range map[string]http.Header{
		"foreign":           {"Origin": {"https://evil.example"}},
		"foreign, same":     {"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"same-origin"}},
		"null":              {"Origin": {"null"}},
		"two":               {"Origin": {listed, listed}},
		"cross site":        {"Sec-Fetch-Site": {"cross-site"}},
		"same site":         {"Sec-Fetch-Site": {"same-site"}},
		"typed":             {"Sec-Fetch-Site": {"none"}},
		"navigation":        {"Origin": {listed}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}},
		"form":              {"Origin": {listed}, "Sec-Fetch-Mode": {"navigate"}, "Content-Type": {"application/x-www-form-urlencoded"}},
		"no-cors":           {"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"no-cors"}},
		"script":            {"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"script"}},
		"listed for a key":  {"Origin": {listed}},
		"own page for key":  {"Sec-Fetch-Site": {"same-origin"}},
		"listed, own, key ": {"Origin": {listed}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"cors"}},
	} {
		t.Run("gate-on-every-route/"+name, func(t *testing.T) {
			page := strings.Contains(name, "key") // what a page may send, but not to publish
			for _, route := range surface {
				method, path, _ := strings.Cut(route, " ")
				before := len(w.calls())
				got := w.call(s, method, path, header)
				want := path != "/healthz" && path != "/readyz" && (!page || route == "POST /api/realtime/events")
				if refused := got.Code == http.StatusForbidden && got.Body.String() == "Forbidden: Origin not allowed"; refused != want {
					t.Errorf("%s: got %d %q", route, got.Code, got.Body)
				}
				if want && (len(w.calls()) != before || got.Header().Get("Access-Control-Allow-Origin") != "") {
					t.Errorf("%s: called %v, told %v", route, w.calls()[before:], got.Header())
				}
			}
		})
	}
	t.Run("node-env-unset-cors", func(t *testing.T) {
		w := newWholeWorld()
		w.config = Config{} // what production is without a setting
		s := w.server()
		for _, origin := range []string{listed, "http://localhost:3000", "http://127.0.0.1:3000", "null", "", "*"} {
			for _, route := range surface {
				method, path, _ := strings.Cut(route, " ")
				if path == "/healthz" || path == "/readyz" {
					continue
				}
				got := w.call(s, method, path, http.Header{"Origin": {origin}})
				if got.Code != http.StatusForbidden || got.Header().Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s for %q: got %d %v", route, origin, got.Code, got.Header())
				}
			}
		}
	})
}

// What a client can write into a header changes neither who it is, nor where it
// comes from, nor what it asks for.
func TestSpoofMatrix(t *testing.T) {
	spoofs := []http.Header{
		{"X-Forwarded-For": {"127.0.0.1"}}, {"X-Real-Ip": {"127.0.0.1"}}, {"True-Client-Ip": {"10.0.0.1"}}, {"Cf-Connecting-Ip": {"10.0.0.1"}},
		{"Forwarded": {"for=127.0.0.1;host=app.example.com;proto=https"}}, {"X-Forwarded-Host": {"app.example.com"}}, {"X-Forwarded-Proto": {"https"}},
		{"X-Original-Url": {"/healthz"}}, {"X-Rewrite-Url": {"/healthz"}}, {"X-Forwarded-Prefix": {"/healthz"}},
		{"X-Http-Method-Override": {"DELETE"}}, {"X-Method-Override": {"GET"}}, {"X-Http-Method": {"PUT"}},
		{"Referer": {"https://app.example.com/"}}, {"X-Requested-With": {"XMLHttpRequest"}}, {"Host": {"app.example.com"}},
		{"X-Middleware-Subrequest": {"middleware"}}, {"X-Nextjs-Data": {"1"}}, {"X-User-Id": {"user_b"}}, {"X-Organization-Id": {"org_b"}},
	}
	for _, route := range surface {
		method, path, _ := strings.Cut(route, " ")
		t.Run("spoof-matrix/"+route, func(t *testing.T) {
			run := func(header http.Header) (answer string, calls []string, addresses []netip.Addr) {
				w := newWholeWorld()
				got := w.call(w.server(), method, path, header)
				got.Header().Del("Retry-After")
				return got.Result().Status + got.Body.String(), w.calls(), w.address
			}
			for _, base := range []http.Header{
				{},
				{"Origin": {"https://evil.example"}},
				{"Cookie": nil},
				{"Authorization": nil},
			} {
				answer, calls, addresses := run(base)
				for _, spoof := range spoofs {
					header := base.Clone()
					for name, values := range spoof {
						header[name] = values
					}
					a, c, at := run(header)
					if a != answer || !slices.Equal(c, calls) || !slices.Equal(at, addresses) {
						t.Errorf("%v with %v: got %q, called %v, from %v; without %q, %v, %v", base, spoof, a, c, at, answer, calls, addresses)
					}
				}
			}
		})
	}
	t.Run("a key is no session and a session no key", func(t *testing.T) {
		for _, route := range surface {
			method, path, _ := strings.Cut(route, " ")
			if method == http.MethodOptions || path == "/healthz" || path == "/readyz" {
				continue
			}
			name := "Cookie"
			if route == "POST /api/realtime/events" {
				name = "Authorization"
			}
			w := newWholeWorld()
			if got := w.call(w.server(), method, path, http.Header{name: nil}); got.Code != http.StatusUnauthorized {
				t.Errorf("%s without its %s: got %d %q", route, name, got.Code, got.Body)
			}
		}
	})
}

func TestEveryPreflightNamesWhatAPageMaySend(t *testing.T) {
	for _, c := range []struct{ path, allow, methods, headers string }{
		{"/api/realtime/stream", "GET, PUT, DELETE, OPTIONS", "GET, PUT, DELETE, OPTIONS", "Cache-Control, Last-Event-ID, Content-Type"},
		{"/api/realtime/cursor", "GET, OPTIONS", "GET, OPTIONS", "Cache-Control"},
		// Publishing is not for pages: neither the method nor its headers are named.
		{"/api/realtime/events", "GET, POST, OPTIONS", "GET, OPTIONS", "Cache-Control"},
	} {
		w := newWholeWorld()
		got := w.call(w.server(), "OPTIONS", c.path, http.Header{"Origin": {"https://app.example.com"}, "Cookie": nil, "Access-Control-Request-Method": {"POST"}})
		h := got.Header()
		if got.Code != http.StatusNoContent || h.Get("Allow") != c.allow || h.Get("Access-Control-Allow-Methods") != c.methods || h.Get("Access-Control-Allow-Headers") != c.headers {
			t.Errorf("%s: got %d %v", c.path, got.Code, h)
		}
		if calls := w.calls(); len(calls) != 0 {
			t.Errorf("%s: called %v", c.path, calls)
		}
		if got := w.call(w.server(), "PATCH", c.path, nil); got.Code != http.StatusMethodNotAllowed || got.Header().Get("Allow") != c.allow {
			t.Errorf("PATCH %s: got %d, Allow %q", c.path, got.Code, got.Header().Get("Allow"))
		}
	}
}
