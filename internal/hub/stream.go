package hub

import (
	"crypto/rand"
	"encoding/base64"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oikion/orgcast"
)

// Spec is what a client asked for.
type Spec struct {
	User  orgcast.UserID
	Scope string
	// Session is the stream's session in the application's database; zero if it is
	// all in the cookie.
	Session       orgcast.SessionID
	Organizations []orgcast.OrganizationID
	// Filter is the one to begin with: see [Hub.SetFilter].
	Filter orgcast.Filter
	// Resume is the client's cursor, if HasResume; Malformed says that it sent
	// something else in its place.
	Resume    orgcast.Cursor
	HasResume bool
	Malformed bool
	// ExpiresAt is when the session ends, tolerance included. That of a Session is
	// as [Members] knows it from then on.
	ExpiresAt time.Time
}

// Stream is one client's place. All methods but Wake and Confirmed are for the
// one driver that serves it.
type Stream struct {
	hub  *Hub
	spec Spec
	id   string

	// Set from outside, read by the driver.
	end       atomic.Pointer[end]
	confirmed atomic.Pointer[mark]
	// finish is how far a live stream may be given what it has not got yet, before
	// the end of the process ends it; nil: nothing.
	finish  atomic.Pointer[mark]
	expires atomic.Pointer[time.Time]
	filter  atomic.Pointer[orgcast.Filter]
	wake    atomic.Pointer[func()]

	// parts is fixed by Start; its roles are read by the hub, under Hub.mu.
	parts []part
	// floor is where the user's present memberships begin: no replay reaches
	// behind it.
	floor orgcast.Cursor

	phase      phase
	cursor     orgcast.Cursor
	told       orgcast.FeedState // what the client was told of the feed
	lease      time.Time
	beat       time.Time      // when the next heartbeat is due
	behind     int            // events handed out since the stream was last up to date
	replay     int            // of them, before ready
	passes     orgcast.Filter // the filter of the step at hand
	loaded     []run          // read from the log, not handed out yet
	loadedTo   orgcast.Cursor
	loadedWith orgcast.Filter      // what it was read with
	runs       []run               // room for what is collected
	control    []byte              // what is made for this client alone
	broken     orgcast.ResetReason // the last reset that was made
	lapped     time.Time           // since when, as [Config.CatchUp] counts it, the live stream is off its tail; zero: it is not
	// stranded says that the log has begun another epoch, so that what the
	// stream has not got yet is gone: Hub.Reset, which comes, ends that.
	stranded bool

	started bool
	once    sync.Once
	reason  string // why it was closed, for the hooks
}

// phase is how far a stream is with its opening words.
type phase uint8

const (
	phaseNew    phase = iota // nothing was said
	phaseBehind              // greeted, not yet known to be live
	phaseLive                // ready was said
)

// part is what a stream follows of one organization.
type part struct {
	organization orgcast.OrganizationID
	name         string
	role         string
	tail         *tail
}

// end is where a stream stops.
type end struct {
	// at is the last place that may be sent; zero: at once.
	at           orgcast.Cursor
	organization orgcast.OrganizationID
	reason       orgcast.ClosingReason
}

// Register puts a stream on the tails of its organizations: what comes from now
// on is kept for it. It is to be closed.
func (h *Hub) Register(spec Spec) *Stream {
	var random [16]byte
	rand.Read(random[:])
	s := &Stream{hub: h, spec: spec, id: base64.RawURLEncoding.EncodeToString(random[:]), passes: spec.Filter}
	s.filter.Store(&spec.Filter)
	s.expires.Store(&spec.ExpiresAt)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams[s] = struct{}{}
	h.ids[s.id] = s
	if !spec.Session.IsZero() {
		h.enlist(s)
	}
	for _, organization := range spec.Organizations {
		t := h.tails[organization]
		if t == nil {
			t = &tail{hub: h, streams: map[*Stream]struct{}{}, floor: h.watermark.Load().cursor()}
			h.tails[organization] = t
		}
		t.streams[s] = struct{}{}
		s.parts = append(s.parts, part{organization: organization, tail: t})
	}
	if h.shutdown {
		s.close(orgcast.ClosingShutdown)
	}
	return s
}

