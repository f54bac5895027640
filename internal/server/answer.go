package server

import (
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
)

// answer takes one request: gate, bounds, route.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	s.conns.answering(r.Context())
	defer s.recovered(w, r)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Cookie, Origin")
	if s.draining() {
		h.Set("Connection", "close")
	}
	if no := s.dispatch(w, r); no != nil {
		s.refuse(w, r, no)
	}
}

func (s *Server) dispatch(w http.ResponseWriter, r *http.Request) *refusal {
	var asked resource
	if r.URL.RawPath == "" { // else the path is spelt in another way
		asked = s.resources[r.URL.Path]
	}
	route := asked.routes[r.Method]
	if !asked.probe {
		origin, ok := s.gate.admits(r.Header)
		if !ok || route.keyed && fromPage(r.Header) {
			return notAllowed
		}
		if origin != "" {
			allow(w.Header(), origin)
		}
	}
	switch {
	case r.ContentLength != 0 && !route.body:
		return bodyRefused
	case len(r.URL.RawQuery) > maxQuery:
		return queryTooLong
	case asked.routes == nil:
		return notFound
	case route.handle == nil:
		w.Header().Set("Allow", asked.allow)
		return methodRefused
	}
	return route.handle(w, r)
}

// recovered answers for a handler that panicked. [http.ErrAbortHandler] is let
// through: it cuts the connection of an answer that has begun.
func (s *Server) recovered(w http.ResponseWriter, r *http.Request) {
	v := recover()
	switch {
	case v == nil:
		return
	case v == http.ErrAbortHandler:
		panic(v)
	}
	s.report(v)
	s.refuse(w, r, panicked)
}

// report logs a panic. Only what the runtime says is printed: any other value
// may hold what no log may.
func (s *Server) report(v any) {
	value := fmt.Sprintf("%T", v)
	if e, ok := v.(runtime.Error); ok {
		value = e.Error()
	}
	s.logger.Error("handler panicked", "value", value, "stack", string(debug.Stack()))
	if hook := s.deps.Hooks.Panicked; hook != nil {
		hook()
	}
}
