package check

import (
	"fmt"
	"slices"

	"github.com/oikion/orgcast/internal/verify"
)

// walk goes along one record.
type walk struct {
	w        *World
	r        *verify.Record
	counts   Counts
	findings []Finding

	mine []int32 // the facts of his organizations, in order
	next int     // mine[:next] is settled
	told map[int32]bool
	// moves is up to where a page has said that something moved.
	moves verify.Cursor

	entry  int
	at     verify.Cursor // no epoch: nowhere yet
	last   verify.Place  // of the last event on this connection
	asked  int64
	open   bool
	live   bool
	floors map[string]uint64
	since  map[string]uint64 // of which memberships he has heard on this connection, by their commit

	filter, former *verify.Filter
	// Up to changed, and everywhere while changing, what one of the two filters lets
	// through may be heard.
	changing bool
	changed  verify.Cursor
}

// Client holds one record against the world.
func (w *World) Client(r *verify.Record) ([]Finding, Counts) {
	c := &walk{w: w, r: r, mine: w.merged(r.Organizations), told: map[int32]bool{}}
	c.counts.Resets, c.counts.Closings = map[string]int{}, map[string]int{}
	for i, e := range r.Entries {
		c.entry = i
		c.step(e)
	}
	return c.findings, c.counts
}

func (c *walk) find(o Offence, format string, args ...any) {
	c.findings = append(c.findings, Finding{o, c.r.Client, c.r.Entries[c.entry].At, c.entry, fmt.Sprintf(format, args...)})
}

func (c *walk) step(e verify.Entry) {
	switch e.What {
	case verify.Asked:
		c.ask(e)
	case verify.Refused:
		c.refused(e)
	case verify.Connected:
		c.counts.Connections++
		c.open = true
		if e.Cursor.Epoch != "" && c.at.Epoch == "" {
			c.jump(e.Cursor)
		}
	case verify.Heard:
		c.hear(e)
	case verify.Ready:
		c.counts.Ready++
		c.reach(e.Cursor)
		c.live = true
		c.fresh(e, c.asked, FalseReady)
	case verify.Beat:
		if e.Cursor.Epoch == "" {
			return
		}
		c.counts.Beats++
		c.reach(e.Cursor)
		if c.live && c.r.Kind != "slow" { // what it reads was said long before
			c.fresh(e, e.At-c.w.options.Fresh, FalseLive)
		}
	case verify.Moved:
		c.movedWithin(e.Cursor)
	case verify.Paged:
		c.reach(e.Cursor)
	case verify.Stale:
		c.counts.Stale++
		c.live = false
		clear(c.floors) // it says that it does not know the newest
	case verify.Live:
		c.live = true
	case verify.Reset:
		c.reset(e)
	case verify.Closing:
		c.closing(e)
	case verify.Cut:
		c.open, c.live = false, false
	case verify.Broken:
		c.find(Malformed, "%s", e.Reason)
	}
}

// ask begins a connection, or changes the filter of the one that is open.
func (c *walk) ask(e verify.Entry) {
	if c.open {
		if e.Cursor.Epoch != "" { // it is done, since before this cursor was given
			c.changing, c.changed = false, e.Cursor
			return
		}
		c.former, c.filter, c.changing = c.filter, e.Filter, true
		return
	}
	c.asked, c.filter, c.former, c.changing, c.changed = e.At, e.Filter, e.Filter, false, verify.Cursor{}
	c.live, c.last = false, verify.Place{}
	c.since = map[string]uint64{}
	c.floors = c.w.floors(c.r.User, c.r.Organizations, e.At)
	c.at, c.moves = verify.Cursor{}, verify.Cursor{}
	if e.Cursor.Epoch != "" {
		c.jump(e.Cursor)
	}
}

// jump goes on from a cursor, wherever it is: up to there the client has what it
// needs.
func (c *walk) jump(to verify.Cursor) {
	c.at = to
	clear(c.told)
	c.next, _ = slices.BinarySearchFunc(c.mine, to.Place, func(i int32, p verify.Place) int {
		f := c.w.facts[i]
		return verify.Place{LSN: f.LSN, Index: f.Ordinal*8 + 7}.Compare(p)
	})
	// A change of which some events are behind the cursor, and some not.
	for c.next < len(c.mine) {
		f := c.w.facts[c.mine[c.next]]
		if f.LSN != to.LSN || f.Ordinal != to.Ordinal() {
			break
		}
		c.next++
	}
}

// settle leaves behind all facts before a change, of which none may be missing.
func (c *walk) settle(to verify.Place) {
	for c.next < len(c.mine) {
		i := c.mine[c.next]
		f := &c.w.facts[i]
		if f.LSN > to.LSN || f.LSN == to.LSN && f.Ordinal >= to.Ordinal() {
			return
		}
		if !c.told[i] && !c.movedBefore(f) {
			if s, _ := c.sees(f); s == must {
				c.find(Lost, "%s; now at %v", describe(f), to)
			}
		}
		delete(c.told, i)
		c.next++
	}
}

// reach is an id that no event has.
func (c *walk) reach(to verify.Cursor) {
	switch {
	case to.Epoch == "":
		c.find(Malformed, "no id where one is due")
		return
	case c.at.Epoch == "":
		c.jump(to)
		return
	case to.Epoch != c.at.Epoch:
		c.find(FalseEpoch, "from %s to %s without a reset", c.at.Epoch, to.Epoch)
		c.jump(to)
		return
	case to.Compare(c.at.Place) < 0:
		c.find(Disordered, "the id goes back from %v to %v", c.at, to)
		return
	}
	c.settle(to.Place)
	c.at = to
	c.belongsStill(to.Place)
}

// belongsStill looks for a stream that was left open after its member's removal.
func (c *walk) belongsStill(p verify.Place) {
	for _, o := range c.r.Organizations {
		m, ok := c.w.membership(c.r.User, o, p.LSN)
		if !ok || m.Ended() && m.To.LSN < p.LSN {
			c.find(Revoked, "the stream goes on at %v, and %s is no member of %s", p, c.r.User, o)
		}
	}
}

// fresh holds a claim to be up to date against what was acknowledged by a time.
func (c *walk) fresh(e verify.Entry, by int64, offence Offence) {
	if lsn := c.w.ackedBy(by); lsn > e.Cursor.LSN {
		c.find(offence, "at %v; %v was acknowledged %.1f s before", e.Cursor, verify.Place{LSN: lsn}, float64(e.At-c.w.commit(lsn).Acked)/1e9)
	}
}

// describe says what a fact is, for a reader.
func describe(f *verify.Fact) string {
	return fmt.Sprintf("%s of %s at %v: %s", f.Type, f.Organization, verify.Place{LSN: f.LSN, Index: f.Ordinal * 8}, ends(f.Payload))
}

// ends is a text, or its both ends and how long it is.
func ends(s string) string {
	const each = 400
	if len(s) <= 3*each {
		return s
	}
	return fmt.Sprintf("%.*s … %s (%d bytes)", each, s, s[len(s)-each:], len(s))
}
