package hub

import (
	"time"

	"github.com/oikion/orgcast"
	"pgregory.net/rapid"
)

// world is the model: what was committed, who may see it, and what each stream
// has seen.
type world struct {
	t       *rapid.T
	hub     *Hub
	log     *memoryLog
	members *memoryMembers
	history []orgcast.Event // everything, also what the log has retired
	config  Config
	now     time.Time
	epoch   orgcast.Epoch
	end     orgcast.LSN // the watermark
	feed    orgcast.FeedState
	closing bool // Shutdown was called
	clients []*client
}

// client is one stream, and what a right one would do.
type client struct {
	stream  *Stream
	spec    Spec
	members []orgcast.Membership // as found by the check; nil: not checked yet
	started bool
	floor   orgcast.Cursor

	greeted, ready, done bool
	told                 orgcast.FeedState
	pos                  orgcast.Cursor // everything up to it was received
	end                  *end
	expires              time.Time // when the session ends
	expired              time.Time // when it ended before the transaction that is being handed out
	confirmed            *orgcast.Cursor
	behind, received     int
	load                 bool
	loaded, loadFloor    orgcast.Cursor // the watermark and the floor of the last load
	lapped               time.Time      // since when it reads the log although it was live

	page  *Page // what is filled instead of stepping the stream
	taken int   // of its events
	moved bool  // and rows that moved
}

var (
	organizations = []orgcast.OrganizationID{"a", "ab", "b"}
	users         = []orgcast.UserID{"u", "v"}
	roles         = []string{"ADMIN", "AGENT"}
	sessionIDs    = []orgcast.SessionID{{1}, {2}, {3}}
)

func (w *world) watermark() orgcast.Cursor { return orgcast.Position(w.epoch, w.end) }

// sees tells whether a client may see an event and wants it.
func (c *client) sees(e *orgcast.Event) bool {
	if e.Kind == orgcast.KindEvent && !c.spec.Filter.Passes(e.Type) {
		return false
	}
	for _, m := range c.members {
		if (e.Organization == m.Organization || e.Organization == orgcast.Everyone) && e.Audience.Allows(c.spec.User, m.Role) {
			return true
		}
	}
	return false
}

// next is the first event behind a cursor, up to another, that a client is to
// get.
func (w *world) next(c *client, upTo orgcast.Cursor) *orgcast.Event {
	for i := range w.history {
		e := &w.history[i]
		if e.Cursor.Epoch == c.pos.Epoch && e.Cursor.Compare(c.pos) > 0 && e.Cursor.Compare(upTo) <= 0 && c.sees(e) {
			return e
		}
	}
	return nil
}

// before counts what lies before a client.
func (w *world) before(c *client) (n int) {
	for i := range w.history {
		e := &w.history[i]
		if e.Cursor.Epoch == c.pos.Epoch && e.Cursor.Compare(c.pos) > 0 && e.Cursor.Compare(w.watermark()) <= 0 && c.sees(e) {
			n++
		}
	}
	return n
}

// floorOf is where the log begins for a client.
func (w *world) floorOf(c *client) orgcast.Cursor {
	floor := w.log.floor
	for _, o := range c.spec.Organizations {
		if at := w.log.Floor(o); at.Compare(floor) > 0 {
			floor = at
		}
	}
	return floor
}

// limit is how far a client may be told.
func (w *world) limit(c *client) orgcast.Cursor {
	limit := w.watermark()
	if c.end != nil && c.end.at.Epoch == w.epoch && !c.end.at.IsZero() && c.end.at.Compare(limit) < 0 {
		return c.end.at
	}
	return limit
}

// moves says that a client was told that it has everything up to a place.
func (w *world) moves(c *client, what, id string) {
	to, err := orgcast.ParseCursor(id)
	if err != nil || to.Epoch != c.pos.Epoch || to.Compare(c.pos) < 0 || to.Compare(w.watermark()) > 0 && to != c.pos {
		w.t.Fatalf("%s at %q, the stream is at %v, the watermark at %v", what, id, c.pos, w.watermark())
	}
	if e := w.next(c, to); e != nil {
		w.t.Fatalf("%s at %v skips the event %v", what, to, e.Cursor)
	}
	c.pos = to
}

