package server

import (
	"context"
	"net/http"
)

// cursor tells a position that everything committed before the request is at or
// before. A page that takes it, reads its rows and opens a stream from it has
// missed nothing and is told little twice.
func (s *Server) cursor(w http.ResponseWriter, r *http.Request) *refusal {
	var places places
	defer places.release()
	if no := s.admit(r, &places); no != nil {
		return no
	}
	principal, no := s.principal(r)
	if no != nil {
		return no
	}
	organizations, no := parseCursorQuery(r.URL.RawQuery)
	if no != nil {
		return no
	}
	if _, no = s.members(r.Context(), principal.User, organizations); no != nil {
		return no
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.config.BarrierWait)
	defer cancel()
	err := s.deps.Barrier.Wait(ctx)
	if err != nil {
		return s.failed(r, positionUnknown, err)
	}
	at, err := s.deps.Positions.Position(ctx)
	if err != nil {
		return s.failed(r, positionUnknown, err)
	}
	s.json(w, http.StatusOK, writeTimeout, []byte(`{"cursor":"`), at.Append(nil), []byte(`"}`))
	return nil
}
