package replication

import (
	"cmp"
	"time"
)

// Backoff spaces attempts to connect: full jitter below a bound that doubles, so
// that processes which lost one server do not come back in step. It never gives
// up. The zero value is usable once Rand is set.
type Backoff struct {
	// Min is the first bound; default 0.5 s.
	Min time.Duration
	// Max is the last bound; default 30 s.
	Max time.Duration
	// Stable is how long after a wait the next failure must come for the bounds
	// to start over; default 1 min.
	Stable time.Duration
	// Rand returns a number in [0, 1).
	Rand func() float64

	bound time.Duration
	tried time.Time // when the last wait was over
}

// Reset starts the bounds over: what was connected to was good.
func (b *Backoff) Reset() { b.bound = 0 }

// Next returns how long to wait after a failure at now.
func (b *Backoff) Next(now time.Time) time.Duration {
	least, most := cmp.Or(b.Min, 500*time.Millisecond), cmp.Or(b.Max, 30*time.Second)
	if b.bound == 0 || now.Sub(b.tried) >= cmp.Or(b.Stable, time.Minute) {
		b.bound = least
	} else {
		b.bound = min(2*b.bound, most)
	}
	wait := time.Duration(b.Rand() * float64(b.bound))
	b.tried = now.Add(wait)
	return wait
}