// take holds one message against the model.
func (w *world) take(c *client, m message) {
	switch {
	case c.done:
		w.t.Fatalf("after the end: %+v", m)
	case !c.greeted:
		w.hello(c, m)
	case m.Type == "":
		if !c.ready {
			w.t.Fatalf("a heartbeat gave a position before ready")
		}
		w.moves(c, "heartbeat", m.id)
	case m.Type == "ready":
		switch {
		case c.ready:
			w.t.Fatalf("ready was said twice")
		case c.confirmed == nil || w.feed != orgcast.FeedLive:
			w.t.Fatalf("ready, but confirmed %v, feed %s", c.confirmed, w.feed)
		case m.id != m.Cursor:
			w.t.Fatalf("ready: id %s, cursor %s", m.id, m.Cursor)
		}
		w.moves(c, "ready", m.id)
		if c.pos.Compare(w.watermark()) > 0 || m.Replayed != c.received {
			w.t.Fatalf("ready at %v, the watermark is %v; replayed %d of %d", c.pos, w.watermark(), m.Replayed, c.received)
		}
		if c.confirmed.Epoch != c.pos.Epoch || c.pos.Compare(*c.confirmed) < 0 {
			w.t.Fatalf("ready at %v, before what was confirmed, %v", c.pos, *c.confirmed)
		}
		c.ready, c.told = true, orgcast.FeedLive
	case m.Type == "status":
		if m.State != w.feed || m.State == c.told {
			w.t.Fatalf("status %s, the feed is %s, told was %s", m.State, w.feed, c.told)
		}
		if m.State == orgcast.FeedLive && (!c.ready || w.next(c, w.limit(c)) != nil) {
			w.t.Fatalf("live was said to a stream that has not all")
		}
		c.told = m.State
	case m.Type == "reset" && m.Reason == string(orgcast.ResetMoved):
		w.event(c, m)
	case m.Type == "reset":
		w.reset(c, m)
	case m.Type == "closing":
		w.close(c, m)
	default:
		w.event(c, m)
	}
}

func (w *world) event(c *client, m message) {
	want := w.next(c, w.limit(c))
	if want == nil || want.Cursor.String() != m.id {
		w.t.Fatalf("event %s at %v, want %+v", m.id, c.pos, want)
	}
	c.pos = want.Cursor
	c.behind++
	if want.Kind == orgcast.KindEvent {
		c.received++
	}
}

func (w *world) hello(c *client, m message) {
	if m.Type != "connection" {
		w.t.Fatalf("first message: %+v", m)
	}
	begin := w.greet(c)
	if m.Cursor != begin.String() || (m.id != "") != (!c.spec.HasResume && !c.spec.Malformed) {
		w.t.Fatalf("hello: %+v, want cursor %v", m, begin)
	}
}

// greet says where a client begins.
func (w *world) greet(c *client) orgcast.Cursor {
	c.greeted, c.told = true, orgcast.FeedLive
	c.pos = w.watermark()
	if resumes := c.spec.HasResume && !c.spec.Malformed; resumes && c.spec.Resume.Epoch == w.epoch &&
		!below(c.spec.Resume, w.floorOf(c)) && !below(c.spec.Resume, c.floor) {
		c.pos = c.spec.Resume
	}
	return c.pos
}

