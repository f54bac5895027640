package server

import (
	"context"
	"net/http"
	"time"

	"github.com/oikion/orgcast"
)

// principal is row 3: who is asking, by the session's cookie.
func (s *Server) principal(r *http.Request) (orgcast.Principal, *refusal) {
	principal, err := s.deps.Sessions.Authenticate(r.Header["Cookie"], time.Now())
	if err != nil || principal.User == "" {
		if hook := s.deps.Hooks.Unauthenticated; hook != nil {
			hook(err)
		}
		return orgcast.Principal{}, unauthorized
	}
	return principal, nil
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
	err := s.deps.Forced.Wait(wait)
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
