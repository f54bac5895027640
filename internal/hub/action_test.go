package hub

import (
	"bytes"
	"slices"
	"time"

	"github.com/oikion/orgcast"
	"pgregory.net/rapid"
)

// commit commits one transaction, and lets other things happen between the room
// that knows it first and the one that knows it last.
func (w *world) commit() {
	t := w.t
	commit := w.end + orgcast.LSN(rapid.IntRange(0, 20).Draw(t, "gap"))
	finish := commit + orgcast.LSN(rapid.IntRange(2, 30).Draw(t, "length"))
	var events []orgcast.Event
	var changes []orgcast.MemberChange
	var sessions []orgcast.SessionChange
	for _, c := range w.clients {
		c.expired = c.expires
	}
	index := uint64(0)
	at := func() orgcast.Cursor {
		index += uint64(rapid.IntRange(1, 9).Draw(t, "index"))
		return orgcast.Cursor{Epoch: w.epoch, LSN: commit, Index: index}
	}
	for range rapid.IntRange(0, 6).Draw(t, "events") {
		c := at()
		o := rapid.SampledFrom(append(organizations, orgcast.Everyone)).Draw(t, "organization")
		switch rapid.IntRange(0, 11).Draw(t, "what") {
		case 10, 11:
			if rapid.IntRange(0, 9).Draw(t, "truncate sessions") == 0 {
				clear(w.members.sessions)
				sessions = append(sessions, orgcast.SessionChange{Cursor: c, Everybody: true})
				break
			}
			id := rapid.SampledFrom(sessionIDs).Draw(t, "session")
			w.drawSession(id)
			sessions = append(sessions, orgcast.SessionChange{Cursor: c, ID: id})
		case 0:
			events = append(events, makeEvent(c, o, orgcast.KindReset, 0, orgcast.Audience{}, 0))
		case 1:
			w.changeMember(c, &events, &changes, commit)
		case 2:
			if rapid.IntRange(0, 9).Draw(t, "truncate") == 0 {
				clear(w.members.rows)
				changes = append(changes, orgcast.MemberChange{Cursor: c, Everybody: true})
				o = orgcast.Everyone
			}
			fallthrough
		default:
			var a orgcast.Audience
			if rapid.IntRange(0, 3).Draw(t, "narrow") == 0 {
				a.User = rapid.SampledFrom(users).Draw(t, "for")
			}
			if rapid.IntRange(0, 3).Draw(t, "named") == 0 {
				a.Users = rapid.SliceOfN(rapid.SampledFrom(users), 1, 2).Draw(t, "forUsers")
			}
			if rapid.IntRange(0, 3).Draw(t, "ranked") == 0 {
				a.Roles = []string{rapid.SampledFrom(roles).Draw(t, "forRole")}
			}
			typ := rapid.SampledFrom([]orgcast.EventType{orgcast.DataSync, orgcast.PropertyUpdate, orgcast.NotificationNew}).Draw(t, "type")
			events = append(events, makeEvent(c, o, orgcast.KindEvent, typ, a, rapid.IntRange(0, 600).Draw(t, "size")))
		}
	}
	w.log.append(events...)
	w.history = append(w.history, events...)
	given := events
	lapped := rapid.IntRange(0, 9).Draw(t, "lapped") == 0
	if lapped {
		parts := rapid.IntRange(0, len(events)).Draw(t, "stored in parts")
		if given = events[parts:]; parts > 0 {
			if again := rapid.IntRange(0, parts).Draw(t, "told, and begun again"); again > 0 {
				w.hub.Part(events[:again], true)
			}
			half := rapid.IntRange(1, parts).Draw(t, "first part")
			w.hub.Part(events[:half], true)
			w.meanwhile()
			w.hub.Part(events[half:parts], false)
		}
	}
	w.meanwhile()
	for _, c := range slices.Backward(changes) {
		if c.Everybody {
			w.judgeAll(c.Cursor)
			continue
		}
		for _, m := range []*orgcast.Member{c.Before, c.After} {
			if m != nil {
				w.judge(m.User, m.Organization, c.Cursor)
			}
		}
	}
	for _, s := range slices.Backward(sessions) {
		for _, c := range w.clients {
			if s.Everybody || s.ID == c.spec.Session {
				w.judgeSession(c, s.Cursor)
			}
		}
	}
	// Good only during the call.
	given = slices.Clone(given)
	for i := range given {
		given[i].Frame = bytes.Clone(given[i].Frame)
		given[i].Audience.Users = slices.Clone(given[i].Audience.Users)
	}
	// A stream is stepped also between what is put on the tails and the watermark.
	w.members.asked = w.stepAny
	w.hub.Dispatch(finish, given, changes, sessions, lapped)
	w.members.asked = nil
	for i := range given {
		clear(given[i].Frame)
		clear(given[i].Audience.Users)
	}
	w.end = finish
}

