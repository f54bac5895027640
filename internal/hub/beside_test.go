package hub

import (
	"encoding/json"
	"slices"

	"github.com/oikion/orgcast"
	"pgregory.net/rapid"
)

// running is one of the streams whose id somebody may know.
func (w *world) running() *client {
	var all []*client
	for _, c := range w.clients {
		if c.started && !c.done && c.page == nil {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return rapid.SampledFrom(all).Draw(w.t, "whose")
}

// setFilter gives a stream another filter: for what lies behind the place where
// it stands, of which it must have had all.
func (w *world) setFilter() {
	c := w.running()
	if c == nil {
		return
	}
	var f orgcast.Filter
	if rapid.Bool().Draw(w.t, "narrow") {
		f.AddType(rapid.SampledFrom([]orgcast.EventType{orgcast.DataSync, orgcast.PropertyUpdate, orgcast.NotificationNew}).Draw(w.t, "to"))
	}
	if w.hub.SetFilter("somebody", c.stream.ID(), f) || w.hub.SetFilter(c.spec.User, c.stream.ID()+"A", f) {
		w.t.Fatalf("somebody else's stream was given a filter")
	}
	if !w.hub.SetFilter(c.spec.User, c.stream.ID(), f) {
		w.t.Fatalf("the user's own stream is not known")
	}
	if unsaid := len(c.stream.control) > 0; c.greeted && !unsaid && c.stream.cursor.Epoch == c.pos.Epoch {
		if e := w.next(c, c.stream.cursor); e != nil {
			w.t.Fatalf("the stream stands at %v, and did not send %v", c.stream.cursor, e.Cursor)
		}
		c.pos = c.stream.cursor
	}
	c.spec.Filter = f
}

// endsAtOnce notes that somebody ends a client's stream.
func (c *client) endsAtOnce(reason orgcast.ClosingReason) bool {
	if c.end != nil && !c.end.reason.Reconnect() {
		return false
	}
	c.end = &end{reason: reason}
	return true
}

func (w *world) endOwn() {
	c := w.running()
	if c == nil {
		return
	}
	if w.hub.End("somebody", c.stream.ID()) || w.hub.End(c.spec.User, "") {
		w.t.Fatalf("somebody else's stream was ended")
	}
	if !w.hub.End(c.spec.User, c.stream.ID()) {
		w.t.Fatalf("the user's own stream is not known")
	}
	c.endsAtOnce(orgcast.ClosingByClient)
}

func (w *world) kick() {
	user := rapid.SampledFrom(append(users, "", "nobody")).Draw(w.t, "user")
	organization := rapid.SampledFrom(append(organizations, "", "nowhere")).Draw(w.t, "organization")
	want := 0
	for _, c := range w.clients {
		if c.done {
			c.stream.Close() // perhaps its driver was not there yet
		}
		if c.done || user == "" && organization == "" || user != "" && c.spec.User != user ||
			organization != "" && !slices.Contains(c.spec.Organizations, organization) {
			continue
		}
		if c.endsAtOnce(orgcast.ClosingByOperator) {
			want++
		}
	}
	if got := w.hub.Kick(user, organization); got != want {
		w.t.Fatalf("%d streams of %q in %q were ended, want %d", got, user, organization, want)
	}
}

// fill fills a client's page once. Page and model must agree as stream and model
// do.
func (w *world) fill(c *client) (idle bool) {
	if !c.greeted {
		w.greet(c)
	}
	p := c.page
	st := c.stream.Fill(p, w.now)
	for _, data := range p.Events[c.taken:] {
		var m message
		if err := json.Unmarshal(data, &struct {
			*message
			ID *string `json:"id"`
		}{&m, &m.id}); err != nil {
			w.t.Fatalf("an event of a page is %q: %v", data, err)
		}
		if m.Type == "reset" {
			w.t.Fatalf("a reset among the events of a page")
		}
		w.moved(c, w.limit(c))
		w.event(c, m)
	}
	c.taken = len(p.Events)
	c.load = st.Load
	if c.taken > p.Limit || c.taken > 1 && p.bytes > p.MaxBytes {
		w.t.Fatalf("%d events of %d bytes in a page of at most %d and %d", c.taken, p.bytes, p.Limit, p.MaxBytes)
	}
	if !st.Done {
		w.waits(c, st)
		return !st.Load && !st.More
	}
	if p.Reset == "" || p.Reset == orgcast.ResetMoved {
		w.moved(c, p.Cursor)
	}
	if c.moved != (p.Reset == orgcast.ResetMoved) {
		w.t.Fatalf("a page up to %v, in which rows moved: %v, says %q", p.Cursor, c.moved, p.Reset)
	}
	switch next := w.next(c, w.limit(c)); {
	case p.Reset != "" && !c.moved:
		if c.taken > 0 {
			w.t.Fatalf("reset %s behind %d events", p.Reset, c.taken)
		}
		at := p.Cursor.String()
		w.reset(c, message{id: at, Type: "reset", Reason: string(p.Reset), Cursor: at})
	case p.Ended != "":
		m := message{Type: "closing", Reason: string(p.Ended)}
		if c.end != nil {
			m.Organization = c.end.organization
		}
		w.close(c, m)
		w.moves(c, "the end of a page", p.Cursor.String())
	case c.taken == 0 && !c.moved:
		w.t.Fatalf("an empty page is done")
	default:
		w.moves(c, "page", p.Cursor.String())
		room := c.taken < p.Limit && next != nil && p.bytes+len(next.Frame) <= p.MaxBytes
		if room && w.log.epoch == w.epoch && c.pos.Epoch == w.epoch && !below(c.pos, w.floorOf(c)) {
			w.t.Fatalf("a page of %d events ends before %v", c.taken, next.Cursor)
		}
	}
	c.done = true
	if w.members.asked == nil {
		c.stream.Close()
	}
	return true
}

// moved passes the moves that a page goes over, up to a cursor, and before the next
// event.
func (w *world) moved(c *client, upTo orgcast.Cursor) {
	for e := w.next(c, upTo); e != nil && e.Kind == orgcast.KindReset; e = w.next(c, upTo) {
		c.pos, c.moved = e.Cursor, true
		c.behind++
	}
}

// waits is a page that is not done.
func (w *world) waits(c *client, st Step) {
	if st.Load || st.More || w.log.epoch != w.epoch {
		return
	}
	p := c.page
	switch {
	case c.taken > 0 || c.moved:
		w.t.Fatalf("a page with %d events waits", c.taken)
	case c.end != nil && c.end.at.IsZero():
		w.t.Fatalf("a page waits, and it was to end at once: %+v", c.end)
	case p.Cursor.Compare(c.pos) < 0 || p.Cursor.Epoch != c.pos.Epoch:
		w.t.Fatalf("a page that waits at %v goes back to %v", c.pos, p.Cursor)
	case p.Ahead != (p.Cursor.Compare(w.watermark()) > 0):
		w.t.Fatalf("a page waits at %v, ahead is %v, the watermark %v", p.Cursor, p.Ahead, w.watermark())
	case p.Ahead && w.feed == orgcast.FeedLive && c.confirmed != nil:
		w.t.Fatalf("a page waits at %v, which is ahead of the database at %v", p.Cursor, *c.confirmed)
	}
	if e := w.next(c, w.limit(c)); e != nil {
		w.t.Fatalf("a page waits at %v before the event %v", c.pos, e.Cursor)
	}
}
