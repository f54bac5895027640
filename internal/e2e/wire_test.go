package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast/internal/session"
)

// ask writes a request as it stands and reads the answer to its end, or, of a
// stream, up to the first empty line of its body.
func ask(t testing.TB, address, request string) (head []string, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	send(t, conn, request)
	return answer(t, bufio.NewReader(conn))
}

// send writes a request as it stands. The answer has to come in time.
func send(t testing.TB, conn net.Conn, request string) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(40 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
}

// answer reads one answer: its status line and headers but for Date, sorted, and
// its body.
func answer(t testing.TB, r *bufio.Reader) (head []string, body string) {
	t.Helper()
	stream, length := false, 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("read answer: %v after %q", err, head)
		}
		line, ok := strings.CutSuffix(line, "\r\n")
		if !ok {
			t.Fatalf("a line that does not end in CR LF: %q", line)
		}
		if line == "" {
			break
		}
		if strings.HasPrefix(line, "Date: ") {
			continue
		}
		stream = stream || line == "Content-Type: text/event-stream"
		if n, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			fmt.Sscan(n, &length)
		}
		head = append(head, line)
	}
	if len(head) > 0 {
		slices.Sort(head[1:])
	}
	if stream {
		for !strings.HasSuffix(body, "\n\n") {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("read first message: %v after %q", err, body)
			}
			body += line
		}
		return head, body
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		t.Fatalf("read body: %v", err)
	}
	return head, string(text)
}

// refusal is a whole answer that is no stream. extra are headers besides.
func refusal(status int, body string, extra ...string) []string {
	head := append([]string{
		"Cache-Control: no-store", "Vary: Cookie, Origin", "X-Content-Type-Options: nosniff",
		"Content-Type: text/plain; charset=utf-8", fmt.Sprintf("Content-Length: %d", len(body)),
	}, extra...)
	slices.Sort(head)
	return append([]string{fmt.Sprintf("HTTP/1.1 %d %s", status, http.StatusText(status))}, head...)
}

const wireOrigin = "https://app.example.com"

var (
	corsHeaders = []string{"Access-Control-Allow-Credentials: true", "Access-Control-Allow-Origin: " + wireOrigin, "Access-Control-Expose-Headers: Retry-After"}
	streamHead  = []string{
		"HTTP/1.1 200 OK", "Cache-Control: no-store, no-cache, no-transform", "Connection: close", "Content-Type: text/event-stream",
		"Vary: Cookie, Origin", "X-Accel-Buffering: no", "X-Content-Type-Options: nosniff",
	}
	freshHello = regexp.MustCompile(`^retry: [1-4][0-9]{3}\nid: ([0-9a-z]+\.[0-9a-z]+\.0)\n` +
		`data: \{"type":"connection","status":"connected","timestamp":[0-9]{13},"organizationId":"org_1","organizationName":"Organization 1","channel":"all",` +
		`"userId":"user_1","connectionId":"[A-Za-z0-9_-]{22}","cursor":"([0-9a-z]+\.[0-9a-z]+\.0)","scope":"[A-Za-z0-9_-]{22}","organizations":\[\{"id":"org_1","name":"Organization 1"\}\]\}\n\n$`)
	resumedHello = regexp.MustCompile(`^retry: [1-4][0-9]{3}\ndata: \{"type":"connection",`)
)

