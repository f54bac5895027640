package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// call is one request as the application's page makes it. body is JSON, or "".
func call(ctx context.Context, method, url, cookie, body string) (status int, text string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(data), err
}

// must is a call that has to be answered so.
func must(t testing.TB, status int, method, url, cookie, body string) string {
	t.Helper()
	got, text, err := call(within(t, time.Minute), method, url, cookie, body)
	if err != nil || got != status {
		t.Fatalf("%s %s: status %d %s, %v, want %d", method, url, got, text, err, status)
	}
	return text
}

// position asks for a cursor.
func (s *instance) position(t testing.TB, query, cookie string) string {
	t.Helper()
	var answer struct{ Cursor string }
	text := must(t, http.StatusOK, http.MethodGet, "http://"+s.address+"/api/realtime/cursor?"+query, cookie, "")
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Cursor == "" {
		t.Fatalf("cursor: %s, %v", text, err)
	}
	return answer.Cursor
}

// page is an answer with events.
type page struct {
	Events []message
	Cursor string
	Reset  *string
}

func (s *instance) page(ctx context.Context, query, cookie string) (page, error) {
	var p page
	status, text, err := call(ctx, http.MethodGet, "http://"+s.address+"/api/realtime/events?"+query, cookie, "")
	if err != nil {
		return p, err
	}
	if status != http.StatusOK {
		return p, fmt.Errorf("status %d %s", status, text)
	}
	return p, json.Unmarshal([]byte(text), &p)
}

// write commits transactions of one to four changes, to the properties and notes
// of organizations 1 to n, until ctx ends.
func write(ctx context.Context, t testing.TB, conn *pgx.Conn, n int, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	for i := 0; ctx.Err() == nil; i++ {
		var sql strings.Builder
		sql.WriteString("BEGIN;")
		for k := range 1 + r.IntN(4) {
			o := 1 + r.IntN(n)
			switch r.IntN(3) {
			case 0:
				fmt.Fprintf(&sql, `UPDATE properties SET price = price + 1 WHERE id = 'property_%d';`, o)
			case 1:
				fmt.Fprintf(&sql, `INSERT INTO properties (id, price, "organizationId", "createdBy", "propertyType", status, "transactionType")
					VALUES ('p_%d_%d_%d', 1, 'org_%d', 'user_%d', 'HOUSE', 'AVAILABLE', 'SALE');`, seed, i, k, o, o)
			default:
				fmt.Fprintf(&sql, `INSERT INTO notes (id, content, "clientId", "createdBy") VALUES ('n_%d_%d_%d', 'text', 'client_%d', 'user_%d');`, seed, i, k, o, o)
			}
		}
		sql.WriteString("COMMIT")
		if _, err := conn.PgConn().Exec(context.WithoutCancel(ctx), sql.String()).ReadAll(); err != nil {
			t.Errorf("write: %v", err)
			return
		}
		pause(ctx, time.Duration(r.IntN(4))*time.Millisecond)
	}
}

// writing writes until the returned function is called.
func (h *house) writing(t testing.TB, n int, seed uint64) (stop func()) {
	t.Helper()
	conn := h.Conn(t)
	ctx, cancel := context.WithCancel(within(t, 2*time.Minute))
	var writer sync.WaitGroup
	writer.Go(func() { write(ctx, t, conn, n, seed) })
	stop = sync.OnceFunc(func() {
		cancel()
		writer.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// mark is the last thing that is written: a property of each organization.
func (h *house) mark(t testing.TB, organizations ...int) {
	t.Helper()
	for _, o := range organizations {
		h.Exec(t, `INSERT INTO properties (id, price, "organizationId", "createdBy", "propertyType", status, "transactionType")
			VALUES ($1, 1, $2, $3, 'HOUSE', 'AVAILABLE', 'SALE')`, fmt.Sprintf("mark_%d", o), org(o), fmt.Sprintf("user_%d", o))
	}
}

// upTo reads a stream up to the mark of an organization.
func (c *connection) upTo(t testing.TB, organization int) (all []message) {
	t.Helper()
	for {
		b, m, err := c.next()
		if err != nil {
			t.Fatalf("read up to the mark: %v after %d events", err, len(all))
		}
		switch m.Type {
		case "connection", "ready", "status":
		case "reset", "closing":
			t.Fatalf("%s %s after %d events", m.Type, m.Reason, len(all))
		default:
			if m.ID != b.id {
				t.Fatalf("id %q, in the event %q", b.id, m.ID)
			}
			all = append(all, m)
			if m.Payload.PropertyID == fmt.Sprintf("mark_%d", organization) {
				return all
			}
		}
	}
}

func ids(messages []message) []string {
	all := make([]string, len(messages))
	for i, m := range messages {
		all[i] = m.ID
	}
	return all
}

// sameIDs says the first difference.
func sameIDs(t testing.TB, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%s: %d events, want %d; the first difference is at %d: %q, want %q", what, len(got), len(want), i, got[i:min(i+2, len(got))], want[i:min(i+2, len(want))])
		}
	}
}
