package server

import (
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

// asks rations the barrier per user.
type asks struct {
	mu sync.Mutex
	// next is when a user's ration would be whole again: the generic cell rate
	// algorithm's theoretical arrival time.
	next  map[orgcast.UserID]time.Time
	swept time.Time
}

// allow takes one ask of the user's ration. If the table is full of users who
// have just asked, a new one is refused: he comes back in seconds.
func (a *asks) allow(user orgcast.UserID, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	next, known := a.next[user]
	if !known && len(a.next) >= maxAsks && !a.sweep(now) {
		return false
	}
	if next.Before(now) {
		next = now
	}
	if next.Sub(now) > (askBurst-1)*askEvery {
		return false
	}
	if a.next == nil {
		a.next = map[orgcast.UserID]time.Time{}
	}
	a.next[user] = next.Add(askEvery)
	return true
}

// sweep forgets those whose ration is whole, at most once in askEvery, and tells
// whether there is room.
func (a *asks) sweep(now time.Time) bool {
	if now.Sub(a.swept) < askEvery {
		return false
	}
	a.swept = now
	for user, next := range a.next {
		if !next.After(now) {
			delete(a.next, user)
		}
	}
	return len(a.next) < maxAsks
}
