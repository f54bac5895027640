package check

import (
	"github.com/oikion/orgcast/internal/verify"
)

// hear takes one event.
func (c *walk) hear(e verify.Entry) {
	c.counts.Deliveries++
	if e.Cursor.Epoch == "" || e.Data == nil {
		c.find(Malformed, "an event without an id")
		return
	}
	switch {
	case c.at.Epoch == "": // a first page, which may begin anywhere
		c.jump(e.Cursor)
	case !c.follows(e.Cursor):
		return
	}
	c.settle(e.Cursor.Place)
	c.at, c.last = e.Cursor, e.Cursor.Place
	event, err := c.w.parse(e.Data)
	if err != nil {
		c.find(Malformed, "%v", err)
		return
	}
	if got, err := verify.ParseCursor(event.ID); err != nil || got != e.Cursor {
		c.find(Malformed, "id %v in the block, %q in the event", e.Cursor, event.ID)
	}
	if event.Version != "1.0.0" {
		c.find(Wrong, "version %q", event.Version)
	}
	if len(*e.Data) > maxEvent {
		c.find(Wrong, "an event of %d bytes, which should be truncated: %.200s", len(*e.Data), *e.Data)
	}
	c.match(e.Cursor.Place, event)
}

// follows says whether an event has its place after the last one.
func (c *walk) follows(to verify.Cursor) bool {
	switch {
	case to.Epoch != c.at.Epoch:
		c.find(FalseEpoch, "from %s to %s without a reset", c.at.Epoch, to.Epoch)
		c.jump(to)
		return true
	case to.Compare(c.at.Place) > 0:
		return true
	case to.Place == c.last:
		c.find(Repeated, "%v again", to)
	case to.LSN == c.last.LSN || to.LSN < c.last.LSN && c.heardOf(to.LSN):
		c.find(Split, "%v after %v: the transaction has been told of before", to, c.at)
	default:
		c.find(Disordered, "%v after %v", to, c.at)
	}
	return false
}

// heardOf says whether the client is to hear, or heard, something else of a
// transaction.
func (c *walk) heardOf(lsn uint64) bool {
	for i := c.entry - 1; i >= 0 && i > c.entry-2000; i-- {
		e := c.r.Entries[i]
		if e.What == verify.Asked {
			return false
		}
		if e.What == verify.Heard && e.Cursor.LSN == lsn && e.Cursor.Place != c.r.Entries[c.entry].Cursor.Place {
			return true
		}
	}
	return false
}

// match finds the fact that an event is, among those of its change.
func (c *walk) match(p verify.Place, e verify.Event) {
	first, end := c.w.at(p)
	near := -1 // the same but for its values
	other := -1
	for i := first; i < end; i++ {
		f := &c.w.facts[i]
		if c.told[int32(i)] {
			continue
		}
		switch {
		case f.Organization == e.Organization && f.Type == e.Type && (!e.Truncated && f.Payload == e.Payload || e.Truncated && truncates(e.Payload, f.Payload)):
			if f.Millis != e.Millis || f.Source != e.Source {
				c.find(Wrong, "time %d, source %q; it is %d, %q: %s", e.Millis, e.Source, f.Millis, f.Source, describe(f))
			}
			c.told[int32(i)] = true
			if s, why := c.sees(f); s == never {
				if !c.follow(e.Organization) {
					why = Foreign
				}
				c.find(why, "%s", describe(f))
				return
			}
			if m, ok := c.w.membership(c.r.User, f.Organization, f.LSN-1); ok && !(m.Ended() && m.To.LSN < f.LSN) {
				c.since[f.Organization] = c.w.since(m)
			}
			c.counts.Facts++
			return
		case f.Organization == e.Organization && f.Type == e.Type:
			near = i
		case same(*f, e):
			other = i
		}
	}
	switch {
	case !c.follow(e.Organization):
		c.find(Foreign, "%s of %s at %v: %.300s", e.Type, e.Organization, p, e.Payload)
	case other >= 0:
		c.find(Foreign, "told as %s's: %s", e.Organization, describe(&c.w.facts[other]))
	case near >= 0:
		c.told[int32(near)] = true
		c.find(Wrong, "%.600s\n\tit is %.600s", e.Payload, describe(&c.w.facts[near]))
	default:
		c.find(Unknown, "%s of %s at %v: %.300s", e.Type, e.Organization, p, e.Payload)
	}
}

// follow says whether the client asked for an organization.
func (c *walk) follow(organization string) bool {
	for _, o := range c.r.Organizations {
		if o == organization {
			return true
		}
	}
	return organization == "*"
}
