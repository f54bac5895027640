package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oikion/orgcast"
)

func TestWhatIsSaidReachesThePublisher(t *testing.T) {
	w, a := newWholeWorld(), goodPublish()
	a.header["Authorization"] = []string{"bearer  orgc_good"}
	a.header["Idempotency-Key"] = []string{"order 17"}
	a.header["Cookie"] = []string{"session=good"}
	a.header["Sec-Fetch-Mode"] = []string{"cors"} // Node's fetch
	a.body = ` [{"type":"system.alert"}] `
	var got []string
	w.beside.publish = func(_ context.Context, key, idempotencyKey string, body []byte) (Published, error) {
		got = []string{key, idempotencyKey, string(body)}
		return Published{[]orgcast.Cursor{{Epoch: 723, LSN: 35}, {Epoch: 723, LSN: 35, Index: 8}}}, nil
	}
	answer := send(t, listen(t, w.server()), a.String())
	if !strings.HasPrefix(answer, "HTTP/1.1 202 Accepted\r\n") || !strings.HasSuffix(answer, "\r\n\r\n"+`{"cursors":["k3.z.0","k3.z.8"]}`) {
		t.Errorf("got %q", answer)
	}
	if want := []string{"orgc_good", "order 17", a.body}; !slices.Equal(got, want) {
		t.Errorf("published %q", got)
	}
	if calls := w.calls(); !slices.Equal(calls, []string{"check key", "publish"}) {
		t.Errorf("called %v: no session is looked at", calls)
	}
}

func TestEveryOutcomeHasItsAnswer(t *testing.T) {
	problems := &Invalid{[]Problem{{3, "type", "is none that this key may publish"}}}
	const list = `[{"index":3,"field":"type","problem":"is none that this key may publish"}]`
	for _, c := range []struct {
		name string
		err  error
		code int
		body string
		told bool // the operator
	}{
		{"key withdrawn", fmt.Errorf("publish: %w", ErrKey), 401, "Unauthorized", false},
		{"scope", fmt.Errorf("publish: %w", ErrScope), 403, keyScope.text, false},
		{"scope, with what", errors.Join(ErrScope, problems), 403, list, false},
		{"invalid", fmt.Errorf("publish: %w", problems), 400, list, false},
		{"invalid without a reason", &Invalid{}, 400, "[]", false},
		{"down", fmt.Errorf("publish: %w", ErrFeedDown), 503, publishDown.text, true},
		{"unknown", fmt.Errorf("publish: %w", ErrUnknownOutcome), 504, publishUnknown.text, true},
		{"too late", context.DeadlineExceeded, 504, publishUnknown.text, true},
		{"anything else", errors.New("password=secret"), 504, publishUnknown.text, true},
	} {
		w := newWholeWorld()
		w.beside.publish = func(context.Context, string, string, []byte) (Published, error) { return Published{}, c.err }
		got := w.call(w.server(), "POST", "/api/realtime/events", nil)
		if got.Code != c.code || got.Body.String() != c.body || (got.Header().Get("Retry-After") != "") != (c.code == 503) {
			t.Errorf("%s: got %d %q, %v", c.name, got.Code, got.Body, got.Header())
		}
		if json := strings.HasPrefix(c.body, "["); json != (got.Header().Get("Content-Type") == "application/json") {
			t.Errorf("%s: Content-Type %q", c.name, got.Header().Get("Content-Type"))
		}
		if f := w.failures(); (len(f) == 1) != c.told {
			t.Errorf("%s: the operator was told %v", c.name, f)
		}
	}
}

// "Unknown" is never silence, or a 200 that says nothing: who has closed its
// half of the connection may still listen.
func TestAnOutcomeThatIsNotKnownIsSaidToBe(t *testing.T) {
	wait := func(ctx context.Context, _, _ string, _ []byte) (Published, error) {
		<-ctx.Done()
		return Published{}, ctx.Err()
	}
	t.Run("too late", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, p := newWholeWorld(), newPipes()
			w.beside.publish = wait
			serveUntilEnd(t, w.server(), p)
			conn := p.dial()
			defer conn.Close()
			if _, err := io.WriteString(conn, goodPublish().String()); err != nil {
				t.Fatal(err)
			}
			if got, took := closedAfter(conn); !strings.HasPrefix(got, "HTTP/1.1 504 ") || took < publishTimeout || took > publishTimeout+2*linger {
				t.Errorf("got %q after %s", got, took)
			}
		})
	})
	t.Run("half closed", func(t *testing.T) {
		w := newWholeWorld()
		w.beside.publish = wait
		conn, err := net.Dial("tcp", listen(t, w.server()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, goodPublish().String()); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, _ := closedAfter(conn); !strings.HasPrefix(got, "HTTP/1.1 504 ") {
			t.Errorf("got %q", got)
		}
	})
}

// Neither the server's write timeout nor the body's read timeout ends a wait for
// the log.
func TestASlowLogIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWholeWorld()
		w.beside.publish = func(ctx context.Context, _, _ string, _ []byte) (Published, error) {
			select {
			case <-ctx.Done():
				return Published{}, ctx.Err()
			case <-time.After(publishTimeout - time.Second):
				return Published{}, nil
			}
		}
		p := newPipes()
		serveUntilEnd(t, w.server(), p)
		conn := p.dial()
		defer conn.Close()
		if _, err := io.WriteString(conn, goodPublish().String()); err != nil {
			t.Fatal(err)
		}
		if got, took := closedAfter(conn); !strings.HasPrefix(got, "HTTP/1.1 202 ") || took != publishTimeout-time.Second {
			t.Errorf("got %q after %s", got, took)
		}
	})
}