func (w *world) reset(c *client, m message) {
	at := c.pos
	if c.spec.HasResume && c.behind == 0 && !c.ready {
		at = c.spec.Resume
	}
	legit := false
	switch orgcast.ResetReason(m.Reason) {
	case orgcast.ResetMalformed:
		legit = c.spec.Malformed
	case orgcast.ResetEpoch:
		legit = at.Epoch != w.epoch || c.pos.Epoch != w.epoch
	case orgcast.ResetTooOld:
		legit = below(at, w.floorOf(c)) || below(at, c.floor) || below(c.pos, c.loadFloor)
	case orgcast.ResetTooMany:
		// Whoever ends on the way is not told; an end that is still to be dispatched the
		// hub does not know.
		ends := c.end != nil && c.end.at.Compare(w.watermark()) <= 0
		legit = c.behind >= w.config.ReplayEvents || !ends && c.behind+w.before(c) > w.config.ReplayEvents
	case orgcast.ResetAhead:
		legit = c.confirmed != nil && w.feed == orgcast.FeedLive && c.pos.Compare(w.watermark()) > 0
	}
	if !legit {
		w.t.Fatalf("reset %s is not true: stream at %v (resumes at %v), behind %d, log from %v to %v, member since %v",
			m.Reason, c.pos, c.spec.Resume, c.behind, w.floorOf(c), w.watermark(), c.floor)
	}
	if to := w.watermark(); m.Cursor == to.String() {
		c.pos = to
	} else if m.Cursor == c.loaded.String() {
		c.pos = c.loaded
	} else {
		w.t.Fatalf("reset to %s, the watermark is %v", m.Cursor, to)
	}
	if m.id != m.Cursor {
		w.t.Fatalf("reset: id %s, cursor %s", m.id, m.Cursor)
	}
	c.behind, c.lapped = 0, time.Time{}
}

func (w *world) close(c *client, m message) {
	c.done = true
	switch reason := orgcast.ClosingReason(m.Reason); {
	case reason == orgcast.ClosingSessionExpired && !w.now.Before(c.expires):
	case reason == orgcast.ClosingSessionExpired && w.members.asked != nil && !w.now.Before(c.expired):
	case c.end != nil && reason == c.end.reason && m.Organization == c.end.organization:
		if e := w.next(c, w.limit(c)); e != nil && !c.end.at.IsZero() && c.end.at.Epoch == w.epoch {
			w.t.Fatalf("closed at %v for %s before the event %v", c.pos, reason, e.Cursor)
		}
	case w.members.asked != nil && c.end != nil && c.pos.Compare(c.end.at) >= 0 &&
		(reason == orgcast.ClosingMembershipRevoked || reason == orgcast.ClosingLease):
		// The hub is about to mark the stream for several organizations, and it
		// stands behind all of these places: which mark it sees first is open.
	case reason == orgcast.ClosingLease && !w.now.Before(c.stream.lease):
	case reason == orgcast.ClosingSlowConsumer && !c.lapped.IsZero() && w.now.Sub(c.lapped) >= w.config.CatchUp:
	default:
		w.t.Fatalf("closed for %q, want %+v", m.Reason, c.end)
	}
}

