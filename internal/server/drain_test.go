package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oikion/orgcast"
)

func TestADrainingServerAnswersAndEndsEveryConnection(t *testing.T) {
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/healthz", "HTTP/1.1 200 OK"},
		{"GET", "/readyz", "HTTP/1.1 503 Service Unavailable"},
		{"GET", "/api/realtime/stream", "HTTP/1.1 503 Service Unavailable"},
		{"OPTIONS", "/api/realtime/stream", "HTTP/1.1 204 No Content"},
		{"GET", "/other", "HTTP/1.1 404 Not Found"},
	} {
		w, a := newWorld(), goodAsk()
		a.method, a.path = c.method, c.path
		a.header.Del("Connection") // the server, not the client, ends it
		s := w.server()
		address := listen(t, s)
		s.Drain()
		got := strings.Split(send(t, address, a.String()), "\r\n")
		if got[0] != c.want || !slices.Contains(got, "Connection: close") {
			t.Errorf("%s %s: got %q", c.method, c.path, got)
		}
	}
}

// What was accepted before the stop is heard and answered, with the word that
// it is the last; net/http alone would drop a request that comes during it.
func TestShutdownLosesNoRequestOfAnAcceptedConnection(t *testing.T) {
	const request = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, c := range []struct {
		name string
		used bool // has had an answer before the stop
		late time.Duration
		// then the first half of a request, and after the gap the other
		gap time.Duration
	}{
		{"idle", true, tellIdle - time.Millisecond, 0},
		{"never heard", false, hearFresh - time.Millisecond, 0},
		{"half heard", false, tellIdle + time.Second, settleDown - time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, p := newWorld().server(), newPipes()
			served := make(chan error, 1)
			go func() { served <- s.Serve(p) }()
			conn := p.dial()
			defer conn.Close()
			reader := bufio.NewReader(conn)
			send := func(text string) {
				if _, err := io.WriteString(conn, text); err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
			}
			if c.used {
				send(request)
				if r, err := http.ReadResponse(reader, nil); err != nil || r.StatusCode != http.StatusOK || r.Close {
					t.Fatal(r, err)
				}
			}
			stopped := make(chan error, 1)
			go func() { stopped <- s.Shutdown(t.Context()) }()
			if err := <-served; err != nil {
				t.Fatalf("Serve returned %v", err)
			}
			time.Sleep(c.late)
			send(request[:len(request)/2])
			time.Sleep(c.gap)
			send(request[len(request)/2:])
			if r, err := http.ReadResponse(reader, nil); err != nil || r.StatusCode != http.StatusOK || !r.Close {
				t.Errorf("%s: got %v, %v", c.name, r, err)
			}
			if err := <-stopped; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestShutdownWaitsForStreamsAndCutsWhatStaysTooLong(t *testing.T) {
	for _, c := range []struct {
		name   string
		stays  time.Duration
		cut    bool
		within time.Duration
	}{
		{"ends by itself", 3 * time.Second, false, 4 * time.Second},
		{"stays", time.Hour, true, 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			var ended sync.WaitGroup
			w.serve = func(rw http.ResponseWriter, r *http.Request, _ []orgcast.Membership) {
				ended.Add(1)
				defer ended.Done()
				_, _ = io.WriteString(rw, "retry: 1000\n\n")
				_ = http.NewResponseController(rw).Flush()
				select {
				case <-time.After(c.stays):
				case <-r.Context().Done():
				}
			}
			s, p := w.server(), newPipes()
			served := make(chan error, 1)
			go func() { served <- s.Serve(p) }()
			conn := p.dial()
			defer conn.Close()
			if _, err := io.WriteString(conn, goodAsk().String()); err != nil {
				t.Fatal(err)
			}
			read := make(chan struct{})
			go func() { defer close(read); closedAfter(conn) }()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			begin := time.Now()
			err := s.Shutdown(ctx)
			if took := time.Since(begin); errors.Is(err, context.DeadlineExceeded) != c.cut || took > c.within {
				t.Errorf("%s: got %v after %s", c.name, err, took)
			}
			if err := <-served; err != nil {
				t.Error(err)
			}
			<-read
			ended.Wait()
		})
	}
}

func TestAServerThatWasShutDownServesNoMore(t *testing.T) {
	s, p := newWorld().server(), newPipes()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(p); err != nil {
		t.Error(err)
	}
	select {
	case <-p.done:
	default:
		t.Error("the listener is left open")
	}
}

func TestAListenerThatFailsIsAnErrorWithANextStep(t *testing.T) {
	p := newPipes()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := newWorld().server().Serve(p); err == nil || orgcast.Hint(err) == "" {
		t.Errorf("got %v, hint %q", err, orgcast.Hint(err))
	}
}
