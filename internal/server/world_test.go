package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// world is everything around the server. In a new one all is well, and user_a
// is a member of org_a and org_b.
type world struct {
	mu sync.Mutex

	config  Config
	ready   chan struct{}
	fresh   error
	session error
	expires time.Time   // the session's
	since   orgcast.LSN // the memberships'
	members map[orgcast.OrganizationID]bool
	barrier func(context.Context) error
	full    map[Reason]bool // limits that have no place
	held    map[Reason]int  // places that are held
	serve   func(w http.ResponseWriter, r *http.Request, members []orgcast.Membership)

	named func(Named)
	kept  bool // connects are kept for who has a session

	beside // if whole, the calls beside the stream are there
	whole  bool
	// prepare, if set, is done to every new server.
	prepare func(*Server)

	log      []string // what was called, in order
	address  []netip.Addr
	asked    []StreamRequest
	refused  []Reason
	panicked int
}

func newWorld() *world {
	w := &world{
		config:  Config{Origins: []string{"https://app.example.com"}, ReadyWait: 10 * time.Millisecond, BarrierWait: 10 * time.Millisecond},
		ready:   make(chan struct{}),
		members: map[orgcast.OrganizationID]bool{"org_a": true, "org_b": true},
		barrier: func(context.Context) error { return nil },
		full:    map[Reason]bool{},
		held:    map[Reason]int{},
	}
	w.serve = func(rw http.ResponseWriter, _ *http.Request, _ []orgcast.Membership) {
		rw.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(rw, "retry: 1000\n\n")
	}
	close(w.ready)
	return w
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

func (w *world) calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.log)
}

func (w *world) reasons() []Reason {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.refused)
}

func (w *world) panics() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.panicked
}

func (w *world) Authenticate(cookies []string, _ time.Time) (orgcast.Principal, error) {
	w.note("authenticate")
	if w.session != nil {
		return orgcast.Principal{}, w.session
	}
	if len(cookies) != 1 || cookies[0] != "session=good" {
		return orgcast.Principal{}, errors.New("no session")
	}
	return orgcast.Principal{User: "user_a", Scope: "scope", ExpiresAt: w.expires}, nil
}

func (w *world) Membership(user orgcast.UserID, organization orgcast.OrganizationID) (orgcast.Membership, bool) {
	w.note("membership %s", organization)
	w.mu.Lock()
	defer w.mu.Unlock()
	return orgcast.Membership{User: user, Organization: organization, Role: "AGENT", Since: w.since}, w.members[organization]
}

func (w *world) Wait(ctx context.Context) error {
	w.note("barrier")
	return w.barrier(ctx)
}

func (w *world) Ready() <-chan struct{} { return w.ready }
func (w *world) Fresh() error           { return w.fresh }

func (w *world) Register(asked StreamRequest) Registration {
	w.note("register")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, asked)
	return &fakeRegistration{world: w}
}

type fakeRegistration struct {
	world *world
	once  sync.Once
}

func (r *fakeRegistration) Serve(w http.ResponseWriter, q *http.Request, members []orgcast.Membership) {
	r.world.note("serve")
	r.world.serve(w, q, members)
}

func (r *fakeRegistration) Close() { r.once.Do(func() { r.world.note("close") }) }

func (w *world) acquire(reason Reason) (func(), error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full[reason] {
		return nil, errors.New("full")
	}
	w.held[reason]++
	return sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.held[reason]--
	}), nil
}

func (w *world) Connect(time.Time) error {
	_, err := w.acquire(ReasonConnectRate)
	return err
}

func (w *world) ConnectKnown(time.Time) error {
	w.note("connect known")
	if w.kept {
		return nil
	}
	_, err := w.acquire(ReasonConnectRate)
	return err
}
func (w *world) AcquireNode() (func(), error) { return w.acquire(ReasonNodeLimit) }
func (w *world) AcquireAddress(a netip.Addr) (func(), error) {
	w.mu.Lock()
	w.address = append(w.address, a)
	w.mu.Unlock()
	return w.acquire(ReasonAddressLimit)
}
func (w *world) AcquireUser(orgcast.UserID) (func(), error) { return w.acquire(ReasonUserLimit) }
func (w *world) AcquireOrganization(orgcast.OrganizationID) (func(), error) {
	return w.acquire(ReasonOrganizationLimit)
}

// open is how many places are held by what is bounded at one time.
func (w *world) open() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for reason, held := range w.held {
		if reason != ReasonConnectRate {
			n += held
		}
	}
	return n
}

func (w *world) server() *Server {
	deps := Deps{
		Sessions: w, Access: w, Barrier: w, Feed: w, Streams: w, Limits: w,
		Hooks: Hooks{
			Named: w.named,
			Refused: func(r Reason) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.refused = append(w.refused, r)
			},
			Panicked: func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.panicked++
			},
			Failed: func(_ Reason, err error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.failed = append(w.failed, err)
			},
		},
	}
	if w.whole {
		deps.Positions, deps.Pages, deps.Connections, deps.Publisher = w, w, w, w
	}
	s := New(deps, w.config)
	if w.prepare != nil {
		w.prepare(s)
	}
	return s
}

// listen serves on a real loopback socket until the test is over.
func listen(t *testing.T, s *Server) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveUntilEnd(t, s, farListener{l})
	return l.Addr().String()
}

func serveUntilEnd(t *testing.T, s *Server, l net.Listener) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Drain()
		if err := errors.Join(s.http.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
}

// farListener makes its peers look as if they came from the internet.
type farListener struct{ net.Listener }

func (l farListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return farConn{c}, nil
}

type farConn struct{ net.Conn }

// CloseWrite is what a TCP connection has, and net/http looks for.
func (c farConn) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

func (farConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 4711} }

// ask is one request, in parts that can be broken one by one.
type ask struct {
	method, path string
	query        url.Values
	rawQuery     string // if set, in place of query
	header       http.Header
	body         string
}

// goodAsk opens a stream.
func goodAsk() *ask {
	return &ask{
		method: "GET", path: "/api/realtime/stream", query: url.Values{"organizationId": {"org_a"}},
		header: http.Header{"Host": {"app.example.com"}, "Connection": {"close"}, "Cookie": {"session=good"}, "Origin": {"https://app.example.com"}},
	}
}

func (a *ask) String() string {
	target := a.path
	query := a.rawQuery
	if query == "" {
		query = a.query.Encode()
	}
	if query != "" {
		target += "?" + query
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", a.method, target)
	for name, values := range a.header {
		for _, v := range values {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	if a.body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(a.body))
	}
	return b.String() + "\r\n" + a.body
}

// send writes raw bytes on a connection of its own and reads until its end.
func send(t *testing.T, address, raw string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("read after %q: %v", answer, err)
	}
	return string(answer)
}
