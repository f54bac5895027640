package server

import (
	"net/http"
	"time"

	"github.com/oikion/orgcast"
)

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

// admit is row 2 of what counts as a stream. Places are taken before the wait
// for the feed, so that those who wait are bounded too. A node that is full is
// the server's fault (503), an address that has enough is the client's (429).
func (s *Server) admit(r *http.Request, places *places) *refusal {
	if s.draining() {
		return draining
	}
	limits := s.deps.Limits
	// The address first: one that has enough must not use up the node's connects.
	if c := s.client(r); c.limited && !places.take(limits.AcquireAddress(c.address)) {
		return addressLimit
	}
	if no := s.connect(r); no != nil {
		return no
	}
	if !places.take(limits.AcquireNode()) {
		return nodeLimit
	}
	return s.awaitReady(r)
}

// admitOwner is row 2 of a call about a stream that is open. It takes no place:
// on a full node, too, one's own stream can be closed. The rate of connects is
// for it as well, because it is what bounds the sessions that are looked at.
func (s *Server) admitOwner(r *http.Request) *refusal {
	if s.draining() {
		return draining
	}
	if no := s.connect(r); no != nil {
		return no
	}
	return s.awaitReady(r)
}

// connect takes one of the node's connects of this second. A storm of strangers can
// use them up: there are as many again for who shows a valid session, and only
// then is a session looked at before its row.
func (s *Server) connect(r *http.Request) *refusal {
	now := time.Now()
	if s.deps.Limits.Connect(now) == nil {
		return nil
	}
	principal, err := s.deps.Sessions.Authenticate(r.Header["Cookie"], now)
	if err != nil || principal.User == "" || s.deps.Limits.ConnectKnown(now) != nil {
		return connectRate
	}
	return nil
}

// awaitReady holds a request while the feed has never been ready.
func (s *Server) awaitReady(r *http.Request) *refusal {
	if s.draining() {
		return draining
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
	case <-s.drained.Done():
		return draining
	case <-r.Context().Done():
		return clientGone
	case <-timer.C:
		return neverReady
	}
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
