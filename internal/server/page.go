package server

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/oikion/orgcast"
)

// events answers with a page: catch-up, and long poll. It is checked, counted
// and filtered as a stream is.
func (s *Server) events(w http.ResponseWriter, r *http.Request) *refusal {
	var places places
	defer places.release()
	if no := s.admit(r, &places); no != nil {
		return no
	}
	principal, no := s.principal(r)
	if no != nil {
		return no
	}
	asked, want, no := parsePage(r.URL.RawQuery)
	if no != nil {
		return no
	}
	asked.Principal = principal
	members, no := s.members(r.Context(), principal.User, asked.Organizations)
	if no != nil {
		return no
	}
	if no := s.count(principal.User, asked.Organizations, &places); no != nil {
		return no
	}
	page, no := s.page(r, asked, members, want)
	if no != nil {
		return no
	}
	s.json(w, http.StatusOK, pageTimeout, page.parts()...)
	return nil
}

// page gets the page, and holds it back if a membership is not what it was
// before: a stream is known to who ends streams, and would have been told; a
// page is not.
func (s *Server) page(r *http.Request, asked StreamRequest, members []orgcast.Membership, want PageRequest) (Page, *refusal) {
	if end := asked.Principal.ExpiresAt; !end.IsZero() {
		want.Wait = max(0, min(want.Wait, time.Until(end)))
	}
	ctx, cancel := context.WithTimeout(r.Context(), want.Wait+pageSlack)
	defer cancel()
	defer context.AfterFunc(s.drained, cancel)()
	// Who waits here has a stream's place, and is bounded by it.
	s.conns.streaming(r.Context())
	defer s.conns.back(r.Context())
	page, err := s.deps.Pages.Page(ctx, asked, members, want)
	if err != nil {
		if s.draining() {
			return Page{}, draining
		}
		return Page{}, s.failed(r, pageUnreadable, err)
	}
	if !asked.Principal.Session.IsZero() {
		// A session of the database may have been ended meanwhile.
		if again, no := s.principal(r); no != nil {
			return Page{}, no
		} else if again.Session != asked.Principal.Session || again.User != asked.Principal.User {
			return Page{}, unauthorized
		}
	}
	now, no := s.members(r.Context(), asked.Principal.User, asked.Organizations)
	if no != nil {
		return Page{}, no
	}
	if !slices.Equal(now, members) {
		return Page{}, unconfirmed
	}
	return page, nil
}

// parts is the answer's text. Events are not copied: a page may be large.
func (p Page) parts() [][]byte {
	end := append([]byte(`],"cursor":"`), p.Cursor.String()...)
	if p.Reset == "" {
		end = append(end, `","reset":null}`...)
	} else {
		end = append(end, `","reset":"`+p.Reset+`"}`...)
	}
	parts := make([][]byte, 0, 2*len(p.Events)+2)
	parts = append(parts, []byte(`{"events":[`))
	for i, event := range p.Events {
		if i > 0 {
			parts = append(parts, []byte{','})
		}
		parts = append(parts, event)
	}
	return append(parts, end)
}
