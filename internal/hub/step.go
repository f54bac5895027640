package hub

import (
	"math/rand/v2"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/plant"
	"github.com/oikion/orgcast/internal/sse"
)

// Step is what a driver does next: write Frames, in order and soon, then, in
// this order: stop if Done; load if Load; step again if More;
// else wait for a wake or for Next.
//
// Frames are good until the next step; those of tails and log for ever.
type Step struct {
	Frames [][]byte
	// Newest is of the newest event in Frames, on a stream that is live.
	Newest Stamp
	Next   time.Time
	Done   bool
	Load   bool
	More   bool
}

// Step says what there is to do at now. It does no I/O and does not block.
func (s *Stream) Step(now time.Time) (st Step) {
	feed, upTo, end := s.look(now)
	expires := *s.expires.Load()
	over := s.over(end, upTo, now)
	finishes := over != nil && s.finishes(over, upTo, now)
	if finishes {
		upTo = minCursor(upTo, s.finish.Load().cursor())
	}
	if (over == nil || finishes) && s.cursor.Compare(upTo) < 0 && !s.stranded {
		s.flush(&st)
		runs, reached, ok := s.collect(upTo, len(s.parts) == 1 && !plant.ReplayOffByOne)
		switch {
		case ok:
			s.handOut(&st, runs, reached)
			st.More = s.cursor.Compare(upTo) < 0
		case s.tooMany(upTo, end):
			s.reset(orgcast.ResetTooMany, upTo)
		default:
			st.Load = true
			if s.phase == phaseLive && s.lapped.IsZero() {
				s.lapped = now
			}
		}
	}
	if over := s.over(end, upTo, now); over != nil {
		s.farewell(over, upTo, now)
		s.flush(&st)
		st.Done = true
		return st
	}
	pending := st.Load || st.More || s.stranded
	if !pending {
		s.lapped = time.Time{}
		s.live(feed)
	}
	s.status(feed, pending)
	if len(st.Frames) > 0 || len(s.control) > 0 {
		s.beat = now.Add(s.hub.config.Heartbeat)
	} else if !now.Before(s.beat) {
		s.beat = now.Add(s.hub.config.Heartbeat)
		reached := orgcast.Cursor{}
		if s.phase == phaseLive && s.cursor.Compare(upTo) >= 0 {
			reached = s.cursor
		}
		s.control = sse.AppendHeartbeat(s.control, now, reached)
	}
	s.flush(&st)
	st.Next = s.beat
	for _, t := range []time.Time{s.lease, expires} {
		if t.Before(st.Next) {
			st.Next = t
		}
	}
	return st
}

// look finds out how far the stream may go now, and where it begins if it is
// new.
func (s *Stream) look(now time.Time) (feed *feedState, upTo orgcast.Cursor, end *end) {
	// What is said of the feed must be true of what was handed out, so the feed
	// first; then the watermark, then the end: see the order law.
	feed = s.hub.feed.Load()
	confirmed := s.confirmed.Load()
	watermark := s.hub.watermark.Load()
	upTo = watermark.cursor()
	end = s.end.Load()
	if s.passes = *s.filter.Load(); s.passes != s.loadedWith {
		// What was left out of what is loaded may be wanted now: nothing of it was passed yet.
		s.loaded = nil
	}
	if s.phase == phaseNew {
		s.greet(now, upTo)
	}
	if s.cursor.Epoch != upTo.Epoch {
		s.reset(orgcast.ResetEpoch, upTo)
	}
	if confirmed != nil && confirmed.epoch != watermark.epoch {
		// What had been passed in the other epoch lies before this one's beginning.
		s.confirmed.CompareAndSwap(confirmed, watermark)
	}
	if end != nil && end.at.Epoch == upTo.Epoch && end.at.Compare(upTo) < 0 {
		upTo = end.at
	}
	return feed, upTo, end
}

// flush moves what was made for this client alone behind what is to be written.
func (s *Stream) flush(st *Step) {
	if len(s.control) > 0 {
		st.Frames = append(st.Frames, s.control)
		s.control = nil
	}
}

// greet says hello, and decides where the stream begins.
func (s *Stream) greet(now time.Time, watermark orgcast.Cursor) {
	s.phase = phaseBehind
	s.told = orgcast.FeedLive
	begin := watermark
	hello := sse.Hello{
		RetryMS: 1000 + rand.IntN(3001), Time: now, Channel: s.passes.ChannelLabel(),
		User: s.spec.User, ConnectionID: s.id, Scope: s.spec.Scope,
	}
	for _, p := range s.parts {
		hello.Organizations = append(hello.Organizations, sse.Organization{ID: p.organization, Name: p.name})
	}
	var reason orgcast.ResetReason
	resume := s.spec.Resume
	switch {
	case s.spec.Malformed:
		reason = orgcast.ResetMalformed
	case !s.spec.HasResume:
		hello.Fresh = true
	case resume.Epoch != watermark.Epoch:
		reason = orgcast.ResetEpoch
	case s.retired(resume) || below(resume, s.floor):
		reason = orgcast.ResetTooOld
	default:
		begin = resume
	}
	s.cursor, hello.Cursor = begin, begin
	s.control = sse.AppendHello(s.control, &hello)
	if reason != "" {
		s.reset(reason, watermark)
	}
}

