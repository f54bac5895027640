package replication

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/oikion/orgcast"
)

// Barrier answers: has our feed passed the WAL position that the database had
// when I asked? Whoever waits knows afterwards that everything which was
// committed, and flushed, before the call was dispatched. (A commit with
// synchronous_commit = off is seen before it is flushed: it is not covered.)
//
// It is safe for concurrent use. Its goroutines end with the last waiter.
type Barrier struct {
	flush   func(context.Context) (orgcast.LSN, error)
	request func()
	options BarrierOptions

	mu      sync.Mutex
	passed  orgcast.LSN
	reading *round   // its read is under way: nobody may join
	next    *round   // gathers those who came during that read
	waiting []*round // read, not passed
	asking  bool     // whether the goroutine of ask runs
	hurry   chan struct{}
}

// BarrierOptions bounds a [Barrier]. Zero values mean the defaults.
type BarrierOptions struct {
	// MinPause and MaxPause bound the pauses between two requests for a reply.
	// Defaults 1 ms and 100 ms.
	MinPause, MaxPause time.Duration
	// FlushTimeout bounds one reading of the flush position. Default 5 s.
	FlushTimeout time.Duration
}

// round is one reading of the flush position and all who share it.
type round struct {
	waiters int
	cancel  context.CancelFunc // ends a read that nobody waits for any more
	done    chan struct{}      // closed when passed, or failed with err
	target  orgcast.LSN
	err     error
}

// NewBarrier makes a barrier. flush reads the database's flush position
// (pg_current_wal_flush_lsn) on the primary; requestReply asks the server for a
// keepalive and must not block. flush may be called from another goroutine than
// the waiter's, never twice at a time.
func NewBarrier(flush func(context.Context) (orgcast.LSN, error), requestReply func(), options BarrierOptions) *Barrier {
	options.MinPause = cmp.Or(options.MinPause, time.Millisecond)
	options.MaxPause = cmp.Or(options.MaxPause, 100*time.Millisecond)
	options.FlushTimeout = cmp.Or(options.FlushTimeout, 5*time.Second)
	return &Barrier{flush: flush, request: requestReply, options: options, hurry: make(chan struct{}, 1)}
}

// Passed tells that everything committed below end was dispatched. It is called
// for the end of each commit and each keepalive, in order.
func (b *Barrier) Passed(end orgcast.LSN) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if end <= b.passed {
		return
	}
	b.passed = end
	b.release()
}

// Reset begins a new connection. What was passed on the old one counts no more,
// because the new one may be to a server whose positions mean something else;
// the new one's first keepalive tells anew. Waiters keep waiting.
func (b *Barrier) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.passed = 0
	poke(b.hurry)
}

// Wait reads the flush position and waits until the feed has passed it. Callers
// that come while a read is under way share the next one: a read that began
// before a caller came may miss what he wants to see.
func (b *Barrier) Wait(ctx context.Context) error {
	r := b.join(ctx)
	select {
	case <-r.done:
		b.leave(r)
		return r.err
	case <-ctx.Done():
		b.leave(r)
		return fmt.Errorf("wait for the change feed: %w", ctx.Err())
	}
}

func (b *Barrier) join(ctx context.Context) *round {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reading == nil {
		r := &round{waiters: 1, done: make(chan struct{})}
		b.start(ctx, r)
		return r
	}
	if b.next == nil {
		b.next = &round{done: make(chan struct{})}
	}
	b.next.waiters++
	return b.next
}

func (b *Barrier) leave(r *round) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.waiters--
	if r.waiters > 0 {
		return
	}
	if r.cancel != nil {
		r.cancel()
	}
	b.keep(func(other *round) bool { return other != r })
}

// start begins the reading of r; the caller holds the lock. The read outlives
// the caller who came first, for those who share it.
func (b *Barrier) start(ctx context.Context, r *round) {
	ctx, r.cancel = context.WithTimeout(context.WithoutCancel(ctx), b.options.FlushTimeout)
	b.reading = r
	go b.read(ctx, r)
}

func (b *Barrier) read(ctx context.Context, r *round) {
	target, err := b.flush(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	r.cancel()
	b.reading = nil
	if next := b.next; next != nil {
		b.next = nil
		if next.waiters > 0 {
			b.start(ctx, next)
		}
	}
	if err != nil {
		r.err = fmt.Errorf("read the database's flush position: %w", err)
		close(r.done)
		return
	}
	if r.waiters == 0 {
		return
	}
	if r.target = target; target <= b.passed {
		close(r.done)
		return
	}
	b.waiting = append(b.waiting, r)
	if b.asking {
		poke(b.hurry)
	} else {
		b.asking = true
		go b.ask()
	}
}

// ask requests replies while somebody waits, with pauses that grow until
// somebody new comes.
func (b *Barrier) ask() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause := b.options.MinPause
	for {
		select {
		case <-timer.C:
		case <-b.hurry:
			pause = b.options.MinPause
		}
		b.mu.Lock()
		if len(b.waiting) == 0 {
			b.asking = false
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		b.request()
		timer.Reset(pause)
		pause = min(2*pause, b.options.MaxPause)
	}
}

// release wakes the rounds that were passed; the caller holds the lock.
func (b *Barrier) release() {
	b.keep(func(r *round) bool {
		if r.target > b.passed {
			return true
		}
		close(r.done)
		return false
	})
}

// keep drops the waiting rounds that are not to be kept, and lets the goroutine
// that asks end with the last one; the caller holds the lock.
func (b *Barrier) keep(kept func(*round) bool) {
	b.waiting = slices.DeleteFunc(b.waiting, func(r *round) bool { return !kept(r) })
	if len(b.waiting) == 0 && b.asking {
		poke(b.hurry)
	}
}
