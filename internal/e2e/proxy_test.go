//go:build proxies

package e2e_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// proxies are the configurations of deploy/proxies, each with how its program is
// started: dir is where the configuration lies, with its addresses replaced.
var proxies = map[string]struct {
	files []string
	start func(dir string) *exec.Cmd
}{
	"nginx": {[]string{"nginx.conf"}, func(dir string) *exec.Cmd {
		return exec.Command("nginx", "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "main.conf"))
	}},
	"haproxy": {[]string{"haproxy.cfg", "away.http"}, func(dir string) *exec.Cmd {
		return exec.Command("haproxy", "-db", "-f", filepath.Join(dir, "haproxy.cfg"))
	}},
	"caddy": {[]string{"Caddyfile"}, func(dir string) *exec.Cmd {
		return exec.Command("caddy", "run", "--adapter", "caddyfile", "--config", filepath.Join(dir, "Caddyfile"))
	}},
}

// TestBehindAProxy holds what deploy/proxies promises, with the real programs
// (`make test-proxies` installs them).
func TestBehindAProxy(t *testing.T) {
	for name, proxy := range proxies {
		t.Run(name, func(t *testing.T) {
			h := settled(t, 1)
			front := freeAddress(t)
			s := serve(t, h.environ, map[string]string{"NEXT_PUBLIC_APP_URL": "http://" + front})
			application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the application") }))
			t.Cleanup(application.Close)
			dir := t.TempDir()
			replace := strings.NewReplacer(
				"127.0.0.1:4050", s.address, "127.0.0.1:3000", strings.TrimPrefix(application.URL, "http://"),
				"listen 80;", "listen "+front+";", "bind :80", "bind "+front, "/etc/haproxy", dir,
				// Nothing of Caddy's own beside it.
				"\n:80 {", "\n{\n\tadmin off\n\tauto_https off\n}\nhttp://"+front+" {",
			)
			for _, file := range proxy.files {
				text, err := os.ReadFile(filepath.Join("../../deploy/proxies", file))
				if err != nil {
					t.Fatal(err)
				}
				writeText(t, filepath.Join(dir, file), replace.Replace(string(text)))
			}
			writeText(t, filepath.Join(dir, "main.conf"), "daemon off; pid "+dir+"/pid; events {} http { access_log off; gzip on; gzip_types *; include "+dir+"/nginx.conf; }")
			cmd, out := proxy.start(dir), &output{}
			cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = out, out, dieWithUs()
			cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
			if err := cmd.Start(); err != nil {
				t.Fatalf("%v: run `make test-proxies`, which installs it", err)
			}
			t.Cleanup(func() {
				cmd.Process.Signal(os.Interrupt)
				cmd.Wait()
				if t.Failed() {
					t.Logf("output of %s:\n%s", name, out)
				}
			})
			s.ready(t)
			until(t, 20*time.Second, func() string {
				if _, body, err := get("http://" + front + "/"); err != nil || body != "the application" {
					return body
				}
				return ""
			})

			cookie, stream := h.cookie(t, "user_1"), "http://"+front+"/api/realtime/stream?organizationId=org_1"
			ask := func(url, origin, lastID string) *http.Response {
				t.Helper()
				r, err := http.NewRequestWithContext(within(t, time.Minute), http.MethodGet, url, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header = http.Header{"Cookie": {cookie}, "Accept": {"text/event-stream"}, "Accept-Encoding": {"identity"}}
				if origin != "" {
					r.Header.Set("Origin", origin)
				}
				if lastID != "" {
					r.Header.Set("Last-Event-ID", lastID)
				}
				answer, err := http.DefaultTransport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { answer.Body.Close() })
				return answer
			}
			if a := ask(stream, "http://elsewhere.example", ""); a.StatusCode != http.StatusForbidden {
				t.Errorf("a foreign origin: status %d", a.StatusCode)
			}
			a := ask(stream, "http://"+front, "")
			if a.StatusCode != http.StatusOK || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/event-stream") || a.Header.Get("Content-Encoding") != "" {
				t.Fatalf("status %d, %v", a.StatusCode, a.Header)
			}
			messages := bufio.NewReader(a.Body)
			next := func(want string) (seen string) {
				t.Helper()
				for {
					b, err := readBlock(messages)
					if err != nil {
						t.Fatalf("waiting for %s: %v", want, err)
					}
					var m message
					if b.id != "" {
						seen = b.id
					}
					if b.data != "" && json.Unmarshal([]byte(b.data), &m) == nil && m.Type == want {
						return seen
					}
				}
			}
			next("ready")
			h.Exec(t, `UPDATE properties SET price = price + 1`)
			seen := next("property.update")

			// Killed: whoever asks for the stream meanwhile is told to ask again, and
			// nothing else is taken for one.
			s.kill(t)
			h.Exec(t, `UPDATE properties SET price = price + 1`)
			if a := ask(stream, "http://"+front, seen); a.StatusCode != http.StatusOK {
				t.Errorf("while orgcast is away: status %d", a.StatusCode)
			} else if text, _ := io.ReadAll(a.Body); string(text) != "retry: 1000\n\n" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/event-stream") {
				t.Errorf("while orgcast is away: %q %v", text, a.Header)
			}
			if a := ask("http://"+front+"/api/realtime/cursor?organizationId=org_1", "", ""); a.StatusCode < 500 {
				t.Errorf("a cursor while orgcast is away: status %d", a.StatusCode)
			}
			s.start(t)
			s.ready(t)
			until(t, 20*time.Second, func() string {
				a = ask(stream, "http://"+front, seen)
				messages = bufio.NewReader(a.Body)
				if first, err := messages.Peek(len("retry: 1000\n\n")); err != nil || string(first) == "retry: 1000\n\n" {
					return "the proxy still tells to ask again"
				}
				return ""
			})
			if next("property.update") == seen {
				t.Errorf("the event was repeated")
			}

			// A client that leaves is noticed: at once, or at the next heartbeat.
			http.DefaultTransport.(*http.Transport).CloseIdleConnections()
			a.Body.Close()
			until(t, 40*time.Second, func() string {
				_, body, err := get("http://" + s.oper + "/api/realtime/stats")
				var stats struct{ ActiveConnections int }
				if err != nil || json.Unmarshal([]byte(body), &stats) != nil || stats.ActiveConnections != 0 {
					return body
				}
				return ""
			})
		})
	}
}

func writeText(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
