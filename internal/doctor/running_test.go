package doctor

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAProxyThatIsNotTrustedIsToldByWhoServes(t *testing.T) {
	for name, c := range map[string]struct {
		status   int
		figures  string
		trusted  string
		severity Severity // "": nothing is found
		text     string
	}{
		"no proxy":         {200, `{"untrustedProxies":0,"uptime":5}`, "", "", ""},
		"an older orgcast": {200, `{"uptime":5}`, "", "", ""},
		"a proxy":          {200, `{"untrustedProxies":7,"uptime":5}`, "", Note, "7 requests"},
		"another proxy":    {200, `{"untrustedProxies":7}`, "10.0.0.1", Warning, "count as one client"},
		"another token":    {401, `{"untrustedProxies":7}`, "", "", ""},
		"something else":   {200, `<html>`, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != "/api/realtime/stats" || r.Header.Get("Authorization") != "Bearer "+canaryToken {
					t.Errorf("asked %s %s %v", r.Method, r.URL, r.Header)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.figures)
			}))
			defer server.Close()
			env := offline(t)
			env["ORGCAST_ADMIN_LISTEN"] = strings.TrimPrefix(server.URL, "http://")
			env["ORGCAST_TRUSTED_PROXIES"] = c.trusted
			r := examine(t, Options{Environ: env})
			if c.severity == "" {
				if r.told(ProxyUntrusted) {
					t.Errorf("found %+v", r.Findings)
				}
				return
			}
			want(t, r.Findings, ProxyUntrusted, c.severity, "", c.text)
		})
	}
}

// On all interfaces it is asked on loopback, by the name that it answers to.
func TestWhoServesOnAllInterfacesIsAskedOnLoopback(t *testing.T) {
	hosts := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hosts <- r.Host
		_, _ = io.WriteString(w, `{"untrustedProxies":1}`)
	}))
	defer server.Close()
	env := offline(t)
	env["ORGCAST_ADMIN_LISTEN"] = strings.Replace(server.URL, "http://127.0.0.1", "0.0.0.0", 1)
	env["ORGCAST_ADMIN_HOSTS"] = "orgcast:4051, other"
	r := examine(t, Options{Environ: env})
	want(t, r.Findings, ProxyUntrusted, Note, "", "ORGCAST_TRUSTED_PROXIES")
	if host := <-hosts; host != "orgcast:4051" {
		t.Errorf("asked as %s", host)
	}
}
