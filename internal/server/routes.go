package server

import (
	"net/http"
	"strings"
)

// handler answers a request, or returns why it does not.
type handler func(w http.ResponseWriter, r *http.Request) *refusal

// route is one thing that can be asked for. Paths are exact: no patterns, no
// redirects, no second spelling.
type route struct {
	method, path string
	handle       handler
	// probe is open to everybody: it tells nothing but a status, and takes no
	// cookie.
	probe bool
}

// routes is the whole surface.
func (s *Server) routes() []route {
	return []route{
		{method: http.MethodGet, path: "/api/realtime/stream", handle: s.stream},
		{method: http.MethodOptions, path: "/api/realtime/stream", handle: s.preflight},

		{method: http.MethodGet, path: "/healthz", handle: s.healthz, probe: true},
		{method: http.MethodHead, path: "/healthz", handle: s.healthz, probe: true},
		{method: http.MethodGet, path: "/readyz", handle: s.readyz, probe: true},
		{method: http.MethodHead, path: "/readyz", handle: s.readyz, probe: true},
	}
}

// resource is all that can be done with one path.
type resource struct {
	probe   bool
	allow   string // the value of an Allow header
	handles map[string]handler
}

// resources gathers the routes by path. A path is a probe only if all of its
// routes are.
func resources(routes []route) map[string]*resource {
	all := map[string]*resource{}
	for _, r := range routes {
		e := all[r.path]
		if e == nil {
			e = &resource{probe: true, handles: map[string]handler{}}
			all[r.path] = e
		}
		e.probe = e.probe && r.probe
		e.handles[r.method] = r.handle
		e.allow = strings.TrimPrefix(e.allow+", "+r.method, ", ")
	}
	return all
}
