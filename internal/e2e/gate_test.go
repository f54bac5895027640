package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw sends a request as it is written and returns the answer, read to its end
// or, of a stream, to its first block.
func raw(t testing.TB, address, request string) (status int, header http.Header, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, strings.ReplaceAll(request, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	r, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatalf("%v to %s", err, request)
	}
	if r.StatusCode == http.StatusOK && strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") {
		return r.StatusCode, r.Header, ""
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, r.Header, string(text)
}

// TestWhoMayAsk: the gates of both listeners, as they are when nothing is set.
func TestWhoMayAsk(t *testing.T) {
	h := settled(t, 1)
	cookie := h.cookie(t, "user_1")
	s := serve(t, h.environ, nil)
	s.ready(t)
	stream := func(s *instance, header string) (int, http.Header, string) {
		return raw(t, s.address, "GET /api/realtime/stream?organizationId=org_1 HTTP/1.1\nHost: "+s.address+"\nCookie: "+cookie+"\n"+header+"\n")
	}
	t.Run("node-env-unset-cors", func(t *testing.T) {
		for name, over := range map[string]map[string]string{
			"unset": {}, "empty": {"NODE_ENV": ""}, "test": {"NODE_ENV": "test"}, "Development": {"NODE_ENV": "Development"}, "with a space": {"NODE_ENV": "development "},
		} {
			s := serve(t, h.environ, over)
			until(t, time.Minute, func() string {
				if status, _, err := get("http://" + s.address + "/healthz"); err != nil || status != http.StatusOK {
					return fmt.Sprint("healthz ", status, err)
				}
				return ""
			})
			for _, origin := range []string{"http://localhost:3000", "http://127.0.0.1:3000", "http://" + s.address, "https://app.example.com", "null", "file://", "*"} {
				status, header, body := stream(s, "Origin: "+origin+"\n")
				if status != http.StatusForbidden || body != "Forbidden: Origin not allowed" || header.Get("Access-Control-Allow-Origin")+header.Get("Access-Control-Allow-Credentials") != "" {
					t.Fatalf("NODE_ENV %s, origin %s: %d %v %s", name, origin, status, header, body)
				}
			}
			s.kill(t)
		}
		if status, _, body := stream(s, ""); status != http.StatusOK {
			t.Errorf("without an origin: %d %s", status, body)
		}
		// It is NODE_ENV that keeps them out.
		development := serve(t, h.environ, map[string]string{"NODE_ENV": "development"})
		until(t, time.Minute, func() string {
			if status, _, err := get("http://" + development.address + "/healthz"); err != nil || status != http.StatusOK {
				return fmt.Sprint("healthz ", status, err)
			}
			return ""
		})
		preflight := "OPTIONS /api/realtime/stream HTTP/1.1\nHost: " + development.address + "\nOrigin: http://localhost:3000\nAccess-Control-Request-Method: GET\nConnection: close\n\n"
		if status, header, body := raw(t, development.address, preflight); status != http.StatusNoContent || header.Get("Access-Control-Allow-Origin") != "http://localhost:3000" {
			t.Errorf("in development: %d %v %s", status, header, body)
		}
	})
	t.Run("admin-rebinding", func(t *testing.T) {
		_, port, _ := strings.Cut(s.oper, ":")
		calls := []string{"GET /metrics", "GET /api/realtime/stats", "GET /healthz", "GET /readyz", "POST /api/realtime/kick", "GET /debug/pprof/", "GET /"}
		for _, c := range []struct {
			name, header string
			status       int
		}{
			// A page of evil.example whose name is made to mean 127.0.0.1.
			{"rebound name", "Host: evil.example:" + port + "\n", http.StatusMisdirectedRequest},
			{"rebound name without a port", "Host: evil.example\n", http.StatusMisdirectedRequest},
			{"a name that ends so", "Host: evil.localhost:" + port + "\n", http.StatusMisdirectedRequest},
			{"a name that begins so", "Host: localhost.evil.example:" + port + "\n", http.StatusMisdirectedRequest},
			{"another port", "Host: localhost:1\n", http.StatusMisdirectedRequest},
			{"the application's", "Host: " + s.address + "\n", http.StatusMisdirectedRequest},
			{"no host", "Host: \n", http.StatusMisdirectedRequest},
			{"with another beside", "Host: evil.example:" + port + "\nX-Forwarded-Host: localhost:" + port + "\n", http.StatusMisdirectedRequest},
			// A page that knows the right name.
			{"a page", "Host: " + s.oper + "\nOrigin: http://evil.example\n", http.StatusForbidden},
			{"its own page", "Host: " + s.oper + "\nOrigin: http://" + s.oper + "\n", http.StatusForbidden},
			{"a sandboxed page", "Host: " + s.oper + "\nOrigin: null\n", http.StatusForbidden},
			{"an empty origin", "Host: " + s.oper + "\nOrigin: \n", http.StatusForbidden},
		} {
			before := s.metric(t, "orgcast_requests_refused_total", `reason="admin_`)
			for _, call := range calls {
				status, header, body := raw(t, s.oper, call+" HTTP/1.1\n"+c.header+"Connection: close\n\n")
				if status != c.status || len(body) > 100 || header.Get("Access-Control-Allow-Origin") != "" || strings.Contains(body, "orgcast_") {
					t.Errorf("%s: %s: %d %v %s", c.name, call, status, header, body)
				}
			}
			if got := s.metric(t, "orgcast_requests_refused_total", `reason="admin_`) - before; got != float64(len(calls)) {
				t.Errorf("%s: %v refusals counted of %d", c.name, got, len(calls))
			}
		}
		for _, host := range []string{s.oper, "localhost:" + port, "LOCALHOST:" + port} {
			if status, _, body := raw(t, s.oper, "GET /healthz HTTP/1.1\nHost: "+host+"\nConnection: close\n\n"); status != http.StatusOK || body != "ok" {
				t.Errorf("%s: %d %s", host, status, body)
			}
		}
	})
}
