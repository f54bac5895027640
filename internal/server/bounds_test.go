package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oikion/orgcast"
)

// pipes is a listener without a network, so that a test's clock can be false.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.done:
		return net.ErrClosed
	default:
		close(p.done)
		return nil
	}
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// closedAfter reads until the end and tells what was read and how long it took.
func closedAfter(c net.Conn) (string, time.Duration) {
	begin := time.Now()
	answer, _ := io.ReadAll(c) // the end is what is measured, however it comes
	return string(answer), time.Since(begin)
}

func TestWhoDoesNotFinishItsHeaderIsCutInTime(t *testing.T) {
	for _, sent := range []string{"", "G", "GET /healthz HTTP/1.1\r\nHost: a\r\nX: "} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			s, p := w.server(), newPipes()
			serveUntilEnd(t, s, p)
			c := p.dial()
			defer c.Close()
			if _, err := io.WriteString(c, sent); err != nil {
				t.Fatal(err)
			}
			if got, took := closedAfter(c); took != readHeaderTimeout || strings.Contains(got, "200") {
				t.Errorf("after %q: cut after %s with %q", sent, took, got)
			}
			synctest.Wait()
			if n := len(s.conns.pending) + len(s.conns.fresh); n != 0 {
				t.Errorf("%d connections are still counted", n)
			}
		})
	}
}

// A body is refused at once, and what is still to come of it is not waited for.
func TestWhoSendsABodySlowlyIsAnsweredAndCutAtOnce(t *testing.T) {
	for _, length := range []string{"Content-Length: 1000", "Content-Length: 100000000", "Transfer-Encoding: chunked", "Content-Length: 1000\r\nExpect: 100-continue"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			p := newPipes()
			serveUntilEnd(t, w.server(), p)
			c := p.dial()
			defer c.Close()
			if _, err := io.WriteString(c, "GET /api/realtime/stream HTTP/1.1\r\nHost: a\r\n"+length+"\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			got, took := closedAfter(c)
			if !strings.HasPrefix(got, "HTTP/1.1 413 ") || took > time.Second {
				t.Errorf("%s: cut after %s with %q", length, took, got)
			}
			if calls := w.calls(); len(calls) != 0 {
				t.Errorf("%s: called %v", length, calls)
			}
		})
	}
}

func TestAnIdleConnectionIsCutInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		p := newPipes()
		serveUntilEnd(t, w.server(), p)
		c := p.dial()
		defer c.Close()
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if got, took := closedAfter(c); took != idleTimeout || !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("cut after %s with %q", took, got)
		}
	})
}

// The server's write timeout is for its own answers. A stream lives on.
func TestTheWriteTimeoutDoesNotEndAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.serve = func(rw http.ResponseWriter, r *http.Request, _ []orgcast.Membership) {
			for range 3 {
				time.Sleep(10 * writeTimeout)
				_, _ = io.WriteString(rw, ": heartbeat\n\n")
				if err := http.NewResponseController(rw).Flush(); err != nil {
					t.Error(err)
				}
			}
			if r.Context().Err() != nil {
				t.Error("the stream's context ended")
			}
		}
		p := newPipes()
		serveUntilEnd(t, w.server(), p)
		c := p.dial()
		defer c.Close()
		if _, err := io.WriteString(c, goodAsk().String()); err != nil {
			t.Fatal(err)
		}
		if got, took := closedAfter(c); took < 30*writeTimeout || strings.Count(got, ": heartbeat\n\n") != 3 {
			t.Errorf("ended after %s with %q", took, got)
		}
	})
}

// The hold of row 2 is longer than the write timeout, and its end is told.
func TestWhoWasHeldIsStillAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.ready, w.config.ReadyWait = make(chan struct{}), 0
		p := newPipes()
		serveUntilEnd(t, w.server(), p)
		c := p.dial()
		defer c.Close()
		if _, err := io.WriteString(c, goodAsk().String()); err != nil {
			t.Fatal(err)
		}
		if got, took := closedAfter(c); !strings.HasPrefix(got, "HTTP/1.1 503 ") || took < 20*time.Second {
			t.Errorf("got %q after %s", got, took)
		}
	})
}

// Who sends requests and takes no answers holds a connection only so long.
func TestWhoTakesNoAnswerIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s, p := w.server(), newPipes()
		serveUntilEnd(t, s, p)
		c := p.dial()
		defer c.Close()
		if _, err := io.WriteString(c, "GET /api/realtime/stream HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(writeTimeout + time.Second)
		synctest.Wait()
		if n := len(s.conns.pending); n != 0 {
			t.Errorf("%d connections are still open", n)
		}
	})
}

