package hub

import "github.com/oikion/orgcast"

// enlist puts a stream to the others of its session. h.mu is held.
func (h *Hub) enlist(s *Stream) {
	streams := h.sessions[s.spec.Session]
	if streams == nil {
		streams = map[*Stream]struct{}{}
		h.sessions[s.spec.Session] = streams
	}
	streams[s] = struct{}{}
}

// delist takes it away again. h.mu is held.
func (h *Hub) delist(s *Stream) {
	streams := h.sessions[s.spec.Session]
	delete(streams, s)
	if len(streams) == 0 {
		delete(h.sessions, s.spec.Session)
	}
}

// changeSession marks the streams that a changed session ends, at its place, and
// tells those that it does not end when it will. h.mu is held.
func (h *Hub) changeSession(wake []*Stream, c *orgcast.SessionChange) []*Stream {
	if !c.Everybody {
		return h.judgeSession(wake, c.ID, c.Cursor)
	}
	for id := range h.sessions {
		wake = h.judgeSession(wake, id, c.Cursor)
	}
	return wake
}

// judgeSession judges the streams of one session anew, as of at. h.mu is held.
func (h *Hub) judgeSession(wake []*Stream, id orgcast.SessionID, at orgcast.Cursor) []*Stream {
	for s := range h.sessions[id] {
		if s.started && s.judgeSession(at) {
			wake = append(wake, s)
		}
	}
	return wake
}

// judgeSession ends the stream after at if its session is no more, or another
// user's; else it takes over when the session ends. It tells whether there is
// something to do before the driver comes by itself: a stream whose session was
// extended is not woken, and finds out when it would have ended. Hub.mu is held.
func (s *Stream) judgeSession(at orgcast.Cursor) (wake bool) {
	session, ok := s.hub.members.Session(s.spec.Session)
	if !ok || session.User != s.spec.User {
		s.endAfter(at, "", orgcast.ClosingSessionExpired)
		return true
	}
	sooner := session.ExpiresAt.Before(*s.expires.Load())
	s.expires.Store(&session.ExpiresAt)
	return sooner
}
