package demo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/examples/oikion"
	"github.com/oikion/orgcast/internal/pgtest"
	"github.com/oikion/orgcast/internal/session"
)

// site is an application that serves, on a database of its own.
type site struct {
	*application
	url  string
	host string
	db   *pgx.Conn // as superuser, beside it
	log  *printed
}

func newSite(t *testing.T) *site {
	t.Helper()
	db := pgtest.Database(t, oikion.Schema, oikion.Demo)
	role := db.Role("app")
	db.Exec(t, `CREATE ROLE `+role+` LOGIN PASSWORD 'x'; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO `+role)
	auth, err := session.New(session.Config{Secrets: []string{"a secret of the test"}, Secure: session.SecureNever})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{db: db.Conn(t), log: &printed{}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(w, r) }))
	s.host = server.Listener.Addr().String()
	s.url = "http://" + s.host
	if s.application, err = newApplication(db.URLAs(role, "x"), []string{s.host}, auth, slog.New(slog.NewTextHandler(s.log, nil))); err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(func() {
		server.Close()
		if err := s.close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log:\n%s", s.log)
		}
	})
	return s
}

// as is a request of a signed-in user's page; changes are made to it before it
// is sent.
func (s *site) as(t *testing.T, user orgcast.UserID, method, path, body string, changes ...func(*http.Request)) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", s.url)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Content-Type", "application/json")
	if user != "" {
		cookie, err := s.auth.Mint(session.Grant{User: user, IssuedAt: time.Now(), Lifetime: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", cookie)
	}
	for _, change := range changes {
		change(r)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = response.Body.Close() // it was read, or is given up
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return response
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// rows is all that the application may change, as one text.
func (s *site) rows(t *testing.T) (all string) {
	t.Helper()
	err := s.db.QueryRow(t.Context(), `SELECT (SELECT string_agg(p::text, E'\n' ORDER BY id) FROM properties p) || coalesce((SELECT string_agg(n::text, E'\n' ORDER BY id) FROM notes n), '')`).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestNobodyTouchesAnotherOrganization is the promise of every call: who is no
// member, or not signed in, reads and changes nothing.
func TestNobodyTouchesAnotherOrganization(t *testing.T) {
	s := newSite(t)
	if _, err := s.db.Exec(t.Context(), `INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('n', 'secret note', 'villa', 'alice')`); err != nil {
		t.Fatal(err)
	}
	before := s.rows(t)
	for _, call := range []struct {
		method, path, body string
		stranger           int
	}{
		{"GET", "/api/organizations/aegean/properties", "", 403},
		{"GET", "/api/organizations/none/properties", "", 403},
		{"POST", "/api/organizations/aegean/properties", `{"description":"x","price":"1","bedrooms":1}`, 403},
		{"POST", "/api/organizations/aegean/notifications", `{"userId":"alice","text":"x"}`, 403},
		{"PATCH", "/api/properties/villa", `{"price":"1"}`, 404},
		{"PATCH", "/api/properties/none", `{"price":"1"}`, 404},
		{"DELETE", "/api/properties/villa", "", 404},
		{"POST", "/api/properties/villa/move", `{"organizationId":"ionian"}`, 404},
		{"POST", "/api/properties/mill/move", `{"organizationId":"aegean"}`, 403},
		{"POST", "/api/properties/villa/notes", `{"content":"x"}`, 404},
		{"DELETE", "/api/notes/n", "", 404},
	} {
		for user, want := range map[orgcast.UserID]int{"bob": call.stranger, "": 401} {
			r := s.as(t, user, call.method, call.path, call.body)
			body := text(t, r)
			if r.StatusCode != want || strings.Contains(body, "illa") || strings.Contains(body, "secret") {
				t.Errorf("%q: %s %s: %d %s, want %d", user, call.method, call.path, r.StatusCode, body, want)
			}
		}
	}
	if after := s.rows(t); after != before {
		t.Errorf("rows were\n%s\nand are\n%s", before, after)
	}
}

func TestAMemberReadsAndWrites(t *testing.T) {
	s := newSite(t)
	for _, call := range []struct {
		method, path, body string
		status             int
		answer             string // part of it
	}{
		{"GET", "/api/me", "", 200, `"organizations":[{"id":"aegean","name":"Aegean Estates","role":"AGENT"},{"id":"ionian"`},
		{"PATCH", "/api/properties/villa", `{"price":"500000.50","status":"UNDER_OFFER"}`, 200, `"price":"500000.5","status":"UNDER_OFFER","bedrooms":4`},
		{"PATCH", "/api/properties/villa", `{"description":" Villa, sold "}`, 200, `"description":"Villa, sold","price":"500000.5"`},
		{"POST", "/api/properties/villa/notes", `{"content":"<b>Keys</b>"}`, 201, `"createdBy":"carol"`},
		{"GET", "/api/organizations/aegean/properties", "", 200, `"notes":[{"id":`},
		{"POST", "/api/organizations/aegean/notifications", `{"userId":"alice","text":" Keys are back "}`, 204, ""},
		{"POST", "/api/organizations/aegean/notifications", `{"userId":"bob","text":"of another organization"}`, 404, "not yours"},
		{"POST", "/api/organizations/aegean/notifications", `{"userId":"nobody","text":"x"}`, 404, "not yours"},
		{"POST", "/api/organizations/aegean/notifications", `{"userId":"alice","text":"two\nlines"}`, 400, "140 letters"},
		{"POST", "/api/organizations/aegean/notifications", `{"userId":"alice","text":"` + strings.Repeat("x", 141) + `"}`, 400, "140 letters"},
		{"POST", "/api/organizations/aegean/notifications", `{"userId":"alice","title":"x"}`, 400, "unknown member"},
		{"POST", "/api/properties/villa/move", `{"organizationId":"ionian"}`, 204, ""},
		{"GET", "/api/organizations/ionian/properties", "", 200, `Villa, sold`},
		{"POST", "/api/organizations/ionian/properties", `{"description":"Hut","price":"1","bedrooms":null}`, 201, `"bedrooms":null`},
		{"DELETE", "/api/properties/villa", "", 204, ""},
		{"DELETE", "/api/properties/villa", "", 404, ""},
	} {
		r := s.as(t, "carol", call.method, call.path, call.body)
		if body := text(t, r); r.StatusCode != call.status || !strings.Contains(body, call.answer) {
			t.Errorf("%s %s %s: %d %s, want %d with %s", call.method, call.path, call.body, r.StatusCode, body, call.status, call.answer)
		}
	}
	if rows := s.rows(t); strings.Contains(rows, "villa") || !strings.Contains(rows, "Hut") {
		t.Errorf("rows are\n%s", rows)
	}
}

func TestOnlyTheOwnPageWrites(t *testing.T) {
	s := newSite(t)
	before := s.rows(t)
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	plainForm := set("Content-Type", "application/x-www-form-urlencoded")
	for name, test := range map[string]struct {
		status  int
		changes []func(*http.Request)
	}{
		"another site":               {403, []func(*http.Request){set("Sec-Fetch-Site", "cross-site"), set("Origin", "https://evil.example")}},
		"another port of the host":   {403, []func(*http.Request){set("Sec-Fetch-Site", "same-site"), set("Origin", "http://127.0.0.1:1")}},
		"an old browser's":           {403, []func(*http.Request){func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") }, set("Origin", "null")}},
		"a form":                     {415, []func(*http.Request){plainForm}},
		"a form in plain text":       {415, []func(*http.Request){set("Content-Type", "text/plain")}},
		"another name for loopback":  {421, []func(*http.Request){func(r *http.Request) { r.Host = "rebound.example:3000" }}},
		"the host name without port": {421, []func(*http.Request){func(r *http.Request) { r.Host = "127.0.0.1" }}},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.as(t, "alice", "PATCH", "/api/properties/villa", `{"price":"1"}`, test.changes...)
			if r.StatusCode != test.status {
				t.Errorf("%d %s, want %d", r.StatusCode, text(t, r), test.status)
			}
		})
	}
	if after := s.rows(t); after != before {
		t.Errorf("rows were\n%s\nand are\n%s", before, after)
	}
}

func TestWhatIsWrittenIsChecked(t *testing.T) {
	s := newSite(t)
	before := s.rows(t)
	for body, want := range map[string]int{
		`{"price":"-1"}`:            400,
		`{"price":"1e9"}`:           400,
		`{"price":"1.005"}`:         400,
		`{"price":"12345678901"}`:   400,
		`{"price":480000}`:          400,
		`{"status":"GONE"}`:         400,
		`{"bedrooms":-1}`:           400,
		`{"bedrooms":1e30}`:         400,
		`{"description":" "}`:       400,
		`{"description":"a\u0000"}`: 400,
		`{"description":"` + strings.Repeat("x", 121) + `"}`: 400,
		`{"organizationId":"ionian"}`:                        400,
		`{"price":"1","price":"2"}`:                          400,
		`{"price":"1"`:                                       400,
		``:                                                   400,
		strings.Repeat(" ", maxBody+1):                       413,
	} {
		r := s.as(t, "alice", "PATCH", "/api/properties/villa", body)
		if got := text(t, r); r.StatusCode != want || !json.Valid([]byte(got)) {
			t.Errorf("%.60s: %d %s, want %d", body, r.StatusCode, got, want)
		}
	}
	if after := s.rows(t); after != before {
		t.Errorf("rows were\n%s\nand are\n%s", before, after)
	}
	for i := range maxNotes {
		if r := s.as(t, "alice", "POST", "/api/properties/villa/notes", fmt.Sprintf(`{"content":"%d"}`, i)); r.StatusCode != 201 {
			t.Fatalf("note %d: %s", i, text(t, r))
		}
	}
	if r := s.as(t, "alice", "POST", "/api/properties/villa/notes", `{"content":"one more"}`); r.StatusCode != 409 {
		t.Errorf("a note too many: %d %s", r.StatusCode, text(t, r))
	}
}

func TestTheSessionIsTheOneOfAuthJS(t *testing.T) {
	s := newSite(t)
	r := s.as(t, "", "POST", "/api/session", `{"userId":"alice"}`)
	cookies := r.Cookies()
	if r.StatusCode != 200 || len(cookies) != 1 {
		t.Fatalf("%d %s, cookies %v", r.StatusCode, text(t, r), cookies)
	}
	c := cookies[0]
	if c.Name != "authjs.session-token" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge <= 0 {
		t.Errorf("cookie %s; HttpOnly %v, SameSite %v, Path %q, Domain %q, Max-Age %d", c.Name, c.HttpOnly, c.SameSite, c.Path, c.Domain, c.MaxAge)
	}
	p, err := s.auth.Authenticate([]string{c.Name + "=" + c.Value}, time.Now())
	if err != nil || p.User != "alice" {
		t.Errorf("the cookie is %q's: %v", p.User, err)
	}
	if r := s.as(t, "", "POST", "/api/session", `{"userId":"mallory"}`); r.StatusCode != 404 || len(r.Cookies()) != 0 {
		t.Errorf("a user that is not there: %d, cookies %v", r.StatusCode, r.Cookies())
	}
	out := s.as(t, "alice", "DELETE", "/api/session", "")
	gone := map[string]bool{}
	for _, c := range out.Cookies() {
		gone[c.Name] = c.MaxAge < 0 && c.Value == ""
	}
	if out.StatusCode != 204 || !gone["authjs.session-token"] {
		t.Errorf("sign out: %d, %v", out.StatusCode, out.Header)
	}
}

// TestStreamsPassAtOnce: each block reaches the page before the next is written.
func TestStreamsPassAtOnce(t *testing.T) {
	s := newSite(t)
	if r := s.as(t, "alice", "GET", "/api/realtime/stream", ""); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Fatalf("before orgcast listens: %d %v", r.StatusCode, r.Header)
	}
	next, asked := make(chan string), make(chan *http.Request, 1)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Clone(r.Context())
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store, no-cache, no-transform")
		w.Header().Set("Connection", "close")
		w.Header().Set("Transfer-Encoding", "identity")
		for block := range next {
			_, _ = io.WriteString(w, block)
			_ = http.NewResponseController(w).Flush()
		}
	}))
	defer upstream.Close()
	s.forwardTo(upstream.Listener.Addr().(*net.TCPAddr))

	go func() { next <- ": hello\n\n" }() // the headers go out with it
	r := s.as(t, "alice", "GET", "/api/realtime/stream?organizationId=aegean&channel=property", "", func(r *http.Request) {
		r.Header.Set("Last-Event-ID", "k3.1z.2")
		r.Header.Set("Sec-Fetch-Mode", "cors")
	})
	got := <-asked
	if got.URL.RequestURI() != "/api/realtime/stream?organizationId=aegean&channel=property" || got.Header.Get("Last-Event-ID") != "k3.1z.2" ||
		got.Header.Get("Cookie") == "" || got.Header.Get("Origin") != s.url || got.Header.Get("Sec-Fetch-Mode") != "cors" {
		t.Errorf("orgcast is asked for %s with %v", got.URL.RequestURI(), got.Header)
	}
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/event-stream" || !strings.Contains(r.Header.Get("Cache-Control"), "no-transform") || r.Header.Get("Content-Encoding") != "" {
		t.Errorf("the page gets %d %v", r.StatusCode, r.Header)
	}
	lines := bufio.NewReader(r.Body)
	for i := range 3 {
		block := fmt.Sprintf("data: %d\n\n", i)
		next <- block
		for want := range strings.Lines(block) {
			line, err := lines.ReadString('\n')
			for err == nil && i == 0 && (line == ": hello\n" || line == "\n" && want != "\n") {
				line, err = lines.ReadString('\n')
			}
			if err != nil || line != want {
				t.Fatalf("block %d: %q, %v", i, line, err)
			}
		}
	}
	close(next)
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("the end is %q, %v", rest, err)
	}
}

