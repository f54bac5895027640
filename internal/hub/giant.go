package hub

import "github.com/oikion/orgcast"

// A transaction too large for memory is in the log before it is dispatched. While
// its parts are stored, the events that every member of a listened-to organization
// may see are counted. A stream that has all of them before it, and would have to be
// told to refetch after [Config.ReplayEvents], is told so at once: without reading,
// sending and having thrown away what lies before that.

// giant is how many events of one transaction an organization's streams find in the
// log. It is never changed once a tail has it.
type giant struct {
	after orgcast.Cursor // the whole transaction lies after this,
	upTo  orgcast.Cursor // and before this
	types map[orgcast.EventType]int
	reset int // control messages that no filter leaves out
}

// passing is how many of them a filter passes.
func (g *giant) passing(filter orgcast.Filter) int {
	n := g.reset
	for t, count := range g.types {
		if filter.Passes(t) {
			n += count
		}
	}
	return n
}

// Part tells of a part of a transaction that comes in parts: the events are in the
// log, and are handed out, with all the others, by the Dispatch that ends it, which
// is lapped. first says that the transaction begins with it, perhaps once more. It
// is the feed's, as Dispatch is.
func (h *Hub) Part(events []orgcast.Event, first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if first {
		for _, t := range h.tails {
			t.counting = nil
		}
	}
	h.count(events)
}

// count counts what is for every member. What is for some of them may be for no
// stream: too few are counted, never too many. h.mu is held.
func (h *Hub) count(events []orgcast.Event) {
	var t *tail
	var of orgcast.OrganizationID
	for i := range events {
		e := &events[i]
		if e.Organization != of {
			t, of = h.tails[e.Organization], e.Organization
		}
		if t == nil || !e.Audience.All() {
			continue
		}
		if t.counting == nil {
			t.counting = &giant{types: map[orgcast.EventType]int{}}
		}
		if e.Kind == orgcast.KindReset {
			t.counting.reset++
		} else {
			t.counting.types[e.Type]++
		}
	}
}

// lapWhole leaves a transaction, which ends with events, to the log. h.mu is held.
func (h *Hub) lapWhole(events []orgcast.Event, before, m mark) {
	h.count(events)
	for _, t := range h.tails {
		g := t.counting
		t.lap(m.cursor())
		if g != nil {
			g.after, g.upTo = before.cursor(), m.cursor()
			t.giant.Store(g)
		}
	}
}

// tooMany tells whether so much lies before the stream, up to the watermark, that
// it would be told to refetch on the way. Who is to end on the way is not: he sees
// what comes before that.
func (s *Stream) tooMany(upTo orgcast.Cursor, end *end) bool {
	if end != nil {
		return false
	}
	n := s.behind
	for i := range s.parts {
		g := s.parts[i].tail.giant.Load()
		if g != nil && g.upTo.Epoch == upTo.Epoch && s.cursor.Compare(g.after) <= 0 && g.upTo.Compare(upTo) <= 0 {
			n += g.passing(s.passes)
		}
	}
	return n > s.hub.config.ReplayEvents
}
