package e2e_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestStockPrismaURL: what stands in the application's .env, as Prisma writes
// it, is enough.
func TestStockPrismaURL(t *testing.T) {
	h := settled(t, 1)
	const prisma = "schema=public&connection_limit=5&pool_timeout=10&socket_timeout=5&statement_cache_size=0&sslaccept=accept_invalid_certs"
	for name, url := range map[string]string{
		"the role that setup makes": h.environ["ORGCAST_DATABASE_URL"],
		"the application's own":     h.URL,
	} {
		t.Run(name, func(t *testing.T) {
			environ := maps.Clone(h.environ)
			delete(environ, "ORGCAST_DATABASE_URL")
			url := strings.Replace(url, "postgres://", "postgresql://", 1)
			environ["DATABASE_URL"] = strings.Replace(url, "sslmode=disable", prisma, 1)
			environ["ORGCAST_SETUP_DATABASE_URL"] = strings.Replace(h.URL, "sslmode=disable", prisma, 1)
			if status, text := run(t, environ, "", "setup"); status != 0 {
				t.Fatalf("setup: status %d\n%s", status, text)
			}
			s := serve(t, environ, nil)
			s.ready(t)
			c, _ := open(t, s.address, "organizationId=org_1", h.cookie(t, "user_1"), "")
			h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id = 'property_1'`)
			if m := c.await(t, "property.update"); m.Payload.PropertyID != "property_1" {
				t.Errorf("the event is of %q", m.Payload.PropertyID)
			}
			s.terminate(t)
			if status := s.exit(t, 20*time.Second); status != 0 {
				t.Errorf("status %d", status)
			}
		})
	}
	t.Run("a pooler is refused with the cure", func(t *testing.T) {
		environ := maps.Clone(h.environ)
		delete(environ, "ORGCAST_DATABASE_URL")
		environ["DATABASE_URL"] = strings.Replace(h.URL, "sslmode=disable", "schema=public&pgbouncer=true", 1)
		status, text := run(t, environ, "", "serve")
		if status != 1 || !strings.Contains(text, "PgBouncer") || !strings.Contains(text, "Set ORGCAST_DATABASE_URL (or DIRECT_URL) to the database's own address.") {
			t.Errorf("status %d, %s", status, text)
		}
		environ["DIRECT_URL"] = h.environ["ORGCAST_DATABASE_URL"]
		s := serve(t, environ, nil) // as the error says
		s.ready(t)
	})
}

// TestSecondProcessWaitsForTheSlotAndTakesOver: the slot elects.
func TestSecondProcessWaitsForTheSlotAndTakesOver(t *testing.T) {
	h := settled(t, 1)
	cookie := h.cookie(t, "user_1")
	first := serve(t, h.environ, nil)
	first.ready(t)
	for _, end := range []struct {
		how string
		end func(*instance)
	}{
		{"SIGTERM", func(s *instance) {
			s.terminate(t)
			if status := s.exit(t, 20*time.Second); status != 0 {
				t.Errorf("status %d after SIGTERM", status)
			}
		}},
		{"kill -9", func(s *instance) { s.kill(t) }},
	} {
		c, ready := open(t, first.address, "organizationId=org_1", cookie, "")
		second := serve(t, h.environ, nil) // its own listeners and data
		until(t, time.Minute, func() string {
			why := second.readiness(t)
			holder := fmt.Sprintf("is read by the process with PID %d", walsender(t, h))
			if !strings.Contains(why, "orgcast_"+h.Name) || !strings.Contains(why, holder) {
				return fmt.Sprintf("/readyz does not say that the slot %s: %q", holder, why)
			}
			return ""
		})
		if status, body, err := get("http://" + second.address + "/readyz"); err != nil || status != http.StatusServiceUnavailable || body != "" {
			t.Errorf("the application's listener tells status %d, %q, %v", status, body, err)
		}
		if why := first.readiness(t); why != "" {
			t.Errorf("the first is disturbed: %s", why)
		}
		ended := time.Now()
		end.end(first)
		second.ready(t)
		t.Logf("after %s the second was live in %v", end.how, time.Since(ended).Round(time.Millisecond))
		c.Close()

		// Its log is new: what a cursor of the first means, it does not know.
		again, err := connect(within(t, time.Minute), second.address, "organizationId=org_1", cookie, ready.Cursor)
		if err != nil || again.StatusCode != http.StatusOK {
			t.Fatalf("resume at the second: %v", err)
		}
		reset := again.await(t, "reset")
		if reset.Reason != "epoch" {
			t.Errorf("reset %q, want epoch", reset.Reason)
		}
		again.await(t, "ready")
		h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id = 'property_1'`)
		again.await(t, "property.update")
		again.Close()
		first = second
	}
}

// walsender is the PID of who sends to the slot's reader.
func walsender(t testing.TB, h *house) (pid int) {
	t.Helper()
	err := h.Conn(t).QueryRow(t.Context(), `SELECT coalesce(max(active_pid), 0) FROM pg_replication_slots WHERE slot_name = $1`, "orgcast_"+h.Name).Scan(&pid)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestSameDataDirWaits is a rolling deploy: the new process starts before the
// old one ends, on the same data.
func TestSameDataDirWaits(t *testing.T) {
	h := settled(t, 1)
	cookie := h.cookie(t, "user_1")
	old := serve(t, h.environ, nil)
	old.ready(t)
	for _, how := range []string{"SIGTERM", "kill -9"} {
		c, ready := open(t, old.address, "organizationId=org_1", cookie, "")
		next := serve(t, h.environ, map[string]string{"ORGCAST_DATA_DIR": old.environ["ORGCAST_DATA_DIR"]})
		until(t, time.Minute, func() string {
			if why := next.readiness(t); !strings.Contains(why, "in use by another process") {
				return fmt.Sprintf("/readyz does not say that the log is in use: %q", why)
			}
			return ""
		})
		update := func(price int) {
			h.Exec(t, `UPDATE properties SET price = $1 WHERE id = 'property_1'`, price)
		}
		update(10)
		c.await(t, "property.update")
		update(11)
		second := c.await(t, "property.update")
		ended := time.Now()
		if how == "SIGTERM" {
			old.terminate(t)
			update(12)
			if status := old.exit(t, 20*time.Second); status != 0 {
				t.Errorf("status %d", status)
			}
		} else {
			old.kill(t)
			update(12)
		}
		update(13)
		next.ready(t)
		t.Logf("after %s the next was live in %v", how, time.Since(ended).Round(time.Millisecond))
		again, err := connect(within(t, time.Minute), next.address, "organizationId=org_1", cookie, second.ID)
		if err != nil || again.StatusCode != http.StatusOK {
			t.Fatalf("resume at the next: %v", err)
		}
		var seen []string
		for len(seen) < 3 {
			_, m, err := again.next()
			if err != nil {
				t.Fatalf("%v after %v", err, seen)
			}
			switch m.Type {
			case "connection":
			case "property.update":
				seen = append(seen, fmt.Sprint(m.Payload.Changes["price"].New))
			default:
				seen = append(seen, m.Type+m.Reason)
			}
		}
		if got := strings.Join(seen, " "); got != "12 13 ready" {
			t.Errorf("the resumed stream shows %q, want 12 13 ready: no gap, no reset", got)
		}
		if epoch, _, _ := strings.Cut(second.ID, "."); !strings.HasPrefix(ready.Cursor, epoch+".") {
			t.Errorf("the epoch changed")
		}
		again.Close()
		c.Close()
		old = next
	}
}

// TestShutdownTellsStreams: SIGTERM is an orderly end.
func TestShutdownTellsStreams(t *testing.T) {
	const streams = 12
	h := settled(t, 3)
	s := serve(t, h.environ, nil)
	s.ready(t)
	var told []*connection
	for i := range streams {
		n := 1 + i%3
		c, _ := open(t, s.address, "organizationId="+org(n), h.cookie(t, fmt.Sprintf("user_%d", n)), "")
		told = append(told, c)
	}
	conn := h.Conn(t)
	if _, active := slot(t, conn, h.Name); !active {
		t.Error("the slot is not active while the server runs")
	}
	begun := time.Now()
	s.terminate(t)
	for i, c := range told {
		m := c.await(t, "closing")
		if m.Reason != "shutdown" || m.Reconnect == nil || !*m.Reconnect || m.RetryMS == nil || *m.RetryMS < 1000 || *m.RetryMS > 4000 {
			t.Errorf("stream %d: closing %+v", i, m)
		}
		if _, _, err := c.next(); err == nil {
			t.Errorf("stream %d goes on after closing", i)
		}
	}
	after := time.Since(begun)
	until(t, 2*time.Second, func() string {
		if _, active := slot(t, conn, h.Name); active {
			return "the slot is active"
		}
		return ""
	})
	free := time.Since(begun)
	if status := s.exit(t, 20*time.Second); status != 0 {
		t.Errorf("status %d", status)
	}
	t.Logf("%d streams told after %v, slot free after %v, ended after %v", streams, after.Round(time.Millisecond), free.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
}
