package server

import "net/http"

// healthz says that the process answers.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) *refusal {
	w.WriteHeader(http.StatusOK)
	return nil
}

// readyz says whether the feed is fresh, by its status alone: the reason is the
// operator's, on his own listener.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) *refusal {
	if s.draining() || s.deps.Feed.Fresh() != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return nil
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// preflight answers a browser that asks whether it may ask. It promises
// nothing: the call itself passes the gate again.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request) *refusal {
	h := w.Header()
	asked := s.resources[r.URL.Path]
	h.Set("Allow", asked.allow)
	if len(r.Header["Origin"]) > 0 {
		h.Set("Access-Control-Allow-Methods", asked.pageMethods)
		h.Set("Access-Control-Allow-Headers", asked.pageHeaders)
		h.Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