// TestStatusTableOverTheWire is the table of the contract's section 1, row by
// row, to the byte. The limit of an address is not in it: loopback has none.
func TestStatusTableOverTheWire(t *testing.T) {
	h := settled(t, 3)
	// Row 2, while the feed has never been ready: the request is held first.
	// Begun early, looked at last.
	deaf := serve(t, h.environ, map[string]string{"ORGCAST_DATABASE_URL": "postgres://u:the-password@" + freeAddress(t) + "/db"})
	until(t, time.Minute, func() string {
		if status, _, err := get("http://" + deaf.address + "/healthz"); err != nil || status != http.StatusOK {
			return fmt.Sprint("healthz: ", status, err)
		}
		return ""
	})
	cookie := h.cookie(t, "user_1")
	stream := func(query string, lines ...string) string {
		return "GET /api/realtime/stream" + query + " HTTP/1.1\r\nHost: localhost\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
	}
	signed := "Cookie: " + cookie
	begun := time.Now()
	heldConn, err := net.Dial("tcp", deaf.address)
	if err != nil {
		t.Fatal(err)
	}
	defer heldConn.Close()
	send(t, heldConn, stream("?organizationId=org_1", signed))
	heldReader, heldFor := bufio.NewReader(heldConn), make(chan time.Duration, 1)
	go func() {
		if _, err := heldReader.Peek(1); err != nil { // returns with the first byte
			heldFor <- -1
			return
		}
		heldFor <- time.Since(begun)
	}()

	s := serve(t, h.environ, map[string]string{
		"ORGCAST_ORIGINS": wireOrigin, "ORGCAST_MAX_STREAMS_PER_USER": "2", "ORGCAST_MAX_STREAMS_PER_ORGANIZATION": "3", "ORGCAST_MAX_STREAMS": "5",
	})
	s.ready(t)
	expired, err := h.auth.Mint(session.Grant{User: "user_1", IssuedAt: time.Now().Add(-2 * time.Hour), Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	other, err := session.New(session.Config{Scheme: session.AuthJS, Secure: session.SecureNever, Secrets: []string{"another secret of another application"}})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Mint(session.Grant{User: "user_1", IssuedAt: time.Now(), Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	const (
		origin       = "Forbidden: Origin not allowed"
		unauthorized = "Unauthorized"
		missing      = "Missing required parameter: organizationId"
		noAccess     = "Forbidden: No access to this organization"
		channels     = "Unknown channel. Known: user, property, organization, system, notifications, all"
		types        = "Unknown type. Known: user.activity, property.update, member.join, member.leave, organization.change, notification.new, system.alert, data.sync"
	)
	for _, row := range []struct {
		name, request string
		status        int
		body          string
		extra         []string
	}{
		{"1 another origin", stream("?organizationId=org_1", signed, "Origin: https://evil.example.com"), 403, origin, nil},
		{"1 an origin that begins alike", stream("?organizationId=org_1", signed, "Origin: "+wireOrigin+".evil.com"), 403, origin, nil},
		{"1 null", stream("?organizationId=org_1", signed, "Origin: null"), 403, origin, nil},
		{"1 cross-site without origin", stream("?organizationId=org_1", signed, "Sec-Fetch-Site: cross-site"), 403, origin, nil},
		{"1 a navigation", stream("?organizationId=org_1", signed, "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate"), 403, origin, nil},
		{"1 an image", stream("?organizationId=org_1", signed, "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"), 403, origin, nil},
		{"1 before anything is parsed", stream("?organizationId=%zz&channel=x", "Origin: https://evil.example.com"), 403, origin, nil},
		{"3 no session", stream("?organizationId=org_1"), 401, unauthorized, nil},
		{"3 an expired one", stream("?organizationId=org_1", "Cookie: "+expired), 401, unauthorized, nil},
		{"3 a tampered one", stream("?organizationId=org_1", "Cookie: "+tamper(cookie)), 401, unauthorized, nil},
		{"3 of another secret", stream("?organizationId=org_1", "Cookie: "+foreign), 401, unauthorized, nil},
		{"3 before the parameters", stream("?channel=nonsense"), 401, unauthorized, nil},
		{"3 to a listed origin", stream("?organizationId=org_1", "Origin: "+wireOrigin), 401, unauthorized, corsHeaders},
		{"4 no organization", stream("", signed), 400, missing, nil},
		{"4 an empty one", stream("?organizationId=", signed), 400, missing, nil},
		{"4 an unknown channel", stream("?organizationId=org_1&channel=users", signed), 400, channels, nil},
		{"4 an unknown type", stream("?organizationId=org_1&type=property", signed), 400, types, nil},
		{"4 before the membership", stream("?organizationId=org_2&channel=users", signed), 400, channels, nil},
		{"5 not a member", stream("?organizationId=org_2", signed), 403, noAccess, nil},
		{"5 one that does not exist", stream("?organizationId=org_10", signed), 403, noAccess, nil},
		{"5 one of two", stream("?organizationId=org_1&organizationId=org_2", signed), 403, noAccess, nil},
		{"5 everyone", stream("?organizationId=*", signed), 403, noAccess, nil},
	} {
		head, body := ask(t, s.address, row.request)
		equal(t, row.name, head, refusal(row.status, row.body, row.extra...))
		if body != row.body {
			t.Errorf("%s: %q, want %q", row.name, body, row.body)
		}
	}

	// 200: the headers, and the first message with them.
	head, body := ask(t, s.address, stream("?organizationId=org_1", signed))
	equal(t, "200", head, streamHead)
	hello := freshHello.FindStringSubmatch(body)
	if hello == nil || hello[1] != hello[2] {
		t.Fatalf("200: the first message is %q", body)
	}
	head, body = ask(t, s.address, stream("?organizationId=org_1&channel=property", signed, "Origin: "+wireOrigin, "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: empty", "Last-Event-ID: "+hello[1]))
	cors := append(slices.Clone(streamHead), corsHeaders...)
	slices.Sort(cors[1:])
	equal(t, "200 with CORS", head, cors)
	if !resumedHello.MatchString(body) || !strings.Contains(body, `"channel":"property"`) || !strings.Contains(body, `"cursor":"`+hello[1]+`"`) {
		t.Errorf("200 resumed: the first message is %q", body)
	}

	// Row 6, and the node's limit of row 2. The streams above are gone when the
	// server has seen it.
	h.user(t, "user_4")
	for _, user := range []string{"user_2", "user_3", "user_4"} {
		h.Exec(t, `INSERT INTO organization_members (id, "userId", "organizationId") VALUES ($1, $2, 'org_1')`, "late "+user, user)
	}
	until(t, 30*time.Second, func() string {
		_, text, err := get("http://" + s.oper + "/metrics")
		if err != nil {
			return err.Error()
		}
		if !regexp.MustCompile(`(?m)^orgcast_streams_open 0$`).MatchString(text) {
			return "streams are open"
		}
		return ""
	})
	limits := func(name, request string, status int, want string, least int) {
		t.Helper()
		head, body := ask(t, s.address, request)
		retryAfter(t, &head, least, 2*least)
		equal(t, name, head, refusal(status, want))
		if body != want {
			t.Errorf("%s: %q, want %q", name, body, want)
		}
	}
	open(t, s.address, "organizationId=org_1", cookie, "")
	open(t, s.address, "organizationId=org_1", cookie, "")
	limits("6 a user's limit", stream("?organizationId=org_1", signed), 429, "Too Many Requests: Too many streams of this user", 10)
	if _, body := ask(t, s.address, stream("?organizationId=org_3", signed)); body != noAccess {
		t.Errorf("5 before 6: %q", body)
	}
	two, three, four := h.cookie(t, "user_2"), h.cookie(t, "user_3"), h.cookie(t, "user_4")
	open(t, s.address, "organizationId=org_1", two, "")
	limits("6 an organization's limit", stream("?organizationId=org_1", "Cookie: "+four), 429, "Too Many Requests: Too many streams of this organization", 10)
	open(t, s.address, "organizationId=org_2", two, "")
	open(t, s.address, "organizationId=org_3", three, "")
	limits("2 the node's limit", stream("?organizationId=org_3", "Cookie: "+three), 503, "Service Unavailable: Too many streams", 5)
	limits("2 before 3", stream(""), 503, "Service Unavailable: Too many streams", 5)

	slow := serve(t, h.environ, map[string]string{"ORGCAST_MAX_CONNECTS_PER_SECOND": "1", "ORGCAST_SLOT": "orgcast_" + h.Name + "_slow"})
	slow.ready(t)
	for i := 0; ; i++ {
		head, body := ask(t, slow.address, stream(""))
		if body == unauthorized && i < 4 {
			continue
		}
		const want = "Service Unavailable: Too many connects"
		retryAfter(t, &head, 2, 4)
		equal(t, "2 the rate of connects", head, refusal(503, want))
		if body != want || i < 2 {
			t.Errorf("2 the rate of connects: %q after %d connects", body, i)
		}
		break
	}

	// Row 2: held for 20 s, and answered.
	if took := <-heldFor; took < 19*time.Second || took > 30*time.Second {
		t.Fatalf("a feed that was never ready: answered after %v, want 20 s", took)
	}
	const notReady = "Service Unavailable: Change feed not ready"
	head, body = answer(t, heldReader)
	retryAfter(t, &head, 2, 4)
	equal(t, "2 never ready", head, refusal(503, notReady))
	if body != notReady {
		t.Errorf("2 never ready: %q", body)
	}
	// Another one is held, and the process is told to end.
	conn, err := net.Dial("tcp", deaf.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	send(t, conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	answer(t, r)
	send(t, conn, stream("?organizationId=org_1", signed))
	// What comes after it on another connection is answered: it was read.
	if status, _, err := get("http://" + deaf.address + "/healthz"); err != nil || status != http.StatusOK {
		t.Errorf("healthz: %d, %v", status, err)
	}
	deaf.terminate(t)
	const draining = "Service Unavailable: Shutting down"
	head, body = answer(t, r)
	retryAfter(t, &head, 1, 2)
	if head = slices.DeleteFunc(head, func(l string) bool { return l == "Connection: close" }); body != draining {
		t.Errorf("2 shutting down: %q", body)
	}
	equal(t, "2 shutting down", head, refusal(503, draining))
	if status := deaf.exit(t, 20*time.Second); status != 0 {
		t.Errorf("status %d", status)
	}
}

// tamper changes one character in the middle of a cookie's value.
func tamper(cookie string) string {
	i := len(cookie) - 30
	c := byte('A')
	if cookie[i] == c {
		c = 'B'
	}
	return cookie[:i] + string(c) + cookie[i+1:]
}

func equal(t testing.TB, name string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", name, got, want)
	}
}

// retryAfter takes the header out of the answer and looks at its seconds.
func retryAfter(t testing.TB, head *[]string, least, most int) {
	t.Helper()
	for i, line := range *head {
		if value, ok := strings.CutPrefix(line, "Retry-After: "); ok {
			var n int
			if _, err := fmt.Sscan(value, &n); err != nil || n < least || n > most {
				t.Errorf("Retry-After: %s, want %d to %d", value, least, most)
			}
			*head = slices.Delete(*head, i, i+1)
			return
		}
	}
	t.Errorf("no Retry-After in %q", *head)
}