// TestThePageLoadsItsOwnFilesOnly holds the page to its policy.
func TestThePageLoadsItsOwnFilesOnly(t *testing.T) {
	s := newSite(t)
	entries, err := files.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := "/" + e.Name()
		if path == "/index.html" {
			path = "/"
		}
		r := s.as(t, "", "GET", path, "")
		body := text(t, r)
		body = strings.ReplaceAll(body, `xmlns="http://www.w3.org/2000/svg"`, "") // a name, not an address
		if r.StatusCode != 200 || len(body) == 0 {
			t.Errorf("%s: %d, %d bytes", path, r.StatusCode, len(body))
		}
		for _, bad := range []string{"http:", "https:", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=", "onclick=\""} {
			if strings.Contains(body, bad) {
				t.Errorf("%s has %q in it", path, bad)
			}
		}
		if csp := r.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "script-src 'self';") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Content-Type") != mediaTypes[path[max(0, strings.LastIndexByte(path, '.')):]] && path != "/" {
			t.Errorf("%s: %v", path, r.Header)
		}
	}
}

// TestABrokenConnectionIsReplaced: a restart of the database costs one answer.
func TestABrokenConnectionIsReplaced(t *testing.T) {
	s := newSite(t)
	if r := s.as(t, "alice", "GET", "/api/me", ""); r.StatusCode != 200 {
		t.Fatal(text(t, r))
	}
	if _, err := s.db.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'oikion' AND datname = current_database()`); err != nil {
		t.Fatal(err)
	}
	if r := s.as(t, "alice", "GET", "/api/me", ""); r.StatusCode != 500 && r.StatusCode != 200 {
		t.Errorf("just after: %d %s", r.StatusCode, text(t, r))
	}
	if r := s.as(t, "alice", "GET", "/api/me", ""); r.StatusCode != 200 {
		t.Errorf("then: %d %s", r.StatusCode, text(t, r))
	}
}

func TestTheDemoKeepsOffRealApplications(t *testing.T) {
	for name, value := range map[string]string{"NODE_ENV": "production", "DATABASE_URL": "postgres://db.example/app"} {
		var out bytes.Buffer
		err := Run(t.Context(), Options{Out: &out, Log: slog.New(slog.DiscardHandler), Getenv: func(n string) string {
			if n == name {
				return value
			}
			return ""
		}})
		if err == nil || orgcast.Hint(err) == "" || out.Len() > 0 {
			t.Errorf("%s is set: %v, and it said %q", name, err, out.String())
		}
	}
}

func TestATakenPortIsLeftAlone(t *testing.T) {
	first, err := listen(0)
	if err != nil {
		t.Fatal(err)
	}
	defer first.close()
	second, err := listen(first.port)
	if err != nil {
		t.Fatal(err)
	}
	defer second.close()
	if second.port == first.port || second.port == 0 {
		t.Errorf("ports %d and %d", first.port, second.port)
	}
	for _, d := range []*doors{first, second} {
		for _, l := range d.listeners {
			if !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
				t.Errorf("%s is no loopback", l.Addr())
			}
		}
	}
}
