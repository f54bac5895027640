package hub

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oikion/orgcast"
)

// Log is where events are read that are no longer on a tail.
type Log interface {
	Read(ctx context.Context, organization orgcast.OrganizationID, after, upTo orgcast.Cursor, fn func(*orgcast.Event) bool) error
	// Floor is the lowest cursor that a client of the organization can come back with.
	// It may lie above what is stored.
	Floor(organization orgcast.OrganizationID) orgcast.Cursor
}

// Members tells who belongs where, and which sessions of the database there are, as of the last transaction.
type Members interface {
	Membership(orgcast.UserID, orgcast.OrganizationID) (orgcast.Membership, bool)
	Name(orgcast.OrganizationID) string
	Session(orgcast.SessionID) (orgcast.Session, bool)
}

// Config is what bounds the hub. Zero fields get the default.
type Config struct {
	// TailBytes bounds one organization's tail; 256 KiB.
	TailBytes int
	// TotalBytes bounds all tails together; 64 MiB.
	TotalBytes int
	// ReplayEvents bounds what one stream may be behind, in events, give or take a
	// step; 10,000.
	ReplayEvents int
	// Heartbeat is the longest silence; 15 s.
	Heartbeat time.Duration
	// Lease is how long a stream lives, ± 20%; 15 min.
	Lease time.Duration
	// CatchUp is how long a live stream that fell off its tail may take until it has
	// everything again; 30 s. What it waits for the log is not counted.
	CatchUp time.Duration
	// StepBytes bounds what one step hands out; 256 KiB.
	StepBytes int
	Hooks     Hooks
}

// Hooks tells the world what the hub does. Each may be nil.
type Hooks struct {
	// Opened and Closed are called for every stream that was started. Closed
	// gives the reason for which it was ended, [ClosedPage] for one that was not
	// and filled a page, or "" if the client left.
	Opened func()
	Closed func(reason string)
	// Delivered counts events handed out to streams.
	Delivered func(events int)
	// Replayed counts events that a stream was behind when it was opened.
	Replayed func(events int)
	// Reset counts resets, by reason.
	Reset func(reason orgcast.ResetReason)
}

// mark is how far the feed has come.
type mark struct {
	epoch orgcast.Epoch
	end   orgcast.LSN
}

func (m mark) cursor() orgcast.Cursor { return orgcast.Position(m.epoch, m.end) }

// feedState is what is told about the feed.
type feedState struct {
	state orgcast.FeedState
	since time.Time
}

// Hub fans events out to streams.
type Hub struct {
	log     Log
	members Members
	config  Config

	watermark atomic.Pointer[mark]
	feed      atomic.Pointer[feedState]
	waking    []*Stream // reused by Dispatch
	born      time.Time
	stamp     stamp // of the transaction at hand; the feed's

	mu        sync.Mutex
	tails     map[orgcast.OrganizationID]*tail
	tailBytes int    // of all tails
	round     uint64 // counts the dispatches
	streams   map[*Stream]struct{}
	ids       map[string]*Stream
	// sessions holds the streams of every session of the database.
	sessions map[orgcast.SessionID]map[*Stream]struct{}
	shutdown bool
	unknown  bool // who belongs where: see Suspend
}

// New returns a hub that is not at any position yet: see [Hub.Reset].
func New(log Log, members Members, config Config) *Hub {
	config.TailBytes = cmp.Or(config.TailBytes, 256<<10)
	config.TotalBytes = cmp.Or(config.TotalBytes, 64<<20)
	config.ReplayEvents = cmp.Or(config.ReplayEvents, 10_000)
	config.Heartbeat = cmp.Or(config.Heartbeat, 15*time.Second)
	config.Lease = cmp.Or(config.Lease, 15*time.Minute)
	config.CatchUp = cmp.Or(config.CatchUp, 30*time.Second)
	config.StepBytes = cmp.Or(config.StepBytes, 256<<10)
	h := &Hub{
		log: log, members: members, config: config, tails: map[orgcast.OrganizationID]*tail{}, streams: map[*Stream]struct{}{}, ids: map[string]*Stream{},
		sessions: map[orgcast.SessionID]map[*Stream]struct{}{}, born: time.Now(),
	}
	h.watermark.Store(&mark{})
	h.feed.Store(&feedState{state: orgcast.FeedStale})
	return h
}

// Reset puts the hub at a position where nothing is known of what was before:
// at the start, and when a new epoch begins. Streams of another epoch are told
// to refetch; those whose user no longer belongs, or whose session is no more, are
// closed.
func (h *Hub) Reset(epoch orgcast.Epoch, end orgcast.LSN) {
	h.mu.Lock()
	h.unknown = false
	m := mark{epoch, end}
	for _, t := range h.tails {
		t.lap(m.cursor())
	}
	h.recheck(m.cursor())
	for id := range h.sessions {
		h.judgeSession(nil, id, m.cursor())
	}
	h.watermark.Store(&m)
	wake := h.all(nil)
	h.mu.Unlock()
	wakeAll(wake)
}

