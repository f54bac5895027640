package ear

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/oikion/orgcast/internal/verify"
)

// outcome is how a request went.
type outcome struct {
	what   outcomeKind
	status int
	closed string // the reason of the `closing`
	back   bool   // it said to come back
	more   bool   // there is a next page
}

type outcomeKind byte

const (
	ended outcomeKind = iota
	refused
)

// begin decides where the next request goes on from. It tells whether there is to
// be one at once.
func (e *Ear) begin(ctx context.Context) bool {
	first := !e.begun
	e.begun = true
	if e.kind == Filtered {
		e.refilter(e.r.IntN)
	}
	if e.isSettled() && e.last != "" {
		return true
	}
	switch {
	case e.kind == Late && (first || !e.isSettled()):
		return e.fresh(ctx)
	case e.kind == Resumer && len(e.seen) > 0 && e.r.IntN(4) == 0:
		e.last = e.seen[e.r.IntN(len(e.seen))]
		c, err := verify.ParseCursor(e.last)
		if err != nil {
			e.broken(err.Error())
		}
		e.mu.Lock()
		e.reached = c
		e.mu.Unlock()
		e.add(verify.Entry{What: verify.Passed, Reason: "older", Cursor: c})
	}
	return true
}

// fresh makes the client a new browser: without a cursor, or with the one that a
// page gave it which was rendered just now.
func (e *Ear) fresh(ctx context.Context) bool {
	e.last, e.page = "", ""
	e.mu.Lock()
	e.reached = verify.Cursor{}
	e.mu.Unlock()
	e.add(verify.Entry{What: verify.Passed, Reason: "fresh"})
	if e.r.IntN(2) == 0 {
		return true
	}
	a, err := e.call(ctx, http.MethodGet, "cursor", e.query(nil), nil, "", nil)
	if err != nil || a.StatusCode != http.StatusOK {
		e.wander(ctx, e.refused(a, err, "cursor: "))
		return false
	}
	c, text, ok := e.cursor(a)
	if !ok {
		e.wander(ctx, outcome{what: refused})
		return false
	}
	e.page = text
	e.add(verify.Entry{What: verify.Passed, Reason: "cursor", Cursor: c})
	return true
}

// cursor reads the answer of GET /cursor and closes it.
func (e *Ear) cursor(a *answer) (verify.Cursor, string, bool) {
	defer a.close()
	text, err := io.ReadAll(io.LimitReader(a.Body, 4096))
	if err != nil {
		e.add(verify.Entry{What: verify.Refused, Reason: "cursor: the answer breaks off: " + err.Error()})
		return verify.Cursor{}, "", false
	}
	var m struct {
		Cursor string `json:"cursor"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		e.broken("cursor: " + err.Error())
		return verify.Cursor{}, "", false
	}
	c, err := verify.ParseCursor(m.Cursor)
	if err != nil {
		e.broken("cursor: " + err.Error())
		return verify.Cursor{}, "", false
	}
	return c, m.Cursor, true
}

func (e *Ear) wander(ctx context.Context, o outcome) { _ = verify.Pause(ctx, e.wait(o)) }

// wait is how long the client waits before it asks again. It is a busy one: a
// browser would wait longer after a refusal.
func (e *Ear) wait(o outcome) time.Duration {
	second := e.options.Pace
	some := func(from, to float64) time.Duration {
		return time.Duration((from + e.r.Float64()*(to-from)) * float64(second))
	}
	switch {
	case o.what == refused && o.status == 0:
		return some(0.1, 0.8)
	case o.what == refused:
		return some(0.3, 1.5)
	case e.kind == Poller && o.more:
		return some(0, 0.05)
	case e.kind == Poller:
		return some(0, 0.5)
	case o.closed != "" && !o.back:
		return some(0.5, 2)
	case e.isSettled():
		return some(0.05, 0.3)
	case e.kind == Late:
		return some(0, 1)
	case e.kind == Resumer:
		return some(0, 0.3)
	}
	return min(e.retry, 4*second)
}

// refilter draws what a Filtered client wants to hear.
func (e *Ear) refilter(draw func(int) int) *verify.Filter {
	f := &verify.Filter{}
	for _, c := range []string{"user", "property", "organization", "system", "notifications"} {
		if draw(3) > 0 {
			f.Channels = append(f.Channels, c)
		}
	}
	if draw(3) == 0 {
		f.Types = []string{"data.sync", "property.update"}
		if draw(2) == 0 {
			f.Types = []string{"member.join", "member.leave", "organization.change", "user.activity"}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.filter = f
	return f
}

func (e *Ear) filtered() *verify.Filter {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.filter
}