func TestWhatIsTooLargeIsRefused(t *testing.T) {
	for _, c := range []struct{ name, raw, want string }{
		{"header", "GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", maxHeader+8<<10) + "\r\n\r\n", "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
		{"query", "GET /api/realtime/stream?" + strings.Repeat("x", maxQuery+1) + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 414 Request URI Too Long\r\n"},
		{"query at the bound", "GET /api/realtime/stream?" + strings.Repeat("x", maxQuery) + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 401 Unauthorized\r\n"},
	} {
		conn, err := net.Dial("tcp", listen(t, newWorld().server()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, c.raw); err != nil {
			t.Fatal(err)
		}
		// Only the first line: what was not read of a large header resets the
		// connection after the answer.
		if got, err := bufio.NewReader(conn).ReadString('\n'); err != nil || got != c.want {
			t.Errorf("%s: got %.100q, %v", c.name, got, err)
		}
	}
}

func TestConnectionsThatCarryNoStreamAreBoundedAndStreamsDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.config.MaxPending = 2
		release := make(chan struct{})
		w.serve = func(rw http.ResponseWriter, _ *http.Request, _ []orgcast.Membership) {
			rw.WriteHeader(http.StatusOK)
			<-release
		}
		s, p := w.server(), newPipes()
		serveUntilEnd(t, s, p)
		for range 3 { // more streams than the bound
			c := p.dial()
			defer c.Close()
			if _, err := io.WriteString(c, goodAsk().String()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		silent := []net.Conn{p.dial(), p.dial()}
		synctest.Wait()
		if r := w.reasons(); len(r) != 0 {
			t.Fatalf("refused %v within the bound", r)
		}
		c := p.dial()
		defer c.Close()
		if got, took := closedAfter(silent[0]); got != "" || took != 0 {
			t.Errorf("who waited longest: %q after %s", got, took)
		}
		if r := w.reasons(); !slices.Equal(r, []Reason{ReasonConnections}) {
			t.Errorf("counted %v", r)
		}
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if got, took := closedAfter(c); !strings.HasPrefix(got, "HTTP/1.1 200 ") || took != 0 {
			t.Errorf("who came last and asked: %q after %s", got, took)
		}
		if got, took := closedAfter(silent[1]); got != "" || took != readHeaderTimeout {
			t.Errorf("who was within the bound: %q after %s", got, took)
		}
		close(release)
	})
}

// Who was answered once is a proxy's connection, more likely than not, and goes
// after those that never asked anything; who is being answered is never cut.
func TestOfTooManyConnectionsTheSilentGoFirstAndTheAnsweredNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.config.MaxPending = 2
		w.config.BarrierWait = time.Hour
		w.members = nil
		held := make(chan struct{})
		w.barrier = func(context.Context) error { <-held; return nil }
		s, p := w.server(), newPipes()
		serveUntilEnd(t, s, p)
		served := p.dial()
		defer served.Close()
		if _, err := io.WriteString(served, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer := bufio.NewReader(served)
		if got, err := http.ReadResponse(answer, nil); err != nil || got.StatusCode != http.StatusOK {
			t.Fatal(got, err)
		}
		silent := p.dial()
		synctest.Wait()
		waiting := make([]net.Conn, 2)
		for i := range waiting { // the first costs the silent one, the second the idle one
			waiting[i] = p.dial()
			if _, err := io.WriteString(waiting[i], goodAsk().String()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if _, err := silent.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("the silent one is still there: %v", err)
			}
			if i == 0 {
				if r := w.reasons(); len(r) != 1 {
					t.Fatalf("counted %v", r)
				}
			}
		}
		if _, err := answer.ReadByte(); err != io.EOF {
			t.Errorf("the idle one is still there: %v", err)
		}
		c := p.dial() // both are being answered
		if got, took := closedAfter(c); got != "" || took != 0 {
			t.Errorf("beyond the bound: %q after %s", got, took)
		}
		if r := w.reasons(); !slices.Equal(r, []Reason{ReasonConnections, ReasonConnections, ReasonConnections}) {
			t.Errorf("counted %v", r)
		}
		close(held)
		for _, c := range waiting {
			if got, _ := closedAfter(c); !strings.HasPrefix(got, "HTTP/1.1 403 ") {
				t.Errorf("who was being answered got %q", got)
			}
		}
		synctest.Wait()
		if n := len(s.conns.pending) + s.conns.unheard.Len() + s.conns.idle.Len() + len(s.conns.fresh); n != 0 {
			t.Errorf("%d connections are still counted", n)
		}
	})
}

// The connects of this second are used up: by strangers, as far as it knows.
func TestWhoHasASessionHasConnectsOfHisOwn(t *testing.T) {
	for _, c := range []struct {
		name   string
		broken func(*world, *ask)
		want   string
	}{
		{"a member", func(*world, *ask) {}, "HTTP/1.1 200 "},
		{"a stranger", func(_ *world, a *ask) { a.header.Del("Cookie") }, "HTTP/1.1 503 "},
		{"a session that is none", func(w *world, _ *ask) { w.session = orgcast.ErrUnknownSession }, "HTTP/1.1 503 "},
		{"one of too many members", func(w *world, _ *ask) { w.kept = false }, "HTTP/1.1 503 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, a := newWorld(), goodAsk()
			w.full[ReasonConnectRate], w.kept = true, true
			c.broken(w, a)
			if got := send(t, listen(t, w.server()), a.String()); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q", got)
			}
		})
	}
	// Nobody's session is looked at for it while there are connects for all.
	w := newWorld()
	send(t, listen(t, w.server()), goodAsk().String())
	if calls := w.calls(); slices.Contains(calls, "connect known") {
		t.Errorf("called %v", calls)
	}
}

