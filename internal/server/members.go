package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/oikion/orgcast"
)

// principal is row 3: who is asking, by the session's cookie.
func (s *Server) principal(r *http.Request) (orgcast.Principal, *refusal) {
	principal, err := s.deps.Sessions.Authenticate(r.Header["Cookie"], time.Now())
	if errors.Is(err, orgcast.ErrUnknownSession) {
		var no *refusal
		if principal, no, err = s.principalLater(r); no != nil {
			return orgcast.Principal{}, no
		}
	}
	if err != nil || principal.User == "" {
		if hook := s.deps.Hooks.Unauthenticated; hook != nil {
			hook(err)
		}
		return orgcast.Principal{}, unauthorized
	}
	return principal, nil
}

// principalLater asks again once the feed has caught up: who has just signed in
// has a cookie before the feed has his session, and a 401 is final for a client.
// Where it can't be made sure of, the answer is "later".
//
// Nobody is known yet, so that failures are counted for the address. A proxy's
// has no ration: everybody behind it would have one together. There, as
// everywhere, all who wait at one time share the database's answer, and connects
// have a rate.
func (s *Server) principalLater(r *http.Request) (orgcast.Principal, *refusal, error) {
	address, limited := s.failureAddress(r)
	if limited && s.unknown.spent(address, time.Now()) {
		return orgcast.Principal{}, sessionRate, nil
	}
	wait, cancel := context.WithTimeout(r.Context(), s.config.BarrierWait)
	defer cancel()
	unsure := s.deps.Barrier.Wait(wait)
	principal, err := s.deps.Sessions.Authenticate(r.Header["Cookie"], time.Now())
	if err == nil {
		return principal, nil, nil
	}
	if r.Context().Err() != nil {
		return orgcast.Principal{}, clientGone, nil
	}
	if limited {
		s.unknown.allow(address, time.Now()) // a full table remembers no more: the session is refused all the same
	}
	if unsure == nil || !errors.Is(err, orgcast.ErrUnknownSession) {
		return orgcast.Principal{}, nil, err
	}
	if hook := s.deps.Hooks.Unconfirmed; hook != nil {
		hook(unsure)
	}
	return orgcast.Principal{}, sessionLater, nil
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
