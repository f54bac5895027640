package app

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oikion/orgcast"
)

// TestStaleWithinTenSeconds follows the feed through a barrier that stops
// passing, fails, and passes again.
func TestStaleWithinTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var blocked, failing atomic.Bool
		var stale atomic.Int64 // when it was told last, in Unix nanoseconds
		f := newFreshness(func(ctx context.Context) error {
			if failing.Load() {
				return errors.New("no connection to the server")
			}
			if blocked.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}, func(s orgcast.FeedState, _ time.Time) {
			if s == orgcast.FeedStale {
				stale.Store(time.Now().UnixNano())
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		if err := f.Fresh(); !errors.Is(err, errNeverReady) {
			t.Fatalf("before the first position: %v", err)
		}
		go func() { f.run(ctx); close(done) }()
		synctest.Wait()
		<-f.Ready()
		if err := f.Fresh(); err != nil {
			t.Fatalf("with a barrier that passes: %v", err)
		}

		failing.Store(true)
		broken := time.Now()
		<-time.After(staleAfter + time.Second) // of the bubble's clock
		synctest.Wait()
		if after := time.Unix(0, stale.Load()).Sub(broken); after < 0 || after > staleAfter+time.Second {
			t.Fatalf("stale after %s, not within 10 s", after)
		}
		if err := f.Fresh(); err == nil || err.Error() != "no connection to the server" {
			t.Fatalf("the reason is %v", err)
		}

		failing.Store(false)
		<-time.After(time.Second)
		synctest.Wait()
		if err := f.Fresh(); err != nil {
			t.Fatalf("after it passed again: %v", err)
		}

		blocked.Store(true)
		broken = time.Now()
		<-time.After(staleAfter + freshEvery + time.Second)
		synctest.Wait()
		if after := time.Unix(0, stale.Load()).Sub(broken); after < 0 || after > staleAfter+freshEvery {
			t.Fatalf("a barrier that hangs: stale after %s", after)
		}
		cancel()
		<-done
	})
}

// What was fresh a moment ago does not count when the feed can't be used: only a
// new position does.
func TestALostFeedIsStaleAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []orgcast.FeedState
		f := newFreshness(nil, func(s orgcast.FeedState, _ time.Time) { told = append(told, s) })
		f.passed(time.Now())
		f.lost(errMembers)
		if err := f.Fresh(); !errors.Is(err, errMembers) {
			t.Errorf("lost: %v", err)
		}
		f.judge()
		f.passed(time.Now())
		if err := f.Fresh(); err != nil {
			t.Errorf("after a new position: %v", err)
		}
		if len(told) != 3 || told[1] != orgcast.FeedStale || told[2] != orgcast.FeedLive {
			t.Errorf("told %v", told)
		}
	})
}

// TestAnUnhealthyLogIsStaleWhateverThePositionIs: what is not kept is not told,
// and the reason is the log's, not the barrier's.
func TestAnUnhealthyLogIsStaleWhateverThePositionIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		var told atomic.Value
		errFull := errors.New("the disk is full")
		f := newFreshness(func(context.Context) error { return nil }, func(s orgcast.FeedState, _ time.Time) { told.Store(s) })
		f.healthy = func() error {
			if full.Load() {
				return errFull
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { f.run(ctx); close(done) }()
		<-f.Ready()
		for _, want := range []orgcast.FeedState{orgcast.FeedStale, orgcast.FeedLive, orgcast.FeedStale} {
			full.Store(want == orgcast.FeedStale)
			if err := f.Fresh(); full.Load() != errors.Is(err, errFull) {
				t.Errorf("the operator is told %v at once", err)
			}
			<-time.After(time.Second)
			synctest.Wait()
			if told.Load() != want {
				t.Errorf("after a second streams are told %v, want %v", told.Load(), want)
			}
		}
		cancel()
		<-done
	})
}
