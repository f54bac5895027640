package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// TestADeletedOrganizationTakesItsPartOfTheLog, once its members were told, and before
// anybody is let in again under its id. The neighbour, whose id begins like it,
// misses nothing.
func TestADeletedOrganizationTakesItsPartOfTheLog(t *testing.T) {
	t.Parallel()
	h := settled(t, 12)
	s := serve(t, h.environ, nil)
	s.ready(t)
	mine, other := s.listenAs(t, h, "user_1", org(1)), s.listenAs(t, h, "user_12", org(12))
	for i := range 20 {
		h.property(t, fmt.Sprint("old_", i), org(1), "of the old one")
		h.property(t, fmt.Sprint("kept_", i), org(12), "of the neighbour")
	}
	h.script(t, `DELETE FROM organizations WHERE id = 'org_1'`)
	all, closing := mine.live.ends(t)
	if closing.Reason != "membership_revoked" || len(all) < 21 {
		t.Errorf("who is removed is told %q after %d messages", closing.Reason, len(all))
	}
	until(t, 20*time.Second, func() string {
		if waits, floors := s.metric(t, "orgcast_log_purges_waiting"), s.metric(t, "orgcast_log_floors"); waits != 1 || floors != 1 {
			return fmt.Sprintf("%v organizations wait, %v have a floor", waits, floors)
		}
		return ""
	})
	h.script(t, `INSERT INTO organizations (id, name) VALUES ('org_1', 'Another')`)
	h.member(t, "user_1", org(1))
	until(t, 20*time.Second, func() string {
		if got := s.status(t, mine.cookie, org(1)); got != http.StatusOK {
			return fmt.Sprint("the new one's member is answered ", got)
		}
		return ""
	})
	again := func(when string) {
		t.Helper()
		c, _ := open(t, s.address, mine.query, mine.cookie, "")
		defer c.Close()
		old, err := connect(within(t, time.Minute), s.address, mine.query, mine.cookie, mine.from)
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		if m := old.await(t, "reset"); m.Reason != "too_old" {
			t.Errorf("%s: an old cursor: %s", when, m.Reason)
		}
	}
	again("at once")
	for _, told := range s.hear(t, h, other) {
		if len(told) != 20 {
			t.Errorf("the neighbour is told %d", len(told))
		}
	}
	s.terminate(t)
	s.exit(t, time.Minute)
	s.start(t)
	s.ready(t)
	again("after a restart, which deletes")
	until(t, 20*time.Second, func() string {
		if waits := s.metric(t, "orgcast_log_purges_waiting"); waits != 0 {
			return fmt.Sprintf("%v organizations wait", waits)
		}
		return ""
	})
	if n := s.metric(t, "orgcast_log_purged_events_total"); n < 20 {
		t.Errorf("%v events were deleted", n)
	}
}
