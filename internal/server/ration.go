package server

import (
	"net/netip"
	"sync"
	"time"

	"github.com/oikion/orgcast"
)

// A user may make the feed catch up once a second, five times in a row. Each
// costs the database a round trip, and anybody with a session can ask for an
// organization that is not his.
const (
	askEvery = time.Second
	askBurst = 5
	// maxAsks bounds the users that are remembered. An entry lives for at most
	// askBurst * askEvery after the last ask.
	maxAsks = 10_000
)

func newAsks() *ration[orgcast.UserID] {
	return &ration[orgcast.UserID]{every: askEvery, burst: askBurst, most: maxAsks}
}

// An address may show ten API keys that are none, and one more every six
// seconds. A key can't be guessed; this spares the work and the noise, and
// makes a wrong deployment slow down.
const (
	failureEvery = 6 * time.Second
	failureBurst = 10
	maxFailures  = 10_000
)

func newFailures() *ration[netip.Addr] {
	return &ration[netip.Addr]{every: failureEvery, burst: failureBurst, most: maxFailures}
}

// An address may make the feed catch up with ten sessions that turn out to be
// none, and one more every six seconds: an old cookie, a guess. A sign-in costs
// nothing of it: the ration is of failures.
func newUnknown() *ration[netip.Addr] {
	return &ration[netip.Addr]{every: failureEvery, burst: failureBurst, most: maxFailures}
}

// ration is a token bucket for each of a bounded number of keys.
type ration[K comparable] struct {
	every time.Duration // one token comes back
	burst int           // tokens of a whole ration
	most  int           // keys that are remembered

	mu sync.Mutex
	// next is when a key's ration would be whole again: the generic cell rate
	// algorithm's theoretical arrival time.
	next  map[K]time.Time
	swept time.Time
}

// allow takes a token of the key's ration. If the table is full of keys that
// have just taken one, a new key is refused: it comes back in seconds.
func (r *ration[K]) allow(key K, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, known := r.next[key]
	if !known && len(r.next) >= r.most && !r.sweep(now) {
		return false
	}
	if next.Before(now) {
		next = now
	}
	if r.beyond(next, now) {
		return false
	}
	if r.next == nil {
		r.next = map[K]time.Time{}
	}
	r.next[key] = next.Add(r.every)
	return true
}

// spent tells whether a key has no token left. A full table is no reason: who
// is not in it has taken none.
func (r *ration[K]) spent(key K, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.beyond(r.next[key], now)
}

func (r *ration[K]) beyond(next, now time.Time) bool {
	return next.Sub(now) > time.Duration(r.burst-1)*r.every
}

// sweep forgets those whose ration is whole, at most once in every, and tells
// whether there is room.
func (r *ration[K]) sweep(now time.Time) bool {
	if now.Sub(r.swept) < r.every {
		return false
	}
	r.swept = now
	for key, next := range r.next {
		if !next.After(now) {
			delete(r.next, key)
		}
	}
	return len(r.next) < r.most
}
