package server

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// call is one of the calls beside the stream: a request that is served, its
// whole answer, and what can be wrong with it, in the order in which it must be
// found.
type call struct {
	name   string
	good   func() *ask
	answer string
	faults []fault
}

const cors = "Access-Control-Allow-Credentials: true\r\n" +
	"Access-Control-Allow-Origin: https://app.example.com\r\n" +
	"Access-Control-Expose-Headers: Retry-After\r\n"

const common = "Cache-Control: no-store\r\nConnection: close\r\nVary: Cookie, Origin\r\nX-Content-Type-Options: nosniff\r\n"

var calls = []call{
	{"cursor", goodCursor,
		"HTTP/1.1 200 OK\r\n" + cors + common + "Content-Length: 19\r\nContent-Type: application/json\r\n\r\n" + `{"cursor":"k3.1.2"}`,
		slices.Concat(
			of(faults, ReasonOrigin, ReasonBody, ReasonQueryLength, ReasonDraining, ReasonAddressLimit, ReasonConnectRate, ReasonNodeLimit, ReasonNeverReady,
				ReasonUnauthorized, ReasonSessionRate, ReasonSessionUnconfirmed, ReasonQuery, ReasonMissingOrganization, ReasonOrganizationID, ReasonTooManyOrganizations, ReasonNotMember, ReasonUnconfirmed),
			[]fault{{ReasonPosition, "503 Service Unavailable", "Service Unavailable: Position not known yet", 2, "position",
				func(w *world, _ *ask) {
					w.position = func(context.Context) (orgcast.Cursor, error) { return orgcast.Cursor{}, errors.New("none") }
				}}})},
	{"page", goodPage,
		"HTTP/1.1 200 OK\r\n" + cors + common + "Content-Length: 44\r\nContent-Type: application/json\r\n\r\n" + `{"events":[],"cursor":"k3.1.0","reset":null}`,
		slices.Concat(
			of(faults, ReasonOrigin, ReasonBody, ReasonQueryLength, ReasonDraining, ReasonAddressLimit, ReasonConnectRate, ReasonNodeLimit, ReasonNeverReady,
				ReasonUnauthorized, ReasonSessionRate, ReasonSessionUnconfirmed, ReasonQuery, ReasonMissingOrganization, ReasonOrganizationID, ReasonTooManyOrganizations, ReasonChannel, ReasonType),
			[]fault{
				{ReasonLimit, "400 Bad Request", "Invalid limit: 1 to 1000", 0, "limit", func(_ *world, a *ask) { a.query.Set("limit", "1001") }},
				{ReasonWait, "400 Bad Request", "Invalid wait: 0 to 25 seconds", 0, "wait", func(_ *world, a *ask) { a.query.Set("wait", "26") }},
			},
			of(faults, ReasonNotMember, ReasonUnconfirmed, ReasonUserLimit, ReasonOrganizationLimit),
			[]fault{{ReasonPage, "503 Service Unavailable", "Service Unavailable: Events not readable", 2, "page",
				func(w *world, _ *ask) {
					w.page = func(context.Context, StreamRequest, []orgcast.Membership, PageRequest) (Page, error) {
						return Page{}, errors.New("disk")
					}
				}}})},
	{"filter", goodFilter,
		"HTTP/1.1 204 No Content\r\n" + cors + common + "\r\n",
		slices.Concat(
			of(faults, ReasonOrigin, ReasonQueryLength, ReasonDraining, ReasonConnectRate, ReasonNeverReady, ReasonUnauthorized, ReasonSessionRate, ReasonSessionUnconfirmed, ReasonQuery),
			connectionFaults,
			[]fault{
				{ReasonBodyType, "415 Unsupported Media Type", "Unsupported Media Type: The body must be application/json", 0, "type of body",
					func(_ *world, a *ask) { a.header["Content-Type"] = []string{"text/plain"} }},
				{ReasonBodyTooLarge, "413 Request Entity Too Large", "Content Too Large: The body may have 16384 bytes", 0, "body",
					func(_ *world, a *ask) { a.body = `{}` + strings.Repeat(" ", maxFilterBody) }},
				{ReasonBodyMalformed, "400 Bad Request", `Malformed body: unknown member "Channels"`, 0, "body",
					func(_ *world, a *ask) { a.body = `{"Channels":[]}` }},
				{ReasonChannel, "400 Bad Request", unknownChannel.text, 0, "body", func(_ *world, a *ask) { a.body = `{"channels":["users"]}` }},
				{ReasonType, "400 Bad Request", unknownType.text, 0, "body", func(_ *world, a *ask) { a.body = `{"types":["user"]}` }},
			},
			notOwn)},
	{"close", goodClose,
		"HTTP/1.1 204 No Content\r\n" + cors + common + "\r\n",
		slices.Concat(
			of(faults, ReasonOrigin, ReasonBody, ReasonQueryLength, ReasonDraining, ReasonConnectRate, ReasonNeverReady, ReasonUnauthorized, ReasonSessionRate, ReasonSessionUnconfirmed, ReasonQuery),
			connectionFaults, notOwn)},
	{"publish", goodPublish,
		"HTTP/1.1 202 Accepted\r\n" + common + "Content-Length: 22\r\nContent-Type: application/json\r\n\r\n" + `{"cursors":["k3.1.0"]}`,
		slices.Concat(
			of(faults, ReasonOrigin, ReasonQueryLength, ReasonDraining, ReasonNeverReady),
			[]fault{
				{ReasonKeyRate, "429 Too Many Requests", "Too Many Requests: Too many unknown API keys from this address", 6, "address",
					func(w *world, _ *ask) {
						prepared(w, func(s *Server) {
							for range failureBurst {
								s.failures.allow(netip.MustParseAddr("203.0.113.7"), time.Now())
							}
						})
					}},
				{ReasonKey, "401 Unauthorized", "Unauthorized", 0, "key", func(_ *world, a *ask) {
					a.header["Cookie"] = []string{"session=good"} // never by cookie
					delete(a.header, "Authorization")
				}},
				{ReasonPublishBusy, "503 Service Unavailable", "Service Unavailable: Too many publish at once", 1, "busy",
					func(w *world, _ *ask) {
						prepared(w, func(s *Server) {
							for range maxPublishing {
								s.publishing <- struct{}{}
							}
						})
					}},
				{ReasonIdempotencyKey, "400 Bad Request", "Invalid Idempotency-Key: 1 to 255 printable ASCII characters", 0, "idempotency key",
					func(_ *world, a *ask) { a.header["Idempotency-Key"] = []string{strings.Repeat("k", 256)} }},
				{ReasonBodyType, "415 Unsupported Media Type", "Unsupported Media Type: The body must be application/json", 0, "type of body",
					func(_ *world, a *ask) { delete(a.header, "Content-Type") }},
				{ReasonBodyTooLarge, "413 Request Entity Too Large", "Content Too Large: The body may have 262144 bytes", 0, "body",
					func(_ *world, a *ask) { a.body = strings.Repeat(" ", maxPublishBody+1) }},
				outcome(ReasonKeyScope, "403 Forbidden", "Forbidden: Not in the scope of this API key", 0, ErrScope),
				outcome(ReasonInvalidEvents, "400 Bad Request", `[{"index":0,"field":"payload.title","problem":"is missing"},{"index":-1,"field":"","problem":"is no JSON"}]`, 0,
					&Invalid{[]Problem{{0, "payload.title", "is missing"}, {-1, "", "is no JSON"}}}),
				outcome(ReasonPublishDown, "503 Service Unavailable", "Service Unavailable: Change feed is down, nothing was published", 2, ErrFeedDown),
				outcome(ReasonPublishUnknown, "504 Gateway Timeout", "Gateway Timeout: Outcome unknown, retry with the same Idempotency-Key", 0, ErrUnknownOutcome),
			})},
}

