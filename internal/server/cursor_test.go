package server

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oikion/orgcast"
)

// The position is read after the barrier: the other way round it could be older
// than a commit that the caller has seen.
func TestACursorIsReadOnlyOnceTheFeedHasCaughtUp(t *testing.T) {
	w := newWholeWorld()
	send(t, listen(t, w.server()), goodCursor().String())
	if got, want := w.calls(), []string{"authenticate", "membership org_a", "barrier", "position"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestACursorIsNotWaitedForLongerThanTwoSeconds(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	broken := errors.New("no database")
	for _, c := range []struct {
		name string
		make func(*world)
		took time.Duration
		want error
	}{
		{"the feed is behind", func(w *world) { w.barrier = hang }, 2 * time.Second, context.DeadlineExceeded},
		{"the database is away", func(w *world) { w.barrier = func(context.Context) error { return broken } }, 0, broken},
		{"the position hangs", func(w *world) {
			w.position = func(ctx context.Context) (orgcast.Cursor, error) { return orgcast.Cursor{}, hang(ctx) }
		}, 2 * time.Second, context.DeadlineExceeded},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWholeWorld()
			w.config.BarrierWait = 0 // the contract's
			c.make(w)
			begin := time.Now()
			got := w.call(w.server(), "GET", "/api/realtime/cursor", nil)
			if got.Code != 503 || got.Header().Get("Retry-After") == "" || time.Since(begin) != c.took || strings.Contains(got.Body.String(), "database") {
				t.Errorf("%s: got %d %v %q after %s", c.name, got.Code, got.Header(), got.Body, time.Since(begin))
			}
			if f := w.failures(); len(f) != 1 || !errors.Is(f[0], c.want) {
				t.Errorf("%s: the operator was told %v", c.name, f)
			}
		})
	}
}
