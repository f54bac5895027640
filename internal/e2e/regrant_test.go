package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/oikion/orgcast/internal/pgtest"
)

// TestAnOldInsertGrantsNothing: through redelivery, a snapshot and all that a
// transaction may do, who was removed is out.
func TestAnOldInsertGrantsNothing(t *testing.T) {
	h := settled(t, 2)
	const users = 12
	for i := range users {
		h.user(t, fmt.Sprintf("late_%d", i))
	}
	s := serve(t, h.environ, map[string]string{"ORGCAST_HEARTBEAT": "1s"})
	s.ready(t)
	grant := func(i int) string {
		return fmt.Sprintf(`INSERT INTO organization_members (id, "userId", "organizationId") VALUES ('m_%d', 'late_%[1]d', 'org_1');`, i)
	}
	revoke := func(i int) string { return fmt.Sprintf(`DELETE FROM organization_members WHERE id = 'm_%d';`, i) }
	out := func(t *testing.T, when string, from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if got := s.status(t, h.cookie(t, fmt.Sprintf("late_%d", i)), "org_1"); got != http.StatusForbidden {
				t.Errorf("%s: late_%d, who was removed, is answered %d", when, i, got)
			}
		}
	}
	t.Run("stale-insert-no-regrant", func(t *testing.T) {
		h.script(t, `BEGIN;`+grant(0)+revoke(0)+`COMMIT`) // in one transaction
		h.script(t, grant(1))
		h.script(t, revoke(1))
		h.script(t, `BEGIN;`+grant(2)+`ROLLBACK; BEGIN; SAVEPOINT a;`+grant(2)+`ROLLBACK TO a; COMMIT`) // never was
		h.script(t, `BEGIN;`+grant(3)+`UPDATE organization_members SET "organizationId" = 'org_2' WHERE id = 'm_3'; COMMIT`)
		h.script(t, grant(4)+`BEGIN; UPDATE organization_members SET "userId" = 'user_2' WHERE id = 'm_4'; COMMIT`)
		h.script(t, grant(5))
		h.script(t, `BEGIN;`+revoke(5)+grant(5)+revoke(5)+`COMMIT`)
		h.script(t, grant(6)+`BEGIN; DELETE FROM users WHERE id = 'late_6'; COMMIT`) // by a cascade
		h.script(t, grant(7))
		h.script(t, `UPDATE organization_members SET id = 'm_7b' WHERE id = 'm_7'; BEGIN; DELETE FROM organization_members WHERE id = 'm_7b'; COMMIT`) // by another key
		const removed = 8
		h.script(t, grant(removed)) // who stays
		stays := s.listenAs(t, h, "late_8", "org_1")
		out(t, "live", 0, removed)

		// Both are killed: the slot forgets what was confirmed since the database's
		// last checkpoint.
		c := pgtest.Cluster(t)
		for range 3 {
			s.kill(t)
			if err := c.Stop(t.Context(), "immediate"); err != nil {
				t.Fatal(err)
			}
			s.start(t)
			if err := c.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			until(t, time.Minute, func() string {
				if status, _, err := get("http://" + s.address + "/healthz"); err != nil || status != http.StatusOK {
					return fmt.Sprint("healthz ", status, err)
				}
				return ""
			})
			out(t, "after a crash", 0, removed)
			s.ready(t)
			out(t, "after a crash, and ready", 0, removed)
		}
		if got := s.status(t, h.cookie(t, "late_8"), "org_1"); got != http.StatusOK {
			t.Errorf("who was not removed is answered %d", got)
		}

		// The slot is gone: a new one, and a snapshot. What lies below it, and what
		// was written while nobody read, is in the snapshot or nowhere.
		s.kill(t)
		h.script(t, grant(9))
		h.script(t, revoke(9))
		until(t, time.Minute, func() string {
			if _, active := slot(t, h.Conn(t), h.Name); active {
				return "the slot is still read"
			}
			return ""
		})
		h.script(t, `SELECT pg_drop_replication_slot('orgcast_`+h.Name+`')`)
		h.script(t, grant(10))
		s.start(t)
		h.script(t, revoke(10)) // before the snapshot or after it
		h.script(t, `BEGIN;`+grant(11)+`ROLLBACK`)
		s.ready(t)
		out(t, "after a new snapshot", 0, removed)
		out(t, "after a new snapshot", 9, 12)
		// Who comes back by right is in, from there on.
		h.script(t, grant(9))
		back, err := connect(within(t, time.Minute), s.address, "organizationId=org_1", h.cookie(t, "late_9"), stays.from)
		if err != nil || back.StatusCode != http.StatusOK {
			t.Fatalf("who was let in again is answered %+v, %v", back, err)
		}
		defer back.Close()
		if m := back.await(t, "reset"); m.Reason != "epoch" {
			t.Errorf("reset %s", m.Reason)
		}
	})
}
