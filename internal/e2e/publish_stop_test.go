package e2e_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestAStopWhileOthersPublishIsOrderly: who publishes has his answer, and the
// process ends well.
func TestAStopWhileOthersPublishIsOrderly(t *testing.T) {
	h := settled(t, 1)
	s := serve(t, h.environ, nil)
	s.ready(t)
	bearer, _ := s.key(t, "--organization", "org_1", "--type", "notification.new")
	ctx, cancel := context.WithCancel(within(t, time.Minute))
	defer cancel()
	var accepted atomic.Int64
	var publishing sync.WaitGroup
	for range 3 {
		publishing.Go(func() {
			for ctx.Err() == nil {
				switch status, text, err := s.post(ctx, bearer, "", notification(1, "x")); {
				case err != nil: // it listens no more
					if !pause(ctx, 20*time.Millisecond) {
						return
					}
				case status == http.StatusAccepted:
					accepted.Add(1)
				case status != http.StatusServiceUnavailable && status != http.StatusGatewayTimeout:
					t.Errorf("answered %d %s", status, text)
				}
			}
		})
	}
	until(t, 30*time.Second, func() string {
		if accepted.Load() < 50 {
			return "not enough was published"
		}
		return ""
	})
	s.terminate(t)
	if status := s.exit(t, 9*time.Second); status != 0 {
		t.Errorf("status %d; it wrote:\n%s", status, last(s.out.String(), 2000))
	}
	cancel()
	publishing.Wait()
}
