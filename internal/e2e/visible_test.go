package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestNoEventComesBeforeItsCommitIsSeen: the synchronous standby is not there, so
// that a commit is in the WAL and nobody sees it. With ORGCAST_DISPATCH=visible its
// event waits, and all that come after it; without, it is out before its row.
func TestNoEventComesBeforeItsCommitIsSeen(t *testing.T) {
	t.Parallel()
	h, c := ownHouse(t)
	h.fill(t, 1)
	h.setUp(t)
	early := serve(t, h.environ, map[string]string{"ORGCAST_SLOT": "early"})
	late := serve(t, h.environ, map[string]string{"ORGCAST_SLOT": "late", "ORGCAST_DISPATCH": "visible"})
	early.ready(t)
	late.ready(t)
	at := func(s *instance) *connection {
		t.Helper()
		stream, _ := open(t, s.address, "organizationId=org_1", h.cookie(t, "user_1"), "")
		return stream
	}
	ctx := within(t, time.Minute)
	seen := func(look *pgx.Conn, id string) (n int) {
		if err := look.QueryRow(ctx, `SELECT count(*) FROM properties WHERE id = $1`, id).Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	// Each event's row is looked for as soon as it is heard of.
	type heard struct {
		id   string
		rows int
	}
	hear := func(stream *connection) chan heard {
		look, out := h.Conn(t), make(chan heard, 100)
		go func() {
			defer close(out)
			for {
				_, m, err := stream.next()
				if err != nil {
					return
				}
				if m.Type == "property.update" {
					out <- heard{m.Payload.PropertyID, seen(look, m.Payload.PropertyID)}
				}
			}
		}()
		return out
	}
	earlyEvents, lateEvents := hear(at(early)), hear(at(late))
	insert := func(id, commit string) error {
		conn, err := pgx.Connect(ctx, h.URL)
		if err != nil {
			return err
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(ctx, "SET synchronous_commit = "+commit); err != nil {
			return err
		}
		_, err = conn.Exec(ctx, `INSERT INTO properties (id, price, "organizationId", "createdBy", "propertyType", status, "transactionType")
			VALUES ($1, 1, 'org_1', 'user_1', 'HOUSE', 'AVAILABLE', 'SALE')`, id)
		return err
	}
	next := func(events chan heard, id string) int {
		t.Helper()
		got := <-events
		if got.id != id {
			t.Fatalf("heard of %q, want %q", got.id, id)
		}
		return got.rows
	}
	for i := range 20 {
		id := fmt.Sprint("before-", i)
		if err := insert(id, "on"); err != nil {
			t.Fatal(err)
		}
		next(earlyEvents, id) // an instant before its row is seen, perhaps
		if next(lateEvents, id) != 1 {
			t.Errorf("the event of %q came before its row", id)
		}
	}

	set(t, c, "synchronous_standby_names", "nobody")
	var writing sync.WaitGroup
	defer writing.Wait()
	var waited, local error
	writing.Go(func() { waited = insert("waits", "on") })
	if next(earlyEvents, "waits") != 0 {
		t.Fatal("the commit does not wait: the test shows nothing")
	}
	// What does not wait, and is seen at once, comes after it in the WAL.
	if local = insert("does-not-wait", "local"); local != nil {
		t.Fatal(local)
	}
	next(earlyEvents, "does-not-wait")
	if seen(h.Conn(t), "does-not-wait") != 1 {
		t.Error("a local commit waits")
	}
	held := func() {
		t.Helper()
		until(t, shortly, func() string {
			if d := late.metric(t, "orgcast_visible_wait_seconds"); d < 1 {
				return fmt.Sprintf("it has been held back for %v s", d)
			}
			return ""
		})
	}
	held()
	// Nobody can tell any more what is visible: that is no licence.
	h.script(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'orgcast visible'")
	until(t, shortly, func() string {
		if strings.Count(late.out.String(), "msg=streaming") < 2 {
			return "the feed was not begun anew"
		}
		return ""
	})
	held()
	if n := seen(h.Conn(t), "waits"); n != 0 || len(lateEvents) != 0 {
		t.Fatalf("%d rows, %d events: want neither", n, len(lateEvents))
	}

	set(t, c, "synchronous_standby_names", "")
	writing.Wait()
	if waited != nil {
		t.Fatal(waited)
	}
	for _, id := range []string{"waits", "does-not-wait"} {
		if next(lateEvents, id) != 1 {
			t.Errorf("the event of %q came before its row", id)
		}
	}
	late.ready(t)
	if d := late.metric(t, "orgcast_visible_wait_seconds"); d != 0 {
		t.Errorf("it is still held back for %v s", d)
	}
}
