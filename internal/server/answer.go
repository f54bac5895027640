package server

import (
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"
)

// answer takes one request: gate, bounds, route.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	defer s.recovered(w)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Cookie, Origin")
	if s.draining() {
		h.Set("Connection", "close")
	}
	if no := s.dispatch(w, r); no != nil {
		s.refuse(w, no)
	}
}

func (s *Server) dispatch(w http.ResponseWriter, r *http.Request) *refusal {
	var asked *resource
	if r.URL.RawPath == "" { // else the path is spelt in another way
		asked = s.resources[r.URL.Path]
	}
	if asked == nil || !asked.probe {
		origin, ok := s.gate.admits(r.Header)
		if !ok {
			return notAllowed
		}
		if origin != "" {
			allow(w.Header(), origin)
		}
	}
	if r.ContentLength != 0 {
		// What is not read must not be taken for the next request. Nor is it waited
		// for: net/http reads on after an answer, and would do so for ever.
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // only a dead connection has none
		return bodyRefused
	}
	if len(r.URL.RawQuery) > maxQuery {
		return queryTooLong
	}
	if asked == nil {
		return notFound
	}
	handle := asked.handles[r.Method]
	if handle == nil {
		w.Header().Set("Allow", asked.allow)
		return methodRefused
	}
	return handle(w, r)
}

// recovered answers for a handler that panicked. [http.ErrAbortHandler] is let
// through: it cuts the connection of an answer that has begun.
func (s *Server) recovered(w http.ResponseWriter) {
	v := recover()
	switch {
	case v == nil:
		return
	case v == http.ErrAbortHandler:
		panic(v)
	}
	s.report(v)
	s.refuse(w, panicked)
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