// changeMember lets somebody join, leave or change his role.
func (w *world) changeMember(c orgcast.Cursor, events *[]orgcast.Event, changes *[]orgcast.MemberChange, commit orgcast.LSN) {
	t := w.t
	p := place{rapid.SampledFrom(users).Draw(t, "who"), rapid.SampledFrom(organizations).Draw(t, "where")}
	role := rapid.SampledFrom(roles).Draw(t, "role")
	was, ok := w.members.rows[p]
	change := orgcast.MemberChange{Cursor: c}
	typ := orgcast.MemberJoin
	switch {
	case !ok:
		w.members.set(p, role, commit)
		change.After = member(w.members.rows[p])
	case rapid.Bool().Draw(t, "leaves"):
		w.members.unset(p)
		change.Before, typ = member(was), orgcast.MemberLeave
	case rapid.Bool().Draw(t, "second row"):
		// The newer row counts.
		w.members.set(p, role, commit)
		change.After = member(w.members.rows[p])
	default:
		w.members.set(p, role, was.Since)
		change.Before, change.After, typ = member(was), member(w.members.rows[p]), orgcast.OrganizationChange
	}
	*changes = append(*changes, change)
	*events = append(*events, makeEvent(c, p.organization, orgcast.KindEvent, typ, orgcast.Audience{}, 30))
}

// open does the next of the three steps in which a stream is opened.
func (w *world) open() {
	t := w.t
	for _, c := range w.clients {
		switch {
		case c.done || c.started:
		case c.members == nil:
			for _, o := range c.spec.Organizations {
				m, ok := w.members.rows[place{c.spec.User, o}]
				if !ok {
					c.done = true
					c.stream.Close()
					return
				}
				c.members = append(c.members, m)
			}
			return
		default:
			w.start(c)
			return
		}
	}
	spec := Spec{User: rapid.SampledFrom(users).Draw(t, "user"), ExpiresAt: w.now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "expires")) * time.Second)}
	if rapid.Bool().Draw(t, "database session") {
		// It may have ended, or have become another's, since it was found.
		spec.Session = rapid.SampledFrom(sessionIDs).Draw(t, "session")
	}
	spec.Organizations = rapid.SampledFrom([][]orgcast.OrganizationID{{"a"}, {"ab"}, {"b"}, {"a", "b"}, {"ab", "a"}, {"a", "ab", "b"}}).Draw(t, "organizations")
	if rapid.IntRange(0, 3).Draw(t, "filtered") == 0 {
		spec.Filter.AddType(rapid.SampledFrom([]orgcast.EventType{orgcast.DataSync, orgcast.PropertyUpdate}).Draw(t, "only"))
	}
	switch rapid.IntRange(0, 5).Draw(t, "resume") {
	case 0, 1:
		if n := len(w.history); n > 0 {
			spec.HasResume, spec.Resume = true, w.history[rapid.IntRange(max(0, n-40), n-1).Draw(t, "at event")].Cursor
		}
	case 2:
		back := rapid.IntRange(-40, 300).Draw(t, "back")
		spec.HasResume, spec.Resume = true, orgcast.Cursor{
			Epoch: w.epoch, LSN: orgcast.LSN(max(0, int(w.end)-back)), Index: rapid.Uint64Max(50).Draw(t, "index"),
		}
	case 3:
		if rapid.IntRange(0, 3).Draw(t, "broken") == 0 {
			spec.Malformed = true
		} else if rapid.IntRange(0, 3).Draw(t, "foreign") == 0 {
			spec.HasResume, spec.Resume = true, orgcast.Cursor{Epoch: w.epoch + 100, LSN: w.end}
		}
	}
	c := &client{stream: w.hub.Register(spec), spec: spec, expires: spec.ExpiresAt}
	if rapid.IntRange(0, 3).Draw(t, "answers once") == 0 {
		c.page = &Page{
			Limit:    rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "limit"),
			MaxBytes: rapid.SampledFrom([]int{1, 1000, 1 << 20}).Draw(t, "bytes"),
		}
	}
	if w.closing {
		c.end = &end{reason: orgcast.ClosingShutdown}
	}
	w.clients = append(w.clients, c)
}

