package doctor

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// origins tells which pages may connect.
func origins(_ context.Context, s *Scene) []Finding {
	switch {
	case s.config.AnyOrigin:
		s.good("origins: any, because NODE_ENV is development and the listener is on loopback")
	case len(s.config.AllowedOrigins) > 0:
		s.good("origins: " + some(s.config.AllowedOrigins))
	case s.refused["ORGCAST_ORIGINS"] || s.refused["NEXT_PUBLIC_APP_URL"] || s.refused["NODE_ENV"]:
	default:
		return []Finding{found(OriginsNone, "no origin is set: pages are served only through the application's own address, as same-origin requests",
			"set NEXT_PUBLIC_APP_URL, or ORGCAST_ORIGINS to the pages that may connect, as in https://app.example.com")}
	}
	return nil
}

// cookieHost tells whether the application's cookie comes here at all. Browsers
// send it to the host that set it, on any port, and to no other.
func cookieHost(_ context.Context, s *Scene) []Finding {
	app, err := url.Parse(s.config.AppURL)
	if err != nil || app.Hostname() == "" {
		return nil
	}
	here, what := "", ""
	if u, err := url.Parse(s.URL); err == nil && u.Hostname() != "" {
		here, what = u.Hostname(), "the stream"
	} else if host, _, err := net.SplitHostPort(s.config.Listen); err == nil {
		ip, err := netip.ParseAddr(host)
		// A loopback or nameless listener is behind a proxy, or reached by a name
		// that is not known here; but a page on this machine tells that it is not.
		if host != "" && (err != nil || !ip.IsUnspecified()) && local(host) == local(app.Hostname()) {
			here, what = host, "ORGCAST_LISTEN"
		}
	}
	if here == "" || strings.EqualFold(here, app.Hostname()) {
		return nil
	}
	return []Finding{found(CookieHost, what+" is at "+here+", the application at "+app.Hostname()+": its session cookie is for its own host only, and is not sent to another",
		"let pages reach orgcast at "+app.Hostname()+", on another port or through the application's proxy; or give the cookie a domain that both hosts share")}
}

// local tells whether a host is this machine.
func local(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || strings.HasPrefix(host, "/") || err == nil && a.Unmap().IsLoopback()
}
