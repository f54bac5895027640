package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// fault is one thing that is wrong, and the answer to it.
type fault struct {
	reason Reason
	status string
	body   string
	retry  int // the least Retry-After, 0 for none
	// part is what it is wrong about: two faults of one part exclude each other.
	part string
	make func(*world, *ask)
}

// faults are in the order in which they must be found.
var faults = []fault{
	{ReasonOrigin, "403 Forbidden", "Forbidden: Origin not allowed", 0, "origin",
		func(_ *world, a *ask) { a.header["Origin"] = []string{"https://evil.example"} }},
	{ReasonBody, "413 Request Entity Too Large", "Content Too Large: No body is taken here", 0, "body",
		func(_ *world, a *ask) { a.body = "x" }},
	{ReasonQueryLength, "414 Request URI Too Long", "URI Too Long: The query may have 8192 bytes", 0, "padding",
		func(_ *world, a *ask) {
			padding := strings.Repeat("x", maxQuery)
			a.query["x"] = []string{padding}
			if a.rawQuery != "" {
				a.rawQuery += "&x=" + padding
			}
		}},
	{ReasonDraining, "503 Service Unavailable", "Service Unavailable: Shutting down", 1, "drain",
		func(w *world, _ *ask) { w.full[ReasonDraining] = true }},
	{ReasonAddressLimit, "429 Too Many Requests", "Too Many Requests: Too many streams from this address", 10, "address",
		func(w *world, _ *ask) { w.full[ReasonAddressLimit] = true }},
	{ReasonConnectRate, "503 Service Unavailable", "Service Unavailable: Too many connects", 2, "rate",
		func(w *world, _ *ask) { w.full[ReasonConnectRate] = true }},
	{ReasonNodeLimit, "503 Service Unavailable", "Service Unavailable: Too many streams", 5, "node",
		func(w *world, _ *ask) { w.full[ReasonNodeLimit] = true }},
	{ReasonNeverReady, "503 Service Unavailable", "Service Unavailable: Change feed not ready", 2, "feed",
		func(w *world, _ *ask) { w.ready = make(chan struct{}) }},
	{ReasonUnauthorized, "401 Unauthorized", "Unauthorized", 0, "session",
		func(w *world, _ *ask) { w.session = errors.New("expired") }},
	{ReasonSessionRate, "429 Too Many Requests", "Too Many Requests: Too many unknown sessions from this address", 6, "session",
		func(w *world, _ *ask) {
			w.session = orgcast.ErrUnknownSession
			w.prepare = func(s *Server) {
				for range failureBurst {
					s.unknown.allow(netip.MustParseAddr("203.0.113.7"), time.Now())
				}
			}
		}},
	{ReasonSessionUnconfirmed, "503 Service Unavailable", "Service Unavailable: Session not known yet", 2, "session",
		func(w *world, _ *ask) {
			w.session, w.barrier = orgcast.ErrUnknownSession, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		}},
	{ReasonQuery, "400 Bad Request", "Malformed query", 0, "query",
		func(_ *world, a *ask) { a.rawQuery = "organizationId=org_a&x=%zz" }},
	{ReasonMissingOrganization, "400 Bad Request", "Missing required parameter: organizationId", 0, "query",
		func(_ *world, a *ask) { a.query.Del("organizationId") }},
	{ReasonOrganizationID, "400 Bad Request", "Invalid organizationId: 1 to 255 bytes", 0, "query",
		func(_ *world, a *ask) { a.query.Set("organizationId", strings.Repeat("o", 256)) }},
	{ReasonTooManyOrganizations, "400 Bad Request", "Too many organizations: at most 16 on one stream", 0, "query",
		func(_ *world, a *ask) {
			for i := range MaxOrganizations {
				a.query.Add("organizationId", "org_"+strconv.Itoa(i))
			}
		}},
	{ReasonChannel, "400 Bad Request", "Unknown channel. Known: user, property, organization, system, notifications, all", 0, "channel",
		func(_ *world, a *ask) { a.query.Set("channel", "users") }},
	{ReasonType, "400 Bad Request", "Unknown type. Known: user.activity, property.update, member.join, member.leave, organization.change, notification.new, system.alert, data.sync", 0, "type",
		func(_ *world, a *ask) { a.query.Set("type", "user") }},
	{ReasonNotMember, "403 Forbidden", "Forbidden: No access to this organization", 0, "member",
		func(w *world, _ *ask) { w.members = nil }},
	{ReasonUnconfirmed, "503 Service Unavailable", "Service Unavailable: Membership not known yet", 2, "member",
		func(w *world, _ *ask) {
			w.members, w.barrier = nil, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		}},
	{ReasonUserLimit, "429 Too Many Requests", "Too Many Requests: Too many streams of this user", 10, "user",
		func(w *world, _ *ask) { w.full[ReasonUserLimit] = true }},
	{ReasonOrganizationLimit, "429 Too Many Requests", "Too Many Requests: Too many streams of this organization", 10, "organization",
		func(w *world, _ *ask) { w.full[ReasonOrganizationLimit] = true }},
}

