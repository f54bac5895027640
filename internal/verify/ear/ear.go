package ear

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/oikion/orgcast/internal/verify"
)

// Ear is one client.
type Ear struct {
	options Options
	kind    string
	r       *rand.Rand // of the goroutine of Run
	changes *rand.Rand // of the one that changes filters

	// Of the goroutine of Run.
	page  string        // what the page was opened with as lastEventId
	last  string        // the Last-Event-ID; "" as long as the page had none
	retry time.Duration // what the server said last
	seen  []string      // some of the cursors that it had
	ids   int           // how many it had
	begun bool          // there was a request

	mu      sync.Mutex
	filter  *verify.Filter
	reached verify.Cursor
	live    bool
	why     string
	settled bool
}

// Run listens until ctx ends.
func (e *Ear) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if !e.begin(ctx) {
			continue
		}
		var o outcome
		if e.kind == Poller {
			o = e.ask(ctx)
		} else {
			o = e.stream(ctx)
		}
		if ctx.Err() == nil {
			_ = verify.Pause(ctx, e.wait(o)) // the loop looks itself
		}
	}
	e.say(false, "stopped")
}

// Settle ends the client's habits: it cuts nothing any more, is not slow, and goes
// on from where it is, so that it comes to where all others are.
func (e *Ear) Settle() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settled = true
}

func (e *Ear) isSettled() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.settled
}

// Reached is where the client is: it would go on from there.
func (e *Ear) Reached() verify.Cursor {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reached
}

// State tells whether the client hears what happens as it happens, and if not, why.
func (e *Ear) State() (live bool, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.live, e.why
}

func (e *Ear) say(live bool, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live, e.why = live, why
}

// add adds an entry with the time of now. A record of millions must not be copied
// into one of twice the size: it grows by an eighth.
func (e *Ear) add(n verify.Entry) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n.Cursor.Epoch == e.reached.Epoch {
		n.Cursor.Epoch = e.reached.Epoch // one string for all
	}
	r := e.options.Record
	if len(r.Entries) == cap(r.Entries) {
		more := make([]verify.Entry, len(r.Entries), len(r.Entries)+len(r.Entries)/8+32)
		copy(more, r.Entries)
		r.Entries = more
	}
	n.At = e.options.Clock()
	r.Entries = append(r.Entries, n)
}

func (e *Ear) broken(reason string) {
	if len(reason) > 400 {
		reason = reason[:400] + "…"
	}
	e.add(verify.Entry{What: verify.Broken, Reason: reason})
}

// at parses an id or a cursor and makes it the client's place.
func (e *Ear) at(text string, c verify.Cursor) {
	e.last = text
	// Any of those that it had may be gone back to: each stays with the same chance.
	const kept = 256
	if e.ids++; len(e.seen) < kept {
		e.seen = append(e.seen, text)
	} else if i := e.r.IntN(e.ids); i < kept {
		e.seen[i] = text
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.Epoch == e.reached.Epoch {
		c.Epoch = e.reached.Epoch
	}
	e.reached = c
}
