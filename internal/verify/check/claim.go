package check

import (
	"net/http"

	"github.com/oikion/orgcast/internal/verify"
)

// refused takes an answer that is no stream.
func (c *walk) refused(e verify.Entry) {
	c.counts.Refused++
	c.open = false
	switch e.Status {
	case 0, http.StatusServiceUnavailable, http.StatusTooManyRequests: // later
	case http.StatusForbidden:
		if !c.w.turnedAway(c.r.User, c.r.Organizations, c.asked, e.At) {
			c.find(FalseAnswer, "403, and %s was a member of %v since before the request", c.r.User, c.r.Organizations)
		}
	default:
		c.find(FalseAnswer, "status %d: %.200s", e.Status, e.Reason)
	}
}

// reset takes a `reset`, and asks for its reason.
func (c *walk) reset(e verify.Entry) {
	c.counts.Resets[e.Reason]++
	from, to := c.at, e.Cursor
	if to.Epoch == "" {
		c.find(Malformed, "a reset %s without an id", e.Reason)
		return
	}
	if e.Reason == "moved" {
		c.moved(e)
		return
	}
	switch e.Reason {
	case "epoch":
		if from.Epoch == to.Epoch {
			c.find(FalseReset, "epoch, and it is %s as before", to.Epoch)
		}
	case "too_old":
		if !c.tooOld(from, to, e.At) {
			c.find(FalseReset, "too_old: from %v to %v", from, to)
		}
	case "too_many":
		if n, bytes := c.behind(from, to); n < c.w.options.Many && bytes < c.w.options.Bytes {
			c.find(FalseReset, "too_many: %d events of %d bytes from %v to %v", n, bytes, from, to)
		}
	default: // ahead, malformed: no client here gives cause for them
		c.find(FalseReset, "%s: from %v to %v", e.Reason, from, to)
	}
	c.jump(to)
	c.last = verify.Place{}
	clear(c.since) // he may have left and come back in what he did not hear
}

// moved takes a `reset moved`, which has its place among the events.
func (c *walk) moved(e verify.Entry) {
	if c.at.Epoch != "" && !c.follows(e.Cursor) {
		return
	}
	c.settle(e.Cursor.Place)
	c.at, c.last = e.Cursor, e.Cursor.Place
	first, end := c.w.at(e.Cursor.Place)
	for i := first; i < end; i++ {
		f := &c.w.facts[i]
		if f.Type != "reset" || c.told[int32(i)] || !c.follow(f.Organization) {
			continue
		}
		c.told[int32(i)] = true
		c.counts.Facts++
		return
	}
	c.find(FalseReset, "moved, and nothing moved at %v", e.Cursor)
}

// movedWithin takes a page's word that something moved between the cursor that it was
// asked for and its own.
func (c *walk) movedWithin(to verify.Cursor) {
	c.counts.Resets["moved"]++
	c.moves = to
	for _, i := range c.mine[c.next:] {
		if f := &c.w.facts[i]; c.movedBefore(f) && c.follow(f.Organization) {
			return
		}
	}
	c.find(FalseReset, "moved, and nothing moved between %v and %v", c.at, to)
}

// movedBefore says whether a fact is a move that the page has told.
func (c *walk) movedBefore(f *verify.Fact) bool {
	return f.Type == "reset" && (f.LSN < c.moves.LSN || f.LSN == c.moves.LSN && f.Ordinal <= c.moves.Ordinal())
}

// tooOld says whether a cursor lies before what may be replayed to this client:
// before one of his memberships, before what the log has room for, or before what
// an incident has left of it.
func (c *walk) tooOld(from, to verify.Cursor, at int64) bool {
	for _, o := range c.r.Organizations {
		if m, ok := c.w.membership(c.r.User, o, to.LSN); ok && m.From.LSN > 0 && from.LSN <= m.From.LSN {
			return true
		} else if k := c.w.known(m.To.LSN); ok && m.Ended() && m.To.LSN > to.LSN && k > 0 && k <= at {
			return true // his organization is being deleted, and with it what the log has of it
		}
	}
	return c.w.between(from.Place, to.Place) > c.w.options.Kept || c.w.cutBehind(from.Place)
}

// behind is how much there is of his organizations between two cursors.
func (c *walk) behind(from, to verify.Cursor) (n, bytes int) {
	for _, i := range c.mine {
		f := &c.w.facts[i]
		p := verify.Place{LSN: f.LSN, Index: f.Ordinal * 8}
		if p.Compare(from.Place) > 0 && p.LSN <= to.LSN {
			n++
			bytes += len(f.Payload) + 200
		}
	}
	return n, bytes
}

// closing takes a `closing`, and asks for its reason.
func (c *walk) closing(e verify.Entry) {
	c.counts.Closings[e.Reason]++
	switch e.Reason {
	case "lease", "shutdown", "closed_by_client":
	case "slow_consumer": // on a busy machine anybody can be: the report says how often
	case "membership_revoked":
		for _, o := range c.r.Organizations {
			m, ok := c.w.membership(c.r.User, o, 1<<63)
			if !ok || m.From.LSN > 0 || m.Ended() {
				return
			}
		}
		c.find(FalseEnd, "membership_revoked, and %s was a member of %v all the time", c.r.User, c.r.Organizations)
	default:
		c.find(FalseEnd, "%s", e.Reason)
	}
}
