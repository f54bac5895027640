package replication

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oikion/orgcast"
	"pgregory.net/rapid"
)

func at(l orgcast.LSN) func(context.Context) (orgcast.LSN, error) {
	return func(context.Context) (orgcast.LSN, error) { return l, nil }
}

// checkQuiet fails if a barrier without waiters still does or holds something.
func checkQuiet(t *testing.T, b *Barrier) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reading != nil || b.next != nil || len(b.waiting) != 0 || b.asking {
		t.Errorf("left behind: reading %v, next %v, %d waiting, asking %v", b.reading, b.next, len(b.waiting), b.asking)
	}
}

func TestBarrierOfAnIdleDatabasePassesWithTheFirstReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *Barrier
		requests := 0
		b = NewBarrier(at(100), func() { requests++; b.Passed(100) }, BarrierOptions{})
		start := time.Now()
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if requests != 1 || time.Since(start) != 0 {
			t.Fatalf("%d requests, %v", requests, time.Since(start))
		}
		// What has passed already needs no request at all.
		if err := b.Wait(t.Context()); err != nil || requests != 1 {
			t.Fatalf("%v, %d requests", err, requests)
		}
	})
}

func TestBarrierAsksWithGrowingPausesUntilPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int64
		b := NewBarrier(at(100), func() { requests.Add(1) }, BarrierOptions{})
		passed := make(chan error)
		go func() { passed <- b.Wait(t.Context()) }()
		time.Sleep(time.Second)
		// 0, 1, 3, 7, 15, 31, 63, 127 ms, then each 100 ms.
		if n := requests.Load(); n != 16 {
			t.Errorf("%d requests in a second, want 16", n)
		}
		b.Passed(99)
		synctest.Wait()
		select {
		case err := <-passed:
			t.Fatalf("position 99 passed the barrier at 100: %v", err)
		default:
		}
		b.Passed(100)
		if err := <-passed; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		before := requests.Load()
		time.Sleep(time.Second)
		if requests.Load() != before {
			t.Error("requests go on when nobody waits")
		}
	})
}

func TestBarrierCallersNeverShareAReadThatBeganBeforeThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan orgcast.LSN)
		var reads atomic.Int64
		b := NewBarrier(func(context.Context) (orgcast.LSN, error) {
			reads.Add(1)
			return <-answers, nil
		}, func() {}, BarrierOptions{})
		b.Passed(10)
		early, late := make(chan error, 1), make(chan error, 3)
		go func() { early <- b.Wait(t.Context()) }()
		synctest.Wait()
		for range 3 {
			go func() { late <- b.Wait(t.Context()) }()
		}
		synctest.Wait()
		answers <- 10 // read before the late callers' rows were committed
		if err := <-early; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(late) != 0 || reads.Load() != 2 {
			t.Fatalf("%d late callers passed on an old read; %d reads", len(late), reads.Load())
		}
		answers <- 20
		synctest.Wait()
		if len(late) != 0 {
			t.Fatal("late callers passed 20 at 10")
		}
		b.Passed(20)
		for range 3 {
			if err := <-late; err != nil {
				t.Fatal(err)
			}
		}
		if reads.Load() != 2 {
			t.Fatalf("%d reads, want 2", reads.Load())
		}
	})
}

func TestBarrierCancelledWaitersLeaveNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBarrier(func(ctx context.Context) (orgcast.LSN, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}, func() {}, BarrierOptions{FlushTimeout: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if err := b.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		synctest.Wait() // the read ends with its last waiter, not in an hour
		if time.Since(start) != 2*time.Second {
			t.Errorf("waited %v", time.Since(start))
		}
		checkQuiet(t, b)
	})
}

func TestBarrierFailedReadFailsOnlyThoseWhoSharedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("connection refused")
		fail := true
		b := NewBarrier(func(context.Context) (orgcast.LSN, error) {
			if fail {
				return 0, broken
			}
			return 5, nil
		}, func() {}, BarrierOptions{})
		b.Passed(5)
		if err := b.Wait(t.Context()); !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
		fail = false
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestBarrierResetForgetsTheOldServersPositionsAndKeepsItsWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int64
		b := NewBarrier(at(50), func() { requests.Add(1) }, BarrierOptions{})
		b.Passed(1000)
		b.Reset()
		passed := make(chan error, 1)
		go func() { passed <- b.Wait(t.Context()) }()
		time.Sleep(time.Second)
		before := requests.Load()
		b.Reset() // one more connection: it is asked at once
		synctest.Wait()
		if len(passed) != 0 || requests.Load() != before+1 {
			t.Fatalf("%d passed by a position of the old connection, %d new requests", len(passed), requests.Load()-before)
		}
		b.Passed(50)
		if err := <-passed; err != nil {
			t.Fatal(err)
		}
	})
}

// The promise itself, on a simulated database: whoever returns from Wait, the
// feed has passed what was flushed when he called.
func TestBarrierNeverReturnsBeforeTheFeedPassedTheCallersMoment(t *testing.T) {
	type waiter struct{ delay, patience time.Duration }
	rapid.Check(t, func(r *rapid.T) {
		millis := func(label string, least, most int) time.Duration {
			return time.Duration(rapid.IntRange(least, most).Draw(r, label)) * time.Millisecond
		}
		flushDelay, replyDelay := millis("flush", 0, 20), millis("reply", 0, 20)
		waiters := make([]waiter, rapid.IntRange(1, 20).Draw(r, "waiters"))
		for i := range waiters {
			waiters[i] = waiter{millis("delay", 0, 60), millis("patience", 1, 80)}
		}
		var early atomic.Int64
		synctest.Test(t, func(t *testing.T) {
			var flushed, passed atomic.Uint64
			var b *Barrier
			var replies, all sync.WaitGroup
			b = NewBarrier(func(context.Context) (orgcast.LSN, error) {
				l := flushed.Load()
				time.Sleep(flushDelay)
				return orgcast.LSN(l), nil
			}, func() {
				l := flushed.Load()
				replies.Go(func() {
					time.Sleep(replyDelay)
					for old := passed.Load(); l > old && !passed.CompareAndSwap(old, l); old = passed.Load() {
					}
					b.Passed(orgcast.LSN(l))
				})
			}, BarrierOptions{})
			for _, w := range waiters {
				all.Go(func() {
					time.Sleep(w.delay)
					ctx, cancel := context.WithTimeout(t.Context(), w.patience)
					defer cancel()
					mine := flushed.Add(1)
					if b.Wait(ctx) == nil && passed.Load() < mine {
						early.Add(1)
					}
				})
			}
			all.Wait()
			time.Sleep(time.Second)
			replies.Wait()
			checkQuiet(t, b)
		})
		if n := early.Load(); n > 0 {
			r.Fatalf("%d waiters returned too early", n)
		}
	})
}
