package server

import (
	"net/http"
	"net/url"
	"slices"
)

// gate decides which pages may call. It is one for every call, and reads
// nothing but the headers that a browser sets and a page can't.
type gate struct {
	origins map[string]bool
	any     bool
}

func newGate(origins []string, any bool) gate {
	g := gate{origins: make(map[string]bool, len(origins)), any: any}
	for _, o := range origins {
		g.origins[o] = true
	}
	delete(g.origins, "null")
	delete(g.origins, "")
	return g
}

// admits tells whether the request comes from the application's own page or
// from a listed origin. origin is the one to be allowed by CORS; empty if the
// request names none.
func (g gate) admits(h http.Header) (origin string, ok bool) {
	// A page's own requests for data are `cors` (fetch, EventSource) or
	// `same-origin`. Navigations and no-cors loads (images, scripts, frames) carry
	// cookies and often no Origin: nothing here is for them.
	if !oneOf(h, "Sec-Fetch-Mode", "cors", "same-origin") || !oneOf(h, "Sec-Fetch-Dest", "empty") {
		return "", false
	}
	values := h["Origin"]
	switch len(values) {
	case 0:
		return "", oneOf(h, "Sec-Fetch-Site", "same-origin")
	case 1:
		origin = values[0]
		return origin, g.origins[origin] || g.any && isOrigin(origin)
	}
	return "", false
}

// fromPage tells whether anything says that a page asks. Node's fetch, which
// is no page, sends Sec-Fetch-Mode alone.
func fromPage(h http.Header) bool {
	return len(h["Origin"]) > 0 || len(h["Sec-Fetch-Site"]) > 0
}

// oneOf tells whether the header is absent, or once there with one of values.
func oneOf(h http.Header, name string, values ...string) bool {
	got := h[name]
	return len(got) == 0 || len(got) == 1 && slices.Contains(values, got[0])
}

// isOrigin tells whether s is an origin as a browser writes it, and not `null`.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && u.Host != "" && u.Scheme+"://"+u.Host == s
}

// allow sets what a browser needs to show the answer, also a refusal, to a page
// of another origin.
func allow(h http.Header, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", "Retry-After")
}