var connectionFaults = []fault{
	{ReasonConnectionID, "400 Bad Request", "Missing required parameter: connectionId", 0, "query", func(_ *world, a *ask) { a.query.Del("connectionId") }},
	{ReasonConnectionID, "400 Bad Request", "Invalid connectionId: 22 characters of base64url", 0, "query", func(_ *world, a *ask) { a.query.Set("connectionId", ownID+"A") }},
}

var notOwn = []fault{
	{ReasonUnknownConnection, "404 Not Found", "Not found", 0, "owner", func(w *world, _ *ask) { w.owners[ownID] = "user_b" }},
	{ReasonUnknownConnection, "404 Not Found", "Not found", 0, "owner", func(w *world, _ *ask) { delete(w.owners, ownID) }},
}

// of picks the faults with the reasons; an unknown reason is a mistake.
func of(faults []fault, reasons ...Reason) (some []fault) {
	for _, reason := range reasons {
		i := slices.IndexFunc(faults, func(f fault) bool { return f.reason == reason })
		some = append(some, faults[i])
	}
	return some
}

func prepared(w *world, do func(*Server)) {
	before := w.prepare
	w.prepare = func(s *Server) {
		if before != nil {
			before(s)
		}
		do(s)
	}
}

func outcome(reason Reason, status, body string, retry int, err error) fault {
	return fault{reason, status, body, retry, "outcome", func(w *world, _ *ask) {
		w.beside.publish = func(context.Context, string, string, []byte) (Published, error) { return Published{}, err }
	}}
}

