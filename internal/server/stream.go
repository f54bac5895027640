package server

import (
	"net/http"
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
	principal, no := s.principal(r)
	if no != nil {
		return no
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