// retired tells whether the log has given up, of one of the organizations, what
// lies after a cursor.
func (s *Stream) retired(c orgcast.Cursor) bool {
	for i := range s.parts {
		if below(c, s.hub.log.Floor(s.parts[i].organization)) {
			return true
		}
	}
	return false
}

// below tells whether a cursor lies below a floor. A floor of another epoch, in
// the moment before [Hub.Reset], says nothing of it.
func below(c, floor orgcast.Cursor) bool { return c.Epoch == floor.Epoch && c.Compare(floor) < 0 }

// reset tells the client to refetch, and goes on from the watermark.
func (s *Stream) reset(reason orgcast.ResetReason, watermark orgcast.Cursor) {
	s.cursor = watermark
	s.loaded, s.behind, s.stranded, s.broken, s.lapped = nil, 0, false, reason, time.Time{}
	s.control = sse.AppendReset(s.control, reason, s.cursor)
	if hook := s.hub.config.Hooks.Reset; hook != nil {
		hook(reason)
	}
}

// over tells whether, and why, the stream ends now.
func (s *Stream) over(e *end, upTo orgcast.Cursor, now time.Time) *end {
	switch {
	case e != nil && (e.at.IsZero() || e.at.Epoch != upTo.Epoch || s.cursor.Compare(e.at) >= 0):
		return e
	case !now.Before(*s.expires.Load()):
		return &end{reason: orgcast.ClosingSessionExpired}
	case !now.Before(s.lease):
		return &end{reason: orgcast.ClosingLease}
	case !s.lapped.IsZero() && now.Sub(s.lapped) >= s.hub.config.CatchUp:
		// It is asked what is next, so that it took what came before: it can be told.
		return &end{reason: orgcast.ClosingSlowConsumer}
	}
	return nil
}

// finishes tells whether a live stream is given what it may have still before it
// ends, so that it comes back as one that missed nothing.
func (s *Stream) finishes(e *end, upTo orgcast.Cursor, now time.Time) bool {
	finish := s.finish.Load()
	return finish != nil && e.reason == orgcast.ClosingShutdown && s.phase == phaseLive && finish.epoch == upTo.Epoch && now.Before(*s.expires.Load())
}

// farewell says why the stream ends and when to come back; and, to who is to come
// back, how far he got: what he missed may be more than can be told by then.
func (s *Stream) farewell(e *end, upTo orgcast.Cursor, now time.Time) {
	if e.reason.Reconnect() && s.phase == phaseLive && s.cursor.Compare(upTo) >= 0 {
		s.control = sse.AppendHeartbeat(s.control, now, s.cursor)
	}
	retry := rand.IntN(1000)
	switch e.reason {
	case orgcast.ClosingShutdown, orgcast.ClosingSlowConsumer:
		retry = 1000 + rand.IntN(3001) // spread over what a restart takes; and who is slow is in no hurry
	}
	s.reason = string(e.reason)
	s.control = sse.AppendClosing(s.control, sse.Closing{Reason: e.reason, Organization: e.organization, RetryMS: retry})
}

// fresh tells whether all that was there is handed out and known to be all that
// the database had when the client came. A cursor that lies beyond that is reset.
func (s *Stream) fresh(feed *feedState) bool {
	confirmed := s.confirmed.Load()
	if confirmed == nil || confirmed.epoch != s.cursor.Epoch || feed.state != orgcast.FeedLive || s.cursor.Compare(confirmed.cursor()) < 0 {
		return false
	}
	if s.ahead() {
		s.reset(orgcast.ResetAhead, s.hub.Position())
	}
	return true
}

// ahead tells whether the stream stands where its client put it, beyond where
// the feed is.
func (s *Stream) ahead() bool {
	return s.spec.HasResume && s.cursor == s.spec.Resume && s.cursor.Compare(s.hub.Position()) > 0
}

// live says `ready` when the stream is fresh for the first time.
func (s *Stream) live(feed *feedState) {
	s.behind = 0
	if s.phase == phaseLive || !s.fresh(feed) && !plant.ReadyEarly {
		return
	}
	s.phase, s.told = phaseLive, orgcast.FeedLive
	s.control = sse.AppendReady(s.control, s.cursor, s.replay)
	if hook := s.hub.config.Hooks.Replayed; hook != nil {
		hook(s.replay)
	}
}

// status tells that the feed went stale, or that it is live again: the latter
// only to a stream that was live, and has all.
func (s *Stream) status(feed *feedState, pending bool) {
	if feed.state == s.told || feed.state == orgcast.FeedLive && (pending || s.phase != phaseLive) {
		return
	}
	s.told = feed.state
	s.control = sse.AppendStatus(s.control, feed.state, feed.since)
}

// jitter is d ± share.
func jitter(d time.Duration, share float64) time.Duration {
	return time.Duration(float64(d) * (1 - share + 2*share*rand.Float64()))
}
