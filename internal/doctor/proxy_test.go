package doctor

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// orgcastSays is what orgcast answers to a request without a session.
func orgcastSays(w http.ResponseWriter, cacheControl string) {
	h := w.Header()
	h.Set("Cache-Control", cacheControl)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Cookie, Origin")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = io.WriteString(w, "Unauthorized")
}

func TestTheWayThroughTheProxyIsLookedAt(t *testing.T) {
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, c := range map[string]struct {
		answer   http.HandlerFunc
		want     Code
		severity Severity
		text     string
	}{
		"orgcast": {answer: func(w http.ResponseWriter, _ *http.Request) { orgcastSays(w, "no-store") }},
		"compressed": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(http.StatusUnauthorized)
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, "Unauthorized")
			_ = z.Close()
		}, ProxyCompresses, Fatal, "gzip"},
		"Cache-Control replaced": {func(w http.ResponseWriter, _ *http.Request) { orgcastSays(w, "private") }, ProxyHeaders, Warning, "no-transform"},
		"the application's own route": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			status(http.StatusUnauthorized, "Unauthorized")(w, nil)
		}, ProxyNotOrgcast, Fatal, "application"},
		"a JSON 401":    {status(http.StatusUnauthorized, `{"error":"Unauthorized"}`), ProxyNotOrgcast, Fatal, "ORGCAST_LISTEN"},
		"not routed":    {status(http.StatusNotFound, "not found"), ProxyNotOrgcast, Fatal, "404"},
		"open to all":   {status(http.StatusOK, "<html>"), ProxyNotOrgcast, Fatal, "200"},
		"nobody behind": {status(http.StatusBadGateway, ""), ProxyNoUpstream, Fatal, "rewrites"},
		"not ready":     {status(http.StatusServiceUnavailable, "Service Unavailable: Change feed not ready"), ProxyNotReady, Fatal, "/readyz"},
		"a sign-in page": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/api/auth/signin", http.StatusTemporaryRedirect)
		}, ProxyRedirects, Fatal, "middleware"},
		"a broken proxy": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ProxyUnreachable, Fatal, "answer"},
	} {
		t.Run(name, func(t *testing.T) {
			requests := make(chan *http.Request, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests <- r.Clone(context.Background())
				c.answer(w, r)
			}))
			defer server.Close()
			env := offline(t)
			r := examine(t, Options{Environ: env, URL: server.URL + "/api/realtime/stream"})
			if asked := <-requests; asked.URL.Path != "/api/realtime/stream" || asked.Header.Get("Cookie") != "" || asked.Header.Get("Origin") != "" {
				t.Errorf("asked %+v", asked)
			}
			// The stream is at 127.0.0.1, the application is not.
			want(t, r.Findings, CookieHost, Note, "", "127.0.0.1")
			if c.want == "" {
				if good := strings.Join(r.Good, "\n"); !strings.Contains(good, "proxy: ") || len(worse(r)) != 1 {
					t.Errorf("found %+v, good %s", r.Findings, good)
				}
				return
			}
			want(t, r.Findings, c.want, c.severity, "", c.text)
		})
	}
	for _, url := range []string{"http://127.0.0.1:1/", "app.example.com", "https://user:" + canaryPassword + "@app.example.com/", "ftp://x/"} {
		r := examine(t, Options{Environ: offline(t), URL: url})
		want(t, r.Findings, ProxyUnreachable, Fatal, "", "")
	}
}