// Dispatch hands out one committed transaction. changes are what it did to
// memberships, sessions what it did to sessions; [Members] knows both already.
// lapped says that events does not
// hold all, see [Hub.Part]: the streams read the transaction from the log. Dispatch,
// Part, Advance and Reset are the feed's: they are called by one goroutine.
func (h *Hub) Dispatch(end orgcast.LSN, events []orgcast.Event, changes []orgcast.MemberChange, sessions []orgcast.SessionChange, lapped bool) {
	h.mu.Lock()
	m := mark{h.watermark.Load().epoch, end}
	h.stamp.dispatched = time.Since(h.born)
	wake := h.waking[:0]
	if lapped {
		h.lapWhole(events, *h.watermark.Load(), m)
		wake = h.all(wake)
	} else {
		wake = h.append(wake, events)
	}
	// Backwards, since the first mark stays: who left, came and left again is to
	// see the last of it.
	for i := len(changes) - 1; i >= 0; i-- {
		wake = h.change(wake, &changes[i])
	}
	for i := len(sessions) - 1; i >= 0; i-- {
		wake = h.changeSession(wake, &sessions[i])
	}
	h.watermark.Store(&m)
	h.mu.Unlock()
	wakeAll(wake)
	clear(wake)
	h.waking = wake[:0]
	h.stamp = stamp{}
}

// Advance raises the watermark where there was nothing to hand out.
func (h *Hub) Advance(end orgcast.LSN) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watermark.Store(&mark{h.watermark.Load().epoch, end})
}

// append puts events on the tails and gathers whom to wake. h.mu is held.
func (h *Hub) append(wake []*Stream, events []orgcast.Event) []*Stream {
	h.round++
	put := func(t *tail, e *orgcast.Event) {
		t.append(e)
		if t.round != h.round {
			t.round = h.round
			for s := range t.streams {
				wake = append(wake, s)
			}
		}
	}
	for i := range events {
		e := &events[i]
		if e.Organization == orgcast.Everyone {
			for _, t := range h.tails {
				put(t, e)
				h.trim()
			}
			continue
		}
		if t := h.tails[e.Organization]; t != nil {
			put(t, e)
			h.trim()
		}
	}
	return wake
}

// trim holds all tails together within their bound: each gives up its oldest
// chunk in turn, beginning anywhere, so that no quiet one keeps what a busy one
// needs.
func (h *Hub) trim() {
	for h.tailBytes > h.config.TotalBytes {
		for _, t := range h.tails {
			if t.shrink(); h.tailBytes <= h.config.TotalBytes {
				return
			}
		}
	}
}

// change marks the streams that a changed membership ends. h.mu is held.
func (h *Hub) change(wake []*Stream, c *orgcast.MemberChange) []*Stream {
	if c.Everybody {
		h.recheck(c.Cursor)
		return h.all(wake)
	}
	// A second row for one membership may bring another role, so that who comes
	// is judged as who leaves.
	for _, m := range []*orgcast.Member{c.Before, c.After} {
		if m == nil || h.tails[m.Organization] == nil {
			continue
		}
		for s := range h.tails[m.Organization].streams {
			if s.spec.User == m.User && h.judge(s, m.Organization, c.Cursor) {
				wake = append(wake, s)
			}
		}
	}
	return wake
}

// recheck judges every stream anew, as of at.
func (h *Hub) recheck(at orgcast.Cursor) {
	for s := range h.streams {
		for _, organization := range s.spec.Organizations {
			h.judge(s, organization, at)
		}
	}
}

// judge ends a stream after at if its user no longer belongs to the
// organization. One whose role has changed ends too, and comes back: what it may
// see is decided by the role of when it opened. One that is not started is judged
// by [Stream.Start].
func (h *Hub) judge(s *Stream, organization orgcast.OrganizationID, at orgcast.Cursor) (ends bool) {
	if !s.started {
		return false
	}
	m, ok := h.members.Membership(s.spec.User, organization)
	switch {
	case !ok:
		s.endAfter(at, organization, orgcast.ClosingMembershipRevoked)
		return true
	case s.roleChanged(m):
		s.endAfter(at, organization, orgcast.ClosingLease)
		return true
	}
	return false
}

// SetFeed says whether the feed is live. Streams that had been told otherwise
// are told.
func (h *Hub) SetFeed(state orgcast.FeedState, since time.Time) {
	h.mu.Lock()
	if h.feed.Load().state == state {
		h.mu.Unlock()
		return
	}
	h.feed.Store(&feedState{state, since})
	wake := h.all(nil)
	h.mu.Unlock()
	wakeAll(wake)
}

// Suspend ends every stream, and those that are still to start, until the next
// Reset: it is not known any more who belongs where. They are welcome back.
func (h *Hub) Suspend() {
	h.mu.Lock()
	h.unknown = true
	wake := h.all(nil)
	for _, s := range wake {
		s.close(orgcast.ClosingLease)
	}
	h.mu.Unlock()
	wakeAll(wake)
}

// Shutdown ends every stream, and those that are still to come.
func (h *Hub) Shutdown() {
	h.mu.Lock()
	h.shutdown = true
	wake := h.all(nil)
	for _, s := range wake {
		s.shutDown(h.watermark.Load())
	}
	h.mu.Unlock()
	wakeAll(wake)
}

// Position is how far the feed has come.
func (h *Hub) Position() orgcast.Cursor { return h.watermark.Load().cursor() }

// Streams is how many streams are registered.
func (h *Hub) Streams() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.streams)
}

// all appends every stream to list. h.mu is held.
func (h *Hub) all(list []*Stream) []*Stream {
	list = slices.Grow(list, len(h.streams))
	for s := range h.streams {
		list = append(list, s)
	}
	return list
}

// wakeAll wakes outside of the hub's lock: a driver's wake may be slow.
func wakeAll(streams []*Stream) {
	for _, s := range streams {
		s.Wake()
	}
}
