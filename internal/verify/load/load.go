package load

import (
	"context"
	"errors"
	"github.com/oikion/orgcast/internal/verify"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Ack is a transaction of which its writer heard that it is committed.
type Ack struct {
	XID uint32 // the low 32 bits of pg_current_xact_id()
	At  int64  // by the clock, when COMMIT was answered
}

// Load is the writers. All methods may be called at any time, from anywhere.
type Load struct {
	options Options
	kinds   []kind
	weight  int // of all kinds
	members []Member
	stats   *stats

	mu      sync.Mutex
	acked   []Ack
	begun   int64         // transactions of Run
	next    time.Time     // when the next one may begin
	columns int           // that were added to tables
	bursts  uint64        // calls of Burst
	resumed chan struct{} // closed unless they pause
	busy    int           // transactions that have begun and not ended
	idle    chan struct{} // closed when busy comes to 0; nil if nobody waits
}

// Run writes until ctx ends, and returns nil then; or until something is refused
// that should not be.
func (l *Load) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var writers sync.WaitGroup
	for i := range l.options.Writers {
		writers.Go(func() {
			w := l.writer(uint64(i))
			defer w.close(ctx)
			if err := w.run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	writers.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// writer is one with a generator of its own.
func (l *Load) writer(number uint64) *writer {
	return &writer{Load: l, r: rand.New(rand.NewPCG(l.options.Seed, number))}
}

// begin waits until a transaction may begin, and tells whether one may at all.
// end must follow.
func (l *Load) begin(ctx context.Context) bool {
	for {
		l.mu.Lock()
		resumed := l.resumed
		select {
		case <-resumed:
		default:
			l.mu.Unlock()
			select {
			case <-resumed:
				continue
			case <-ctx.Done():
				return false
			}
		}
		if ctx.Err() != nil || l.options.Limit > 0 && l.begun >= l.options.Limit {
			l.mu.Unlock()
			return false
		}
		wait := time.Duration(0)
		if l.options.Rate > 0 {
			now := time.Now()
			// What was not written while the database was away is not made up for.
			if now.Sub(l.next) > time.Second {
				l.next = now
			}
			if wait = l.next.Sub(now); wait <= 0 {
				l.next = l.next.Add(time.Duration(float64(time.Second) / l.options.Rate))
			}
		}
		if wait <= 0 {
			l.begun++
			l.busy++
			l.mu.Unlock()
			return true
		}
		l.mu.Unlock()
		if verify.Pause(ctx, wait) != nil {
			return false
		}
	}
}

func (l *Load) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy--; l.busy == 0 && l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
}

// Pause lets no transaction begin, and waits for those that have. If ctx ends
// before that, they still pause.
func (l *Load) Pause(ctx context.Context) error {
	l.mu.Lock()
	select {
	case <-l.resumed:
		l.resumed = make(chan struct{})
	default:
	}
	if l.busy == 0 {
		l.mu.Unlock()
		return nil
	}
	if l.idle == nil {
		l.idle = make(chan struct{})
	}
	idle := l.idle
	l.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Resume ends a Pause.
func (l *Load) Resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.resumed:
	default:
		close(l.resumed)
	}
}

// Acked are the commits that were acknowledged, in the order of that.
func (l *Load) Acked() []Ack {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.acked)
}