func (w *world) start(c *client) {
	c.started = true
	since := orgcast.LSN(0)
	for _, was := range c.members {
		since = max(since, was.Since)
		switch is, ok := w.members.rows[place{c.spec.User, was.Organization}]; {
		case !ok:
			c.ends(end{orgcast.Cursor{}, was.Organization, orgcast.ClosingMembershipRevoked})
		case is != was:
			c.ends(end{orgcast.Cursor{}, was.Organization, orgcast.ClosingLease})
		}
	}
	w.judgeSession(c, orgcast.Cursor{})
	c.floor = orgcast.Position(w.epoch, since)
	c.stream.Start(c.members, w.now, func() {})
}

// begin begins a new epoch, whose positions may be higher or lower.
func (w *world) begin() {
	t := w.t
	w.log.epoch, w.log.floor, w.log.events = 0, orgcast.Cursor{}, nil
	w.meanwhile()
	epoch := w.epoch + 1
	start := orgcast.LSN(rapid.IntRange(1, 3000).Draw(t, "start"))
	w.log.epoch, w.log.floor = epoch, orgcast.Position(epoch, start)
	w.meanwhile()
	for _, u := range users {
		for _, o := range organizations {
			w.members.unset(place{u, o})
			if rapid.IntRange(0, 3).Draw(t, "member") > 0 {
				w.members.set(place{u, o}, rapid.SampledFrom(roles).Draw(t, "role"), 0)
			}
		}
	}
	for _, id := range sessionIDs {
		w.drawSession(id)
	}
	w.epoch, w.end = epoch, start
	w.judgeAll(w.watermark())
	for _, c := range w.clients {
		w.judgeSession(c, w.watermark())
	}
	w.hub.Reset(epoch, start)
}

// meanwhile lets something happen in the middle of something else.
func (w *world) meanwhile() {
	for range rapid.IntRange(0, 2).Draw(w.t, "meanwhile") {
		switch rapid.IntRange(0, 4).Draw(w.t, "which") {
		case 0, 1:
			w.open()
		case 2:
			w.setFilter()
		default:
			w.stepAny()
		}
	}
}

func (w *world) stepAny() {
	var running []*client
	for _, c := range w.clients {
		if c.started && !c.done {
			running = append(running, c)
		}
	}
	if len(running) > 0 {
		w.step(rapid.SampledFrom(running).Draw(w.t, "who"))
	}
}

func (w *world) act() {
	t := w.t
	switch n := rapid.IntRange(0, 108).Draw(t, "action"); {
	case n < 30:
		w.commit()
	case n < 45:
		w.open()
	case n < 80:
		w.stepAny()
	case n < 83:
		w.end += orgcast.LSN(rapid.IntRange(1, 50).Draw(t, "idle"))
		w.hub.Advance(w.end)
	case n < 86:
		if k := len(w.log.events); k > 0 {
			floor := w.log.events[rapid.IntRange(0, k-1).Draw(t, "retire")].Cursor
			if floor.Compare(w.log.floor) > 0 && floor.Compare(w.watermark()) <= 0 {
				w.log.floor = floor
				w.log.events = slices.DeleteFunc(w.log.events, func(e orgcast.Event) bool { return e.Cursor.Compare(floor) <= 0 })
			}
		}
	case n < 90:
		w.feed = rapid.SampledFrom([]orgcast.FeedState{orgcast.FeedLive, orgcast.FeedStale}).Draw(t, "feed")
		w.hub.SetFeed(w.feed, w.now)
	case n < 95:
		w.confirm()
	case n < 97:
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "seconds")) * time.Second)
	case n < 98:
		w.begin()
	case n < 99:
		for _, c := range w.clients {
			if !c.done && c.started {
				c.stream.Close()
				c.done = true
				break
			}
		}
	case n < 104:
		w.setFilter()
	case n < 105:
		w.endOwn()
	case n < 106:
		w.kick()
	case n < 108:
		if w.log.epoch == w.epoch {
			organization := rapid.SampledFrom(organizations).Draw(t, "purged")
			w.log.purge(organization, w.watermark())
			w.meanwhile()
			w.hub.Forget(organization)
		}
	}
}

func (w *world) confirm() {
	for _, c := range w.clients {
		if c.started && !c.done && c.confirmed == nil && rapid.Bool().Draw(w.t, "confirm") {
			at := w.watermark()
			c.confirmed = &at
			c.stream.Confirmed()
		}
	}
}

// settle steps every stream until it has nothing to do.
func (w *world) settle() {
	for _, c := range w.clients {
		for i := 0; c.started && !c.done && !w.step(c); i++ {
			if i > 10_000 {
				w.t.Fatalf("a stream does not come to rest")
			}
		}
	}
}