func TestNothingIsReadOrDoneWithoutAKey(t *testing.T) {
	for name, values := range map[string][]string{
		"none": nil, "empty": {""}, "unknown": {"Bearer orgc_bad"}, "no token": {"Bearer"}, "spaces": {"Bearer   "}, "basic": {"Basic orgc_good"},
		"no scheme": {"orgc_good"}, "two": {"Bearer orgc_good", "Bearer orgc_good"}, "long": {"Bearer " + strings.Repeat("k", maxBearer+1)},
		"behind": {"Bearer orgc_good " + "x"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, a := newWholeWorld(), goodPublish()
			a.header["Authorization"], a.header["Cookie"] = values, []string{"session=good"}
			p := newPipes()
			serveUntilEnd(t, w.server(), p)
			conn := p.dial()
			defer conn.Close()
			if _, err := io.WriteString(conn, withBody(a, "Content-Length: 1000", "")); err != nil { // which never comes
				t.Fatal(err)
			}
			got, took := closedAfter(conn)
			if !strings.HasPrefix(got, "HTTP/1.1 401 ") || !strings.Contains(got, "\r\nWww-Authenticate: Bearer\r\n") || took > 2*linger {
				t.Errorf("%s: got %q after %s", name, got, took)
			}
			if calls := w.calls(); slices.Contains(calls, "publish") || slices.Contains(calls, "authenticate") {
				t.Errorf("%s: called %v", name, calls)
			}
		})
	}
}

func TestWhoShowsTooManyKeysThatAreNoneWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWholeWorld()
		s := w.server()
		bad := http.Header{"Authorization": {"Bearer orgc_bad"}}
		for i := range failureBurst {
			if got := w.call(s, "POST", "/api/realtime/events", bad); got.Code != 401 {
				t.Fatalf("failure %d: got %d", i, got.Code)
			}
		}
		checked := len(w.calls())
		for _, header := range []http.Header{bad, nil} { // a good key is not looked at either, or the answer would tell it
			if got := w.call(s, "POST", "/api/realtime/events", header); got.Code != 429 || got.Header().Get("Retry-After") == "" {
				t.Errorf("got %d", got.Code)
			}
		}
		if len(w.calls()) != checked {
			t.Error("a key was looked at")
		}
		time.Sleep(failureEvery)
		for range 2 * failureBurst { // what is right costs nothing
			if got := w.call(s, "POST", "/api/realtime/events", nil); got.Code != 202 {
				t.Fatalf("later: got %d", got.Code)
			}
		}
	})
}

func TestFailuresAreCountedByNetworkAndNotForProxies(t *testing.T) {
	s := New(Deps{}, Config{})
	for remote, want := range map[string]string{
		"203.0.113.7:1": "203.0.113.7", "[::ffff:203.0.113.7]:1": "203.0.113.7", "[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1:2::", "[2001:db8:1:2::9]:1": "2001:db8:1:2::",
		"127.0.0.1:1": "", "10.0.0.1:1": "", "[fd00::1]:1": "", "@": "",
	} {
		got, ok := s.failureAddress(&http.Request{RemoteAddr: remote})
		if ok != (want != "") || ok && got != netip.MustParseAddr(want) {
			t.Errorf("%s: got %s, %v", remote, got, ok)
		}
	}
}

func TestThoseWhoPublishAtOnceAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWholeWorld()
		s := w.server()
		release := make(chan struct{})
		w.beside.publish = func(context.Context, string, string, []byte) (Published, error) { <-release; return Published{}, nil }
		codes := make(chan int, maxPublishing)
		for range maxPublishing {
			go func() { codes <- w.call(s, "POST", "/api/realtime/events", nil).Code }()
		}
		synctest.Wait()
		if got := w.call(s, "POST", "/api/realtime/events", nil); got.Code != 503 || got.Body.String() != publishBusy.text {
			t.Errorf("one more: got %d %q", got.Code, got.Body)
		}
		close(release)
		for range maxPublishing {
			if code := <-codes; code != 202 {
				t.Errorf("got %d", code)
			}
		}
		if got := w.call(s, "POST", "/api/realtime/events", nil); got.Code != 202 {
			t.Errorf("afterwards: got %d", got.Code)
		}
	})
}

func TestIdempotencyKeysArePrintableASCII(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   *refusal
	}{
		{nil, nil}, {[]string{"k"}, nil}, {[]string{"a b~!"}, nil}, {[]string{strings.Repeat("k", 255)}, nil},
		{[]string{""}, idempotencyKeyRefused}, {[]string{strings.Repeat("k", 256)}, idempotencyKeyRefused}, {[]string{"a\tb"}, idempotencyKeyRefused},
		{[]string{"é"}, idempotencyKeyRefused}, {[]string{"a\x7f"}, idempotencyKeyRefused}, {[]string{"a", "a"}, idempotencyKeyRefused},
	} {
		if _, no := parseIdempotencyKey(c.values); no != c.want {
			t.Errorf("%q: got %+v", c.values, no)
		}
	}
}
