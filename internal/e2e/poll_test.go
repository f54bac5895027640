package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// TestALongPollSeesExactlyWhatTheStreamSees: page by page, of any size, a client
// that polls gets the events that a stream with the same filters gets.
func TestALongPollSeesExactlyWhatTheStreamSees(t *testing.T) {
	h := settled(t, 3)
	h.member(t, "user_1", "org_2")
	s := serve(t, h.environ, nil)
	s.ready(t)
	cookie := h.cookie(t, "user_1")
	const both = "organizationId=org_1&organizationId=org_2"
	cursor := s.position(t, both, cookie)
	queries := []string{"organizationId=org_1", both, both + "&channel=property", both + "&type=data.sync&type=property.update", "organizationId=org_2"}
	polled := make([][]string, len(queries))
	ctx := within(t, 2*time.Minute)
	stop := h.writing(t, 3, 2)
	var polling sync.WaitGroup
	for i, query := range queries {
		last := "mark_2"
		if i == 0 {
			last = "mark_1"
		}
		polling.Go(func() {
			r := rand.New(rand.NewPCG(4, uint64(i)))
			for after := cursor; ; {
				limit := []int{1, 2, 7, 100, 1000}[r.IntN(5)]
				p, err := s.page(ctx, fmt.Sprintf("%s&after=%s&limit=%d&wait=%d", query, after, limit, r.IntN(3)), cookie)
				if err != nil || p.Reset != nil || len(p.Events) > limit {
					t.Errorf("%s after %s: %d events of %d, reset %v, %v", query, after, len(p.Events), limit, p.Reset, err)
					return
				}
				after = p.Cursor
				for _, m := range p.Events {
					polled[i] = append(polled[i], m.ID)
					if m.Payload.PropertyID == last {
						return
					}
				}
			}
		})
	}
	conn := h.Conn(t)
	until(t, time.Minute, func() string {
		var notes int
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM notes`).Scan(&notes); err != nil || notes < 100 {
			return fmt.Sprintf("%d notes, %v", notes, err)
		}
		return ""
	})
	stop()
	h.mark(t, 3, 1, 2)
	polling.Wait()
	for i, query := range queries {
		stream, err := connect(ctx, s.address, query, cookie, cursor)
		if err != nil {
			t.Fatal(err)
		}
		last := 2
		if i == 0 {
			last = 1
		}
		want := ids(stream.upTo(t, last))
		stream.Close()
		sameIDs(t, query, polled[i], want)
		if len(want) < 50 {
			t.Errorf("%s: only %d events", query, len(want))
		}
	}

	// What can't be resumed is said, with the place to go on from.
	for after, reason := range map[string]string{"nonsense": "malformed", "1.1.0": "epoch"} {
		p, err := s.page(ctx, both+"&wait=20&after="+after, cookie)
		if err != nil || p.Reset == nil || *p.Reset != reason || len(p.Events) != 0 {
			t.Errorf("after %s: %+v, %v", after, p, err)
			continue
		}
		if q, err := s.page(ctx, both+"&after="+p.Cursor, cookie); err != nil || q.Reset != nil {
			t.Errorf("on from %s: %+v, %v", p.Cursor, q, err)
		}
	}
	c, err := orgcast.ParseCursor(cursor)
	if err != nil {
		t.Fatal(err)
	}
	c.LSN += 1 << 40
	if p, err := s.page(ctx, both+"&after="+c.String(), cookie); err != nil || p.Reset == nil || *p.Reset != "ahead" {
		t.Errorf("ahead of the database: %+v, %v", p, err)
	}
	// A page is for members: who leaves while he waits is told nothing more.
	left := make(chan string, 1)
	go func() {
		status, text, err := call(ctx, http.MethodGet, "http://"+s.address+"/api/realtime/events?organizationId=org_2&wait=25", cookie, "")
		left <- fmt.Sprint(status, " ", text, " ", err)
	}()
	until(t, 30*time.Second, func() string {
		if n := s.stats(t).ActiveConnections; n != 1 {
			return fmt.Sprintf("%d connections", n)
		}
		return ""
	})
	h.Exec(t, `DELETE FROM organization_members WHERE id = 'user_1@org_2'`)
	if got, want := <-left, "403 Forbidden: No access to this organization <nil>"; got != want {
		t.Errorf("a page of who left: %s, want %s", got, want)
	}
}
