package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oikion/orgcast"
)

func TestAPageIsWrittenToTheByte(t *testing.T) {
	at := orgcast.Cursor{Epoch: 723, LSN: 35, Index: 8}
	for _, c := range []struct {
		page Page
		want string
	}{
		{Page{Cursor: at}, `{"events":[],"cursor":"k3.z.8","reset":null}`},
		{Page{Events: [][]byte{[]byte(`{"id":"k3.z.0"}`)}, Cursor: at}, `{"events":[{"id":"k3.z.0"}],"cursor":"k3.z.8","reset":null}`},
		{Page{Events: [][]byte{[]byte(`{"a":1}`), []byte(`{"b":2}`), []byte(`{}`)}, Cursor: at}, `{"events":[{"a":1},{"b":2},{}],"cursor":"k3.z.8","reset":null}`},
		{Page{Cursor: at, Reset: orgcast.ResetTooOld}, `{"events":[],"cursor":"k3.z.8","reset":"too_old"}`},
		{Page{Events: [][]byte{[]byte(`{}`)}, Cursor: at, Reset: orgcast.ResetMoved}, `{"events":[{}],"cursor":"k3.z.8","reset":"moved"}`},
	} {
		w := newWholeWorld()
		w.page = func(context.Context, StreamRequest, []orgcast.Membership, PageRequest) (Page, error) {
			return c.page, nil
		}
		got := send(t, listen(t, w.server()), goodPage().String())
		if head, body, _ := strings.Cut(got, "\r\n\r\n"); !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n") || body != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestWhatIsAskedForReachesThePage(t *testing.T) {
	w, a := newWholeWorld(), goodPage()
	a.query = map[string][]string{
		"organizationId": {"org_b", "org_a"}, "channel": {"property", ""}, "type": {"property.update"},
		"after": {"k3.2.8"}, "limit": {"7"}, "wait": {"25"}, "lastEventId": {"k3.9.9"},
	}
	a.header["Last-Event-ID"] = []string{"k3.9.9"} // a stream's
	var asked StreamRequest
	var members []orgcast.Membership
	var want PageRequest
	w.page = func(_ context.Context, q StreamRequest, m []orgcast.Membership, p PageRequest) (Page, error) {
		asked, members, want = q, m, p
		return Page{}, nil
	}
	send(t, listen(t, w.server()), a.String())
	if asked.Principal.User != "user_a" || !slices.Equal(asked.Organizations, []orgcast.OrganizationID{"org_b", "org_a"}) || asked.Filter.ChannelLabel() != "property" {
		t.Errorf("got %+v", asked)
	}
	if after := (Resume{Cursor: orgcast.Cursor{Epoch: 723, LSN: 2, Index: 8}, Present: true}); asked.Resume != after {
		t.Errorf("got resume %+v", asked.Resume)
	}
	if len(members) != 2 || members[0].Organization != "org_b" || want != (PageRequest{7, 4 << 20, 25 * time.Second}) {
		t.Errorf("got %+v, %+v", members, want)
	}
}

func TestAPagesBoundsAreReadAsTheContractSays(t *testing.T) {
	for _, c := range []struct {
		query string
		no    *refusal
		limit int
		wait  time.Duration
		after Resume
	}{
		{"", nil, 100, 0, Resume{}},
		{"&limit=&wait=&after=", nil, 100, 0, Resume{}},
		{"&limit=1&wait=0", nil, 1, 0, Resume{}},
		{"&limit=1000&wait=25", nil, 1000, 25 * time.Second, Resume{}},
		{"&after=nonsense", nil, 100, 0, Resume{Present: true, Malformed: true}},
		{"&after=K3.1.0", nil, 100, 0, Resume{Present: true, Malformed: true}},
		{"&after=1.1.0", nil, 100, 0, Resume{Cursor: orgcast.Cursor{Epoch: 1, LSN: 1}, Present: true}},
		{"&limit=0", pageLimit, 0, 0, Resume{}},
		{"&limit=1001", pageLimit, 0, 0, Resume{}},
		{"&limit=-1", pageLimit, 0, 0, Resume{}},
		{"&limit=%2B1", pageLimit, 0, 0, Resume{}},
		{"&limit=1e2", pageLimit, 0, 0, Resume{}},
		{"&limit=0x10", pageLimit, 0, 0, Resume{}},
		{"&limit=4294967297", pageLimit, 0, 0, Resume{}},
		{"&wait=26", pageWait, 0, 0, Resume{}},
		{"&wait=1.5", pageWait, 0, 0, Resume{}},
		{"&wait=5s", pageWait, 0, 0, Resume{}},
		{"&wait=99999999999999999999", pageWait, 0, 0, Resume{}},
	} {
		asked, want, no := parsePage("organizationId=a" + c.query)
		if no != c.no || no == nil && (want != PageRequest{c.limit, maxPageBytes, c.wait} || asked.Resume != c.after) {
			t.Errorf("%q: got %+v, %+v, refusal %+v", c.query, asked, want, no)
		}
	}
}

// count is how many connections carry no stream.
func (c *conns) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}

