package e2e_test

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// TestTheWayFromCommitToSocketIsMeasured over the wire: each stage once for what
// went through it, and the operator's mean from the same numbers.
func TestTheWayFromCommitToSocketIsMeasured(t *testing.T) {
	h := settled(t, 2)
	h.member(t, "user_1", "org_2")
	s := serve(t, h.environ, nil)
	s.ready(t)
	one, _ := open(t, s.address, "organizationId=org_1", h.cookie(t, "user_1"), "")
	both, _ := open(t, s.address, "organizationId=org_1&organizationId=org_2", h.cookie(t, "user_1"), "")
	stage := func(name string) string { return fmt.Sprintf("orgcast_stage_seconds_count{stage=%q}", name) }
	before := map[string]float64{}
	for _, name := range []string{"received", "logged", "dispatched", "written"} {
		before[name] = s.count(t, stage(name))
	}
	const changes = 10
	for range changes { // one at a time, so that each is a write of its own
		h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id = 'property_1'`)
		one.await(t, "property.update")
		both.await(t, "property.update")
	}
	until(t, 30*time.Second, func() string {
		for name, want := range map[string]float64{"received": changes, "logged": changes, "dispatched": changes, "written": 2 * changes} {
			if got := s.count(t, stage(name)) - before[name]; got != want {
				return fmt.Sprintf("%s was measured %v times, want %v", name, got, want)
			}
		}
		return ""
	})
	n, sum := s.count(t, "orgcast_commit_to_socket_seconds_count"), s.count(t, "orgcast_commit_to_socket_seconds_sum")
	if mean := s.stats(t).AverageLatency; n < 2*changes || sum <= 0 || sum > 60*n || math.Abs(mean-1000*sum/n) > 0.01 {
		t.Errorf("%v s in %v writes; the operator is told a mean of %v ms", sum, n, mean)
	}
	// What the alerts ask for.
	if lag := s.count(t, "orgcast_feed_lag_seconds"); lag < 0 || lag > 10 {
		t.Errorf("the feed's lag is %v s", lag)
	}
	if fresh := s.count(t, "orgcast_feed_fresh"); fresh != 1 {
		t.Errorf("fresh is %v", fresh)
	}
	until(t, 30*time.Second, func() string {
		retained, safe := s.count(t, "orgcast_slot_retained_bytes"), s.count(t, "orgcast_slot_safe_bytes")
		if !(retained > 0) || !(safe > 0) { // NaN is neither
			return fmt.Sprintf("the slot keeps %v bytes, and is safe for %v", retained, safe)
		}
		return ""
	})
	free, disk := s.count(t, "orgcast_log_free_bytes"), s.count(t, "orgcast_log_disk_bytes")
	age, behind := s.count(t, "orgcast_log_oldest_age_seconds"), s.count(t, "orgcast_log_oldest_behind_bytes")
	if free <= 0 || disk <= 0 || age <= 0 || age > 120 || behind <= 0 || s.count(t, "orgcast_log_events") < changes {
		t.Errorf("free %v, on disk %v, oldest %v s and %v bytes back", free, disk, age, behind)
	}
}
