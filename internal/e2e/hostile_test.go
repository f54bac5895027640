package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestStrangersCostLittleAndShutNobodyOut: what is done for who has not shown a
// session is bounded, and members don't notice.
func TestStrangersCostLittleAndShutNobodyOut(t *testing.T) {
	h := settled(t, 1)
	t.Run("anonymous-connect-storm", func(t *testing.T) {
		s := serve(t, h.environ, map[string]string{"ORGCAST_MAX_CONNECTS_PER_SECOND": "20", "ORGCAST_MAX_STREAMS_PER_USER": "100"})
		s.ready(t)
		storm(t, h, s)
	})
	t.Run("slow-header-body", func(t *testing.T) {
		s := serve(t, h.environ, nil)
		s.ready(t)
		slowly(t, h, s)
	})
}

// storm is more connects than are let in, without a session or with one that is
// none, and connections that say nothing, while members come and events flow.
func storm(t *testing.T, h *house, s *instance) {
	const silent, strangers, members = 400, 16, 30
	cookie := h.cookie(t, "user_1")
	watcher, _ := open(t, s.address, "organizationId=org_1", cookie, "")
	memory := func() float64 {
		return s.count(t, "go_memstats_heap_inuse_bytes") + s.count(t, "go_memstats_stack_inuse_bytes")
	}
	before := memory()
	for range silent {
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	ctx, cancel := context.WithCancel(within(t, 2*time.Minute))
	var answers [600]atomic.Int64
	var storming sync.WaitGroup
	defer storming.Wait()
	defer cancel()
	name, _, _ := strings.Cut(cookie, "=")
	for i := range strangers {
		storming.Go(func() {
			forged := ""
			if i%2 == 1 {
				forged = name + "=eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIn0..AAAAAAAAAAAAAAAAAAAAAA." + strings.Repeat("A", 300) + "." + strings.Repeat("A", 43)
			}
			for ctx.Err() == nil {
				c, err := connect(ctx, s.address, "organizationId=org_1", forged, "")
				if err != nil {
					continue
				}
				answers[c.StatusCode].Add(1)
				c.Close()
			}
		})
	}
	// The storm is there when connects are refused.
	until(t, time.Minute, func() string {
		if answers[http.StatusServiceUnavailable].Load() == 0 {
			return "no connect is refused"
		}
		return ""
	})
	slowest := time.Duration(0)
	for i := range members {
		begun := time.Now()
		c, err := connect(within(t, 2*time.Minute), s.address, "organizationId=org_1", cookie, "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if c.StatusCode != http.StatusOK {
			t.Fatalf("member %d: status %d", i, c.StatusCode)
		}
		c.await(t, "ready")
		h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id = 'property_1'`)
		watcher.await(t, "property.update")
		slowest = max(slowest, time.Since(begun))
		pause(ctx, 100*time.Millisecond)
	}
	if slowest > 15*time.Second {
		t.Errorf("a member waited for %v", slowest)
	}
	during := memory()
	cancel()
	storming.Wait()
	t.Logf("%d refused, %d without a session; a member waited at most %v; memory %.1f MiB, then %.1f MiB",
		answers[503].Load(), answers[401].Load(), slowest, before/(1<<20), during/(1<<20))
	if during-before > 64<<20 {
		t.Errorf("the storm takes %.0f MiB", (during-before)/(1<<20))
	}
	if answers[401].Load() == 0 {
		t.Error("nobody was told that he has no session")
	}
	for status := range answers {
		if n := answers[status].Load(); n > 0 && status != 401 && status != 503 {
			t.Errorf("%d strangers got %d", n, status)
		}
	}
	if n := s.count(t, `orgcast_requests_refused_total{reason="connect_rate"}`); n < float64(answers[503].Load()) {
		t.Errorf("%v refusals are counted of %d", n, answers[503].Load())
	}
	until(t, 30*time.Second, func() string {
		if n := s.count(t, "orgcast_streams_open"); n != 1+members {
			return fmt.Sprint(n, " streams are open")
		}
		return ""
	})
}

// slowly sends a header, and a body, byte by byte.
func slowly(t *testing.T, h *house, s *instance) {
	cookie := h.cookie(t, "user_1")
	watcher, err := connect(within(t, 2*time.Minute), s.address, "organizationId=org_1", cookie, "")
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Close()
	b, _, err := watcher.next()
	if err != nil {
		t.Fatal(err)
	}
	_, id, _ := strings.Cut(b.data, `"connectionId":"`)
	id, _, _ = strings.Cut(id, `"`)
	watcher.await(t, "ready")
	var slow sync.WaitGroup
	defer slow.Wait()
	for _, c := range []struct {
		name, once string
		bound      time.Duration
		want       string // of the answer
	}{
		{"header", "GET /api/realtime/stream?organizationId=org_1 HTTP/1.1\r\nHost: a\r\nX-", 5 * time.Second, ""},
		{"body", "PUT /api/realtime/stream?connectionId=" + id + " HTTP/1.1\r\nHost: a\r\nCookie: " + cookie +
			"\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", 10 * time.Second, "408 Request Timeout"},
		{"body of a stranger", "PUT /api/realtime/stream?connectionId=" + id + " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", time.Second, "401 Unauthorized"},
	} {
		slow.Go(func() {
			if err := drip(within(t, time.Minute), s.address, c.once, c.bound, c.want); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		})
	}
	slow.Wait()
	h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id = 'property_1'`)
	watcher.await(t, "property.update")
	if n := s.count(t, `orgcast_requests_refused_total{reason="body_slow"}`); n != 1 {
		t.Errorf("%v slow bodies are counted", n)
	}
}

// drip sends a beginning at once and the rest byte by byte, until the server has
// had enough.
func drip(ctx context.Context, address, begin string, bound time.Duration, want string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	context.AfterFunc(ctx, func() { c.Close() })
	begun := time.Now()
	if _, err := io.WriteString(c, begin); err != nil {
		return err
	}
	over := make(chan struct{})
	var dripping sync.WaitGroup
	defer dripping.Wait()
	defer close(over)
	dripping.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(200 * time.Millisecond):
				_, _ = io.WriteString(c, "x") // that it fails is what is waited for, by the reader
			}
		}
	})
	answer := ""
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		answer += line
		if err == nil {
			continue
		}
		took := time.Since(begun)
		// A reset is an end, too: what was not read of the drops makes it one.
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("it goes on after %v", took)
		}
		if took > bound+10*time.Second || !strings.Contains(answer, want) {
			return fmt.Errorf("cut after %v (bound %v) with %q, want %q", took, bound, answer, want)
		}
		return nil
	}
}
