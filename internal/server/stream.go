package server

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/oikion/orgcast"
)

// stream opens a stream. Its lines are the rows of the contract's table, in
// their order.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) *refusal {
	var places places
	defer places.release()
	if no := s.admit(r, &places); no != nil {
		return no
	}
	principal, err := s.deps.Sessions.Authenticate(r.Header["Cookie"], time.Now())
	if err != nil || principal.User == "" {
		if hook := s.deps.Hooks.Unauthenticated; hook != nil {
			hook(err)
		}
		return unauthorized
	}
	asked, no := parseStream(r.URL.RawQuery, r.Header)
	if no != nil {
		return no
	}
	asked.Principal = principal
	// Registered first, checked second: a removal that comes after the check
	// finds the stream, and one that came before it is seen by the check.
	registration := s.deps.Streams.Register(asked)
	defer registration.Close()
	members, no := s.members(r.Context(), principal.User, asked.Organizations)
	if no != nil {
		return no
	}
	if no := s.count(principal.User, asked.Organizations, &places); no != nil {
		return no
	}
	s.serve(w, r, registration, members)
	return nil
}

// places is what a request holds of the limits.
type places []func()

// release gives back all that was taken until now, also if it was deferred
// before.
func (p *places) release() {
	for _, release := range *p {
		release()
	}
}

// take remembers a place that was acquired, or says that there was none.
func (p *places) take(release func(), err error) bool {
	if err != nil {
		return false
	}
	*p = append(*p, release)
	return true
}

// admit is row 2. Places are taken before the wait for the feed, so that those
// who wait are bounded too. A node that is full is the server's fault (503), an
// address that has enough is the client's (429).
func (s *Server) admit(r *http.Request, places *places) *refusal {
	if s.draining() {
		return draining
	}
	limits := s.deps.Limits
	// The address first: one that has enough must not use up the node's connects.
	if address, ok := limitedAddress(r.RemoteAddr); ok && !places.take(limits.AcquireAddress(address)) {
		return addressLimit
	}
	if limits.Connect(time.Now()) != nil {
		return connectRate
	}
	if !places.take(limits.AcquireNode()) {
		return nodeLimit
	}
	select {
	case <-s.deps.Feed.Ready():
		return nil
	default:
	}
	timer := time.NewTimer(s.config.ReadyWait)
	defer timer.Stop()
	select {
	case <-s.deps.Feed.Ready():
		return nil
	case <-s.drain:
		return draining
	case <-r.Context().Done():
		return clientGone
	case <-timer.C:
		return neverReady
	}
}

// limitedAddress is the peer's address, if streams from it are to be counted.
// A loopback or private peer is a proxy that stands for everybody.
func limitedAddress(remote string) (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Addr{}, false // a Unix socket: a local peer
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, false
	}
	address = address.Unmap()
	return address, !address.IsLoopback() && !address.IsPrivate() && !address.IsLinkLocalUnicast()
}

// members is row 5: the user's memberships, or why there is no access.
func (s *Server) members(ctx context.Context, user orgcast.UserID, ids []orgcast.OrganizationID) ([]orgcast.Membership, *refusal) {
	members, ok := s.look(user, ids)
	if ok {
		return members, nil
	}
	// Perhaps the feed is merely behind. A 403 is final for a client, so where
	// it can't be made sure of, the answer is "later".
	if !s.asks.allow(user, time.Now()) {
		return nil, barrierRate
	}
	wait, cancel := context.WithTimeout(ctx, s.config.BarrierWait)
	defer cancel()
	err := s.deps.Barrier.Wait(wait)
	if members, ok = s.look(user, ids); ok {
		return members, nil
	}
	switch {
	case err == nil:
		return nil, notMember
	case ctx.Err() != nil:
		return nil, clientGone
	}
	if hook := s.deps.Hooks.Unconfirmed; hook != nil {
		hook(err)
	}
	return nil, unconfirmed
}

// look finds the user's membership of every organization, or says that one is
// missing.
func (s *Server) look(user orgcast.UserID, ids []orgcast.OrganizationID) ([]orgcast.Membership, bool) {
	members := make([]orgcast.Membership, 0, len(ids))
	for _, id := range ids {
		if id == orgcast.Everyone { // no organization, whoever says so
			return nil, false
		}
		m, ok := s.deps.Access.Membership(user, id)
		if !ok {
			return nil, false
		}
		members = append(members, m)
	}
	return members, true
}

// count is row 6.
func (s *Server) count(user orgcast.UserID, ids []orgcast.OrganizationID, places *places) *refusal {
	if !places.take(s.deps.Limits.AcquireUser(user)) {
		return userLimit
	}
	for _, id := range ids {
		if !places.take(s.deps.Limits.AcquireOrganization(id)) {
			return organizationLimit
		}
	}
	return nil
}

// serve sets the stream's headers and hands the request over.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, registration Registration, members []orgcast.Membership) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	// Without no-transform Next.js gzips the stream and holds it back; without
	// no-store a service worker may keep it.
	h.Set("Cache-Control", "no-store, no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
	if r.ProtoMajor == 1 {
		// The answer ends with the connection: HAProxy holds chunks back.
		h.Set("Connection", "close")
		h.Set("Transfer-Encoding", "identity")
	}
	// The server's write timeout would end the stream: from here on each write
	// has a deadline of its own. If it can't be set the first write tells.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	s.conns.streaming(r.Context())
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler {
				s.report(v)
				if hook := s.deps.Hooks.Refused; hook != nil {
					hook(ReasonPanic)
				}
			}
			panic(http.ErrAbortHandler) // the answer has begun: cut it
		}
	}()
	registration.Serve(w, r, members)
}