func TestAPanicIsAnsweredCountedAndLoggedWithoutItsValue(t *testing.T) {
	w := newWorld()
	s := w.server()
	var log bytes.Buffer
	s.logger = slog.New(slog.NewTextHandler(&log, nil))
	s.deps.Access = panicking{}
	got := open(t.Context(), s, "org_a")
	if got.Code != http.StatusInternalServerError || got.Body.String() != "Internal Server Error" {
		t.Errorf("got %d %q", got.Code, got.Body)
	}
	if !slices.Equal(w.reasons(), []Reason{ReasonPanic}) || w.panics() != 1 || w.open() != 0 {
		t.Errorf("counted %v, %d panics, %d places held", w.reasons(), w.panics(), w.open())
	}
	if !strings.Contains(log.String(), "bounds_test.go") || strings.Contains(log.String(), "a secret") {
		t.Errorf("logged %s", &log)
	}
	if calls := w.calls(); !slices.Contains(calls, "close") {
		t.Errorf("the stream is still registered: %v", calls)
	}
}

type panicking struct{}

func (panicking) Membership(orgcast.UserID, orgcast.OrganizationID) (orgcast.Membership, bool) {
	panic(errors.New("a secret"))
}

// A stream that has begun can't become a 500: it is cut.
func TestAPanicInAStreamCutsIt(t *testing.T) {
	w := newWorld()
	w.serve = func(rw http.ResponseWriter, _ *http.Request, _ []orgcast.Membership) {
		_, _ = io.WriteString(rw, "retry: 1000\n\n")
		_ = http.NewResponseController(rw).Flush()
		panic("at the disco")
	}
	got := send(t, listen(t, w.server()), goodAsk().String())
	if !strings.HasSuffix(got, "\r\n\r\nretry: 1000\n\n") {
		t.Errorf("got %q", got)
	}
	if w.panics() != 1 || !slices.Equal(w.reasons(), []Reason{ReasonPanic}) || w.open() != 0 {
		t.Errorf("%d panics, counted %v, %d places held", w.panics(), w.reasons(), w.open())
	}
}

func TestProbesTellAStatusAndNothingElse(t *testing.T) {
	stale := errors.New("no fresh position for 12s")
	for _, c := range []struct {
		method, path string
		fresh        error
		want         int
	}{
		{"GET", "/healthz", stale, 200}, {"HEAD", "/healthz", nil, 200},
		{"GET", "/readyz", nil, 200}, {"HEAD", "/readyz", nil, 200}, {"GET", "/readyz", stale, 503},
	} {
		w := newWorld()
		w.fresh = c.fresh
		a := &ask{method: c.method, path: c.path, header: http.Header{"Host": {"a"}, "Connection": {"close"}, "Sec-Fetch-Site": {"none"}}}
		answer := send(t, listen(t, w.server()), a.String())
		got, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), &http.Request{Method: c.method})
		if err != nil {
			t.Fatal(err)
		}
		if got.StatusCode != c.want || !strings.HasSuffix(answer, "\r\n\r\n") || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: got %q", c.method, c.path, answer)
		}
	}
}

func TestOnlyPeersFromTheInternetHaveAnAddressLimit(t *testing.T) {
	for remote, want := range map[string]bool{
		"203.0.113.7:1": true, "[2001:db8::1]:1": true, "[::ffff:203.0.113.7]:1": true,
		"127.0.0.1:1": false, "[::1]:1": false, "10.1.2.3:1": false, "172.16.0.1:1": false, "192.168.1.1:1": false,
		"[fd00::1]:1": false, "[fe80::1%eth0]:1": false, "[::ffff:10.0.0.1]:1": false, "@": false, "": false, "pipe": false,
	} {
		if got := newProxies(nil, "X-Forwarded-For").client(&http.Request{RemoteAddr: remote}); got.limited != want {
			t.Errorf("%q: got %+v", remote, got)
		}
	}
}

func TestEveryReasonIsListedOnce(t *testing.T) {
	seen := map[Reason]bool{ReasonBarrierRate: true, ReasonConnections: true, ReasonNotFound: true, ReasonMethod: true, ReasonBodySlow: true, ReasonClientGone: true, ReasonPanic: true}
	for _, f := range faults {
		seen[f.reason] = true
	}
	for _, c := range calls {
		for _, f := range c.faults {
			seen[f.reason] = true
		}
	}
	if all := Reasons(); len(all) != len(seen) || slices.ContainsFunc(all, func(r Reason) bool { return !seen[r] }) {
		t.Errorf("listed %v, known %v", all, seen)
	}
}