// poll waits, as the hub does, for an event that comes after the given time.
func poll(event time.Duration) func(context.Context, StreamRequest, []orgcast.Membership, PageRequest) (Page, error) {
	return func(ctx context.Context, _ StreamRequest, _ []orgcast.Membership, want PageRequest) (Page, error) {
		select {
		case <-ctx.Done():
			return Page{}, ctx.Err()
		case <-time.After(want.Wait):
			return Page{}, nil
		case <-time.After(event):
			return Page{Events: [][]byte{[]byte(`{"secret":1}`)}}, nil
		}
	}
}

func TestALongPollEndsAsItShould(t *testing.T) {
	const never = time.Hour
	for _, c := range []struct {
		name    string
		wait    string
		event   time.Duration
		expires time.Duration
		during  func(w *world, s *Server)
		took    time.Duration
		code    int
		body    string
		reasons []Reason
	}{
		{"nothing comes", "25", never, 0, nil, 25 * time.Second, 200, `{"events":[],"cursor":"0.0.0","reset":null}`, nil},
		{"an event comes", "25", 7 * time.Second, 0, nil, 7 * time.Second, 200, `{"events":[{"secret":1}],"cursor":"0.0.0","reset":null}`, nil},
		{"no wait", "0", never, 0, nil, 0, 200, `{"events":[],"cursor":"0.0.0","reset":null}`, nil},
		{"the session ends", "25", never, 6 * time.Second, nil, 6 * time.Second, 200, `{"events":[],"cursor":"0.0.0","reset":null}`, nil},
		{"the server stops", "25", never, 0, func(_ *world, s *Server) { s.Drain() }, 5 * time.Second, 503, draining.text, []Reason{ReasonDraining}},
		{"the user is removed", "25", 7 * time.Second, 0, func(w *world, _ *Server) { w.members["org_a"] = false }, 7 * time.Second, 403, notMember.text, []Reason{ReasonNotMember}},
		{"the user is removed and comes back", "25", 7 * time.Second, 0, func(w *world, _ *Server) { w.since = 9 }, 7 * time.Second, 503, unconfirmed.text, []Reason{ReasonUnconfirmed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, a := newWholeWorld(), goodPage()
				w.page = poll(c.event)
				if c.expires > 0 {
					w.expires = time.Now().Add(c.expires)
				}
				a.query.Set("wait", c.wait)
				a.header.Del("Connection")
				s, p := w.server(), newPipes()
				serveUntilEnd(t, s, p)
				conn := p.dial()
				defer conn.Close()
				begin := time.Now()
				if _, err := io.WriteString(conn, a.String()); err != nil {
					t.Fatal(err)
				}
				if c.during != nil {
					time.AfterFunc(5*time.Second, func() {
						w.mu.Lock()
						defer w.mu.Unlock()
						c.during(w, s)
					})
				}
				if c.took > 5*time.Second {
					time.Sleep(5 * time.Second)
					synctest.Wait()
					if w.open() != 3 || s.conns.count() != 0 {
						t.Errorf("a poll that waits holds %d places and counts as %d connections without a stream", w.open(), s.conns.count())
					}
				}
				r, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(r.Body)
				if err != nil || r.StatusCode != c.code || string(body) != c.body || time.Since(begin) != c.took {
					t.Errorf("got %d %q, %v after %s", r.StatusCode, body, err, time.Since(begin))
				}
				kept := 1 // connections
				if s.draining() {
					kept = 0
				}
				if r.Close != s.draining() {
					t.Errorf("Connection: close is %v", r.Close)
				}
				synctest.Wait()
				if !slices.Equal(w.reasons(), c.reasons) || w.open() != 0 || s.conns.count() != kept {
					t.Errorf("counted %v, %d places held, %d connections", w.reasons(), w.open(), s.conns.count())
				}
			})
		})
	}
}

func TestWhoLeavesALongPollIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a := newWholeWorld(), goodPage()
		w.page = poll(time.Hour)
		a.query.Set("wait", "25")
		s, p := w.server(), newPipes()
		serveUntilEnd(t, s, p)
		conn := p.dial()
		if _, err := io.WriteString(conn, a.String()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if w.open() != 0 || !slices.Equal(w.reasons(), []Reason{ReasonClientGone}) || s.conns.count() != 0 {
			t.Errorf("%d places held, counted %v, %d connections", w.open(), w.reasons(), s.conns.count())
		}
	})
}

// A page that is never ready costs no more than its time.
func TestAPageThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWholeWorld()
		w.page = func(ctx context.Context, _ StreamRequest, _ []orgcast.Membership, _ PageRequest) (Page, error) {
			<-ctx.Done()
			return Page{}, ctx.Err()
		}
		p := newPipes()
		serveUntilEnd(t, w.server(), p)
		conn := p.dial()
		defer conn.Close()
		if _, err := io.WriteString(conn, goodPage().String()); err != nil {
			t.Fatal(err)
		}
		if got, took := closedAfter(conn); !strings.HasPrefix(got, "HTTP/1.1 503 ") || took != pageSlack {
			t.Errorf("got %q after %s", got, took)
		}
		if f := w.failures(); len(f) != 1 || !errors.Is(f[0], context.DeadlineExceeded) {
			t.Errorf("the operator was told %v", f)
		}
	})
}

func TestALargePageArrivesWhole(t *testing.T) {
	w := newWholeWorld()
	event := []byte(`{"x":"` + strings.Repeat("x", 4<<10) + `"}`)
	w.page = func(context.Context, StreamRequest, []orgcast.Membership, PageRequest) (Page, error) {
		return Page{Events: slices.Repeat([][]byte{event}, 1000)}, nil
	}
	_, body, _ := strings.Cut(send(t, listen(t, w.server()), goodPage().String()), "\r\n\r\n")
	if want := `{"events":[` + strings.Repeat(string(event)+",", 999) + string(event) + `],"cursor":"0.0.0","reset":null}`; body != want {
		t.Errorf("got %d bytes, want %d", len(body), len(want))
	}
}

// Whatever comes, what is taken is within its bounds.
func FuzzParsePage(f *testing.F) {
	f.Add("organizationId=a&after=1.1.0&limit=10&wait=5")
	f.Add("organizationId=a&limit=+1&wait=%30")
	f.Add("organizationId=a&organizationId=b&channel=user&type=data.sync&limit=00001")
	f.Fuzz(func(t *testing.T, query string) {
		asked, want, no := parsePage(query)
		if no != nil {
			if no.status != http.StatusBadRequest || no.text == "" || !slices.Contains(Reasons(), no.reason) {
				t.Fatalf("refused with %+v", no)
			}
			return
		}
		if want.Limit < 1 || want.Limit > MaxPageEvents || want.Wait < 0 || want.Wait > MaxPageWait || want.MaxBytes != maxPageBytes {
			t.Fatalf("%q: got %+v", query, want)
		}
		if n := len(asked.Organizations); n < 1 || n > MaxOrganizations {
			t.Fatalf("%d organizations", n)
		}
	})
}