var (
	dateLine  = regexp.MustCompile(`Date: [^\r]*\r\n`)
	retryLine = regexp.MustCompile(`Retry-After: (\d+)\r\n`)
)

// sorted puts the header lines in one order: net/http writes its own last.
func sorted(answer string) string {
	head, body, _ := strings.Cut(answer, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	slices.Sort(lines[1:])
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// refusalText is the whole answer, but for its date and its Retry-After.
func (f fault) refusalText() string {
	return "HTTP/1.1 " + f.status + "\r\n" +
		"Access-Control-Allow-Credentials: true\r\n" +
		"Access-Control-Allow-Origin: https://app.example.com\r\n" +
		"Access-Control-Expose-Headers: Retry-After\r\n" +
		"Cache-Control: no-store\r\n" +
		"Connection: close\r\n" +
		"Content-Length: " + strconv.Itoa(len(f.body)) + "\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n" +
		"Vary: Cookie, Origin\r\n" +
		"X-Content-Type-Options: nosniff\r\n" +
		"\r\n" + f.body
}

// answered sends the request and tells what is not exactly the fault's answer.
func (f fault) answered(t *testing.T, w *world, a *ask) error {
	t.Helper()
	s := w.server()
	address := listen(t, s)
	if w.full[ReasonDraining] {
		s.Drain()
	}
	got := dateLine.ReplaceAllString(send(t, address, a.String()), "")
	retry := retryLine.FindStringSubmatch(got)
	switch {
	case f.retry == 0 && retry != nil:
		return fmt.Errorf("Retry-After %s, want none", retry[1])
	case f.retry > 0 && retry == nil:
		return fmt.Errorf("no Retry-After in %q", got)
	case f.retry > 0:
		if n, err := strconv.Atoi(retry[1]); err != nil || n < f.retry || n > 2*f.retry {
			return fmt.Errorf("Retry-After %s, want %d to %d", retry[1], f.retry, 2*f.retry)
		}
	}
	want := f.refusalText()
	if f.reason == ReasonOrigin || a.header["Origin"] == nil { // a foreign page is told nothing, and who is none needs nothing
		want = regexp.MustCompile(`Access-Control-[^\r]*\r\n`).ReplaceAllString(want, "")
	}
	switch f.reason {
	case ReasonKey:
		want = sorted(strings.Replace(want, "Vary:", "Www-Authenticate: Bearer\r\nVary:", 1))
	case ReasonInvalidEvents:
		want = strings.Replace(want, "text/plain; charset=utf-8", "application/json", 1)
	}
	if got = sorted(retryLine.ReplaceAllString(got, "")); got != want {
		return fmt.Errorf("got\n%q, want\n%q", got, want)
	}
	if r := w.reasons(); !slices.Equal(r, []Reason{f.reason}) {
		return fmt.Errorf("counted as %v, want %s once", r, f.reason)
	}
	if n := w.open(); n != 0 {
		return fmt.Errorf("%d places are still held", n)
	}
	if calls := w.calls(); slices.Contains(calls, "register") != slices.Contains(calls, "close") {
		return fmt.Errorf("registered and not closed: %v", calls)
	}
	return nil
}

func TestEveryRefusalIsAnsweredToTheLetter(t *testing.T) {
	answeredToTheLetter(t, faults, newWorld, goodAsk)
}

func answeredToTheLetter(t *testing.T, faults []fault, world func() *world, good func() *ask) {
	for _, f := range faults {
		t.Run(string(f.reason), func(t *testing.T) {
			w, a := world(), good()
			f.make(w, a)
			if err := f.answered(t, w, a); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOfTwoFaultsTheFirstInTheTableIsAnswered(t *testing.T) {
	answeredInOrder(t, faults, newWorld, goodAsk)
}

func answeredInOrder(t *testing.T, faults []fault, world func() *world, good func() *ask) {
	for i, first := range faults {
		for _, second := range faults[i+1:] {
			if first.part == second.part {
				continue
			}
			t.Run(string(first.reason)+" before "+string(second.reason), func(t *testing.T) {
				w, a := world(), good()
				second.make(w, a)
				first.make(w, a)
				if err := first.answered(t, w, a); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// The gate tells a foreign page nothing: no session was looked at.
func TestNothingIsLookedAtBeforeTheGate(t *testing.T) {
	w, a := newWorld(), goodAsk()
	a.header["Origin"] = []string{"https://evil.example"}
	send(t, listen(t, w.server()), a.String())
	if calls := w.calls(); len(calls) != 0 {
		t.Errorf("called %v", calls)
	}
}

func TestAStreamBeginsWithExactlyTheContractsHeaders(t *testing.T) {
	w := newWorld()
	got := sorted(dateLine.ReplaceAllString(send(t, listen(t, w.server()), goodAsk().String()), ""))
	want := "HTTP/1.1 200 OK\r\n" +
		"Access-Control-Allow-Credentials: true\r\n" +
		"Access-Control-Allow-Origin: https://app.example.com\r\n" +
		"Access-Control-Expose-Headers: Retry-After\r\n" +
		"Cache-Control: no-store, no-cache, no-transform\r\n" +
		"Connection: close\r\n" +
		"Content-Type: text/event-stream\r\n" +
		"Vary: Cookie, Origin\r\n" +
		"X-Accel-Buffering: no\r\n" +
		"X-Content-Type-Options: nosniff\r\n" +
		"\r\nretry: 1000\n\n"
	if got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
	if w.open() != 0 || len(w.reasons()) != 0 {
		t.Errorf("after its end %d places are held, refusals %v", w.open(), w.reasons())
	}
}

func TestWhatIsAskedForReachesTheStream(t *testing.T) {
	w, a := newWorld(), goodAsk()
	a.query = map[string][]string{"organizationId": {"org_b", "org_a", "org_b"}, "channel": {"property", "system"}, "type": {"property.update"}, "lastEventId": {"k3.1.0"}}
	a.header["Last-Event-ID"] = []string{"k3.2.8"}
	var members []orgcast.Membership
	serve := w.serve
	w.serve = func(rw http.ResponseWriter, r *http.Request, m []orgcast.Membership) {
		members = m
		serve(rw, r, m)
	}
	send(t, listen(t, w.server()), a.String())
	if len(w.asked) != 1 {
		t.Fatalf("registered %d streams; refused %v", len(w.asked), w.refused)
	}
	asked := w.asked[0]
	if asked.Principal.User != "user_a" || !slices.Equal(asked.Organizations, []orgcast.OrganizationID{"org_b", "org_a"}) {
		t.Errorf("got %+v", asked)
	}
	if asked.Filter.ChannelLabel() != "property,system" || asked.Filter.Passes(orgcast.SystemAlert) || !asked.Filter.Passes(orgcast.PropertyUpdate) {
		t.Errorf("got filter %+v", asked.Filter)
	}
	if want := (Resume{Cursor: orgcast.Cursor{Epoch: 723, LSN: 2, Index: 8}, Present: true}); asked.Resume != want {
		t.Errorf("got resume %+v, want %+v", asked.Resume, want)
	}
	if len(members) != 2 || members[0].Organization != "org_b" || members[1].Organization != "org_a" {
		t.Errorf("got members %+v", members)
	}
}

func TestUnknownPathsAndMethodsAreRefused(t *testing.T) {
	for _, c := range []struct{ method, path, status, allow string }{
		{"GET", "/", "404", ""},
		{"GET", "/api/realtime/stream/", "404", ""},
		{"GET", "//api/realtime/stream", "404", ""},
		{"GET", "/api/realtime/%73tream", "404", ""},
		{"GET", "/api/realtime%2Fstream", "404", ""},
		{"GET", "/API/realtime/stream", "404", ""},
		{"HEAD", "/api/realtime/stream", "405", "GET, OPTIONS"},
		{"POST", "/api/realtime/stream", "405", "GET, OPTIONS"},
		{"TRACE", "/api/realtime/stream", "405", "GET, OPTIONS"},
		{"DELETE", "/healthz", "405", "GET, HEAD"},
		{"OPTIONS", "*", "404", ""},
	} {
		w, a := newWorld(), goodAsk()
		a.method, a.path, a.query = c.method, c.path, nil
		got := send(t, listen(t, w.server()), a.String())
		if !strings.HasPrefix(got, "HTTP/1.1 "+c.status+" ") || c.allow != "" && !strings.Contains(got, "\r\nAllow: "+c.allow+"\r\n") {
			t.Errorf("%s %s: got %q", c.method, c.path, got)
		}
		if slices.Contains(w.calls(), "register") {
			t.Errorf("%s %s opened a stream", c.method, c.path)
		}
	}
}