// step steps a client once, and loads if that was asked for.
func (w *world) step(c *client) (idle bool) {
	if c.load {
		c.load = false
		c.loaded, c.loadFloor = w.watermark(), w.floorOf(c)
		if err := c.stream.Load(w.t.Context()); err != nil {
			w.t.Fatalf("load: %v", err)
		}
		return false
	}
	if c.confirmed != nil && c.confirmed.Epoch != w.epoch {
		at := w.watermark()
		c.confirmed = &at
	}
	if c.page != nil {
		return w.fill(c)
	}
	st := c.stream.Step(w.now)
	for _, m := range parse(w.t, st.Frames) {
		w.take(c, m)
	}
	if st.Done != c.done {
		w.t.Fatalf("done is %v, the last word was said: %v", st.Done, c.done)
	}
	c.load = st.Load
	if !st.Done && w.members.asked == nil && !w.now.Before(c.expires) {
		w.t.Fatalf("the stream goes on at %v, its session ended at %v", w.now, c.expires)
	}
	if !st.Done && w.members.asked == nil && st.Next.After(c.expires) {
		w.t.Fatalf("the next step is at %v, after the session's end at %v", st.Next, c.expires)
	}
	if st.Done {
		if w.members.asked == nil { // else the hub is in the middle of something
			c.stream.Close()
		}
		return true
	}
	if st.Load || st.More {
		if st.Load && c.ready && c.lapped.IsZero() {
			c.lapped = w.now
		}
		if !c.lapped.IsZero() && w.now.Sub(c.lapped) > w.config.CatchUp+time.Second { // waiting for the log is not counted
			w.t.Fatalf("the stream is behind since %v, now is %v", c.lapped, w.now)
		}
		return false
	}
	c.lapped = time.Time{}
	if w.log.epoch != w.epoch {
		return true // between two epochs nobody can have all
	}
	c.behind = 0
	if c.end != nil && c.end.at.IsZero() {
		w.t.Fatalf("idle, and it was to end at once: %+v", c.end)
	}
	if e := w.next(c, w.limit(c)); e != nil {
		w.t.Fatalf("idle at %v before the event %v", c.pos, e.Cursor)
	}
	if c.end != nil && w.limit(c).Compare(w.watermark()) < 0 {
		w.t.Fatalf("idle behind its end %+v", c.end)
	}
	if w.feed == orgcast.FeedStale && c.told != orgcast.FeedStale {
		w.t.Fatalf("idle, and the feed is stale, and it was not told")
	}
	if w.feed == orgcast.FeedLive && c.confirmed != nil && !c.ready && c.confirmed.Compare(w.watermark()) <= 0 {
		w.t.Fatalf("idle at %v, confirmed at %v, and ready was not said", c.pos, *c.confirmed)
	}
	return true
}

// ends notes that a client's stream is to end: at the earliest place of all its
// organizations, and of one, at the first that is noted.
func (c *client) ends(e end) {
	if c.started && (c.end == nil || c.end.organization != e.organization && e.at.Epoch == c.end.at.Epoch && e.at.Compare(c.end.at) < 0) {
		c.end = &e
	}
}

// judge notes what a changed membership means to its user's streams.
func (w *world) judge(user orgcast.UserID, organization orgcast.OrganizationID, at orgcast.Cursor) {
	for _, c := range w.clients {
		for _, was := range c.members {
			if c.spec.User == user && was.Organization == organization {
				w.judgeOne(c, was, at)
			}
		}
	}
}

func (w *world) judgeAll(at orgcast.Cursor) {
	for _, c := range w.clients {
		for _, was := range c.members {
			w.judgeOne(c, was, at)
		}
	}
}

func (w *world) judgeOne(c *client, was orgcast.Membership, at orgcast.Cursor) {
	if is, ok := w.members.rows[place{was.User, was.Organization}]; !ok {
		c.ends(end{at, was.Organization, orgcast.ClosingMembershipRevoked})
	} else if is.Role != was.Role {
		c.ends(end{at, was.Organization, orgcast.ClosingLease})
	}
}

// judgeSession notes what a changed session means to its streams.
func (w *world) judgeSession(c *client, at orgcast.Cursor) {
	if c.spec.Session.IsZero() || !c.started {
		return
	}
	is, ok := w.members.sessions[c.spec.Session]
	if !ok || is.User != c.spec.User {
		c.ends(end{at, "", orgcast.ClosingSessionExpired})
		return
	}
	c.expires = is.ExpiresAt
}

// drawSession begins, changes or ends a session.
func (w *world) drawSession(id orgcast.SessionID) {
	if rapid.IntRange(0, 2).Draw(w.t, "signed out") == 0 {
		w.members.setSession(id, nil)
		return
	}
	w.members.setSession(id, &orgcast.Session{
		User:      rapid.SampledFrom(users).Draw(w.t, "whose"),
		ExpiresAt: w.now.Add(time.Duration(rapid.IntRange(-10, 3000).Draw(w.t, "expires")) * time.Second),
	})
}