func TestEveryCallIsAnsweredToTheLetter(t *testing.T) {
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			w := newWholeWorld()
			got := sorted(dateLine.ReplaceAllString(send(t, listen(t, w.server()), c.good().String()), ""))
			if want := sorted(c.answer); got != want {
				t.Errorf("got\n%q, want\n%q", got, want)
			}
			if r := w.reasons(); len(r) != 0 || w.open() != 0 {
				t.Errorf("refused %v, %d places are still held", r, w.open())
			}
		})
	}
}

func TestEveryRefusalOfACallIsAnsweredToTheLetter(t *testing.T) {
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) { answeredToTheLetter(t, c.faults, newWholeWorld, c.good) })
	}
}

func TestOfTwoFaultsOfACallTheFirstIsAnswered(t *testing.T) {
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) { answeredInOrder(t, c.faults, newWholeWorld, c.good) })
	}
}

// What is not fitted is not there: not for a call, not in Allow, not for a page
// that asks what it may.
func TestWhatIsNotGivenIsNotThere(t *testing.T) {
	for _, c := range []struct {
		name string
		take func(*Deps)
		good func() *ask
		// status is that of the call itself, allow that of its path's Allow; empty if
		// nothing is left of the path.
		status, allow string
	}{
		{"positions", func(d *Deps) { d.Positions = nil }, goodCursor, "404", ""},
		{"pages", func(d *Deps) { d.Pages = nil }, goodPage, "405", "POST, OPTIONS"},
		{"publisher", func(d *Deps) { d.Publisher = nil }, goodPublish, "405", "GET, OPTIONS"},
		{"pages and publisher", func(d *Deps) { d.Pages, d.Publisher = nil, nil }, goodPage, "404", ""},
		{"connections", func(d *Deps) { d.Connections = nil }, goodFilter, "405", "GET, OPTIONS"},
		{"connections, close", func(d *Deps) { d.Connections = nil }, goodClose, "405", "GET, OPTIONS"},
	} {
		w := newWholeWorld()
		s := w.server()
		deps := s.deps
		c.take(&deps)
		address := listen(t, New(deps, w.config))
		a := c.good()
		a.body = "" // it would be refused first
		got := send(t, address, a.String())
		if !strings.HasPrefix(got, "HTTP/1.1 "+c.status+" ") || c.allow != "" && !strings.Contains(got, "\r\nAllow: "+c.allow+"\r\n") {
			t.Errorf("%s: got %q", c.name, got)
		}
		a.method = "OPTIONS"
		got = send(t, address, a.String())
		if strings.HasPrefix(got, "HTTP/1.1 204 ") != (c.allow != "") || c.allow != "" && !strings.Contains(got, "\r\nAllow: "+c.allow+"\r\n") {
			t.Errorf("%s: preflight got %q", c.name, got)
		}
		if got := w.calls(); len(got) != 0 {
			t.Errorf("%s: called %v", c.name, got)
		}
	}
}