// Start fixes what the stream may see: members are the memberships that were
// found, in the order of its organizations. What has changed since they were
// found ends the stream at once, as does the end of its session. wake is called, from any goroutine and often,
// when there may be something to do.
func (s *Stream) Start(members []orgcast.Membership, now time.Time, wake func()) {
	s.hub.mu.Lock()
	if s.hub.unknown {
		s.close(orgcast.ClosingLease) // what was found is known no more
	}
	var since orgcast.LSN
	for i, m := range members {
		p := &s.parts[i]
		p.role, p.name = m.Role, s.hub.members.Name(m.Organization)
		since = max(since, m.Since)
		switch present, ok := s.hub.members.Membership(s.spec.User, m.Organization); {
		case !ok:
			s.endAfter(orgcast.Cursor{}, m.Organization, orgcast.ClosingMembershipRevoked)
		case present != m:
			s.endAfter(orgcast.Cursor{}, m.Organization, orgcast.ClosingLease)
		}
	}
	s.floor = orgcast.Position(s.hub.watermark.Load().epoch, since)
	s.started = true
	if !s.spec.Session.IsZero() {
		s.judgeSession(orgcast.Cursor{})
	}
	s.hub.mu.Unlock()
	s.wake.Store(&wake)
	s.lease = now.Add(jitter(s.hub.config.Lease, 0.2))
	if hook := s.hub.config.Hooks.Opened; hook != nil {
		hook()
	}
}

// Close takes the stream off the tails. It may be called again.
func (s *Stream) Close() {
	s.once.Do(func() {
		h := s.hub
		h.mu.Lock()
		delete(h.streams, s)
		delete(h.ids, s.id)
		h.delist(s)
		for _, p := range s.parts {
			delete(p.tail.streams, s)
			if len(p.tail.streams) == 0 && h.tails[p.organization] == p.tail {
				p.tail.lap(orgcast.Cursor{})
				delete(h.tails, p.organization)
			}
		}
		h.mu.Unlock()
		if hook := h.config.Hooks.Closed; hook != nil && s.started {
			hook(s.reason)
		}
	})
}

// ID is the connection's id: 128 random bits.
func (s *Stream) ID() string { return s.id }

// Wake tells the driver to step.
func (s *Stream) Wake() {
	if wake := s.wake.Load(); wake != nil {
		(*wake)()
	}
}

// Confirmed says that the feed has passed, since the stream was opened, the
// position that the database had then: what the stream has up to the watermark
// is fresh.
func (s *Stream) Confirmed() {
	s.confirmed.Store(s.hub.watermark.Load())
	s.Wake()
}

// endAfter stops the stream after at, unless it is to stop already: at the
// earliest place of all its organizations, and of one, at the first that is
// named. Hub.mu is held, so that two never race.
func (s *Stream) endAfter(at orgcast.Cursor, organization orgcast.OrganizationID, reason orgcast.ClosingReason) {
	if e := s.end.Load(); e == nil || e.organization != organization && at.Epoch == e.at.Epoch && at.Compare(e.at) < 0 {
		s.end.Store(&end{at, organization, reason})
	}
}

// close stops the stream where it is, and tells whether it does: one that is to
// end without coming back ends as it was to. Hub.mu is held.
func (s *Stream) close(reason orgcast.ClosingReason) bool {
	if e := s.end.Load(); e != nil && !e.reason.Reconnect() {
		return false
	}
	s.end.Store(&end{reason: reason})
	return true
}

// shutDown stops the stream as the process ends, at a watermark up to which it was
// judged. Hub.mu is held.
func (s *Stream) shutDown(upTo *mark) {
	if s.end.Load() != nil {
		s.close(orgcast.ClosingShutdown) // what it may see ends before
		return
	}
	s.finish.Store(upTo)
	s.end.Store(&end{reason: orgcast.ClosingShutdown})
}

// roleChanged tells whether the stream was started with another role. Hub.mu is
// held.
func (s *Stream) roleChanged(m orgcast.Membership) bool {
	for _, p := range s.parts {
		if p.organization == m.Organization {
			return p.role != m.Role
		}
	}
	return false
}
