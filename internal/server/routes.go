package server

import (
	"net/http"
	"slices"
	"strings"
)

// handler answers a request, or returns why it does not.
type handler func(w http.ResponseWriter, r *http.Request) *refusal

// route is one thing that can be asked for. Paths are exact: no patterns, no
// redirects, no second spelling.
type route struct {
	method, path string
	handle       handler
	// body is set where one is taken; the handler bounds it.
	body bool
	// headers are what a page of another origin may send, beyond what it always
	// may.
	headers []string
	// keyed is for application servers, which show a key that no page may hold:
	// what a page sends is refused at the gate, of whichever origin it is.
	keyed bool
	// probe is open to everybody: it tells nothing but a status, and takes no
	// cookie.
	probe bool
	// absent leaves it out: what it needs was not given.
	absent bool
}

// routes is the whole surface.
func (s *Server) routes() []route {
	const stream, cursor, events = "/api/realtime/stream", "/api/realtime/cursor", "/api/realtime/events"
	d := &s.deps
	all := []route{
		{method: http.MethodGet, path: stream, handle: s.stream, headers: []string{"Cache-Control", "Last-Event-ID"}},
		{method: http.MethodPut, path: stream, handle: s.setFilter, body: true, headers: []string{"Content-Type"}, absent: d.Connections == nil},
		{method: http.MethodDelete, path: stream, handle: s.closeStream, absent: d.Connections == nil},
		{method: http.MethodOptions, path: stream, handle: s.preflight},

		{method: http.MethodGet, path: cursor, handle: s.cursor, headers: []string{"Cache-Control"}, absent: d.Positions == nil},
		{method: http.MethodOptions, path: cursor, handle: s.preflight, absent: d.Positions == nil},

		{method: http.MethodGet, path: events, handle: s.events, headers: []string{"Cache-Control"}, absent: d.Pages == nil},
		{method: http.MethodPost, path: events, handle: s.publish, body: true, keyed: true, absent: d.Publisher == nil},
		{method: http.MethodOptions, path: events, handle: s.preflight, absent: d.Pages == nil && d.Publisher == nil},

		{method: http.MethodGet, path: "/healthz", handle: s.healthz, probe: true},
		{method: http.MethodHead, path: "/healthz", handle: s.healthz, probe: true},
		{method: http.MethodGet, path: "/readyz", handle: s.readyz, probe: true},
		{method: http.MethodHead, path: "/readyz", handle: s.readyz, probe: true},
	}
	return slices.DeleteFunc(all, func(r route) bool { return r.absent })
}

// resource is all that can be done with one path. The zero resource is nothing.
type resource struct {
	probe  bool
	routes map[string]route // by method
	// allow is the value of an Allow header; pageMethods and pageHeaders are what
	// a preflight answers.
	allow, pageMethods, pageHeaders string
}

// resources gathers the routes by path. A path is a probe only if all of its
// routes are.
func resources(routes []route) map[string]resource {
	all := map[string]resource{}
	for _, r := range routes {
		e, known := all[r.path]
		if !known {
			e = resource{probe: true, routes: map[string]route{}}
		}
		e.probe = e.probe && r.probe
		e.routes[r.method] = r
		e.allow = listed(e.allow, r.method)
		if !r.keyed {
			e.pageMethods = listed(e.pageMethods, r.method)
		}
		for _, header := range r.headers {
			e.pageHeaders = listed(e.pageHeaders, header)
		}
		all[r.path] = e
	}
	return all
}

// listed is the list with the word behind it, if it has it not yet.
func listed(list, word string) string {
	if slices.Contains(strings.Split(list, ", "), word) {
		return list
	}
	return strings.TrimPrefix(list+", "+word, ", ")
}
