package doctor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	proxyPatience = 15 * time.Second // serve holds a request for up to some seconds until it is ready
	maxAnswer     = 4 << 10
)

// proxy asks for the stream as a browser would, but without a cookie: what must
// come back is orgcast's own 401, through everything that lies between.
func proxy(ctx context.Context, s *Scene) []Finding {
	if s.URL == "" {
		return nil
	}
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return []Finding{found(ProxyUnreachable, "--url is no address of a stream", "write it as in https://app.example.com/api/realtime/stream")}
	}
	ctx, cancel := context.WithTimeout(ctx, proxyPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return failed("ask for the stream", err)
	}
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Accept-Encoding", "gzip, br") // as a browser: what a proxy would compress must show
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	if err != nil {
		return []Finding{found(ProxyUnreachable, u.Host+" does not answer: "+plain(err), "check the address, its certificate, and that the proxy runs")}
	}
	defer answer.Body.Close()
	// One byte more, so that a longer body is not taken for ours.
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return []Finding{found(ProxyUnreachable, u.Host+" breaks off its answer: "+plain(err), "look at the proxy's log")}
	}
	out := answered(answer.StatusCode, answer.Header, string(body))
	if len(out) == 0 {
		s.good("proxy: " + u.Host + " leads to orgcast, which asks for a session; nothing is compressed or stripped on the way")
	}
	return out
}

// answered judges the answer.
func answered(status int, h http.Header, body string) []Finding {
	const path = "send the path /api/realtime/stream to ORGCAST_LISTEN, before anything of the application's sees it"
	says := fmt.Sprintf("the stream's address answers %d", status)
	switch {
	case status >= 300 && status < 400:
		return []Finding{found(ProxyRedirects, says+": the application sends those without a session to its sign-in page, and a stream would follow",
			"leave /api/realtime/stream out of the application's middleware (its matcher)")}
	case status == http.StatusServiceUnavailable && strings.HasPrefix(body, "Service Unavailable: "):
		return []Finding{found(ProxyNotReady, says+": orgcast is there and not ready", "see what orgcast logs, and /readyz on its operator's address")}
	case status >= 500:
		return []Finding{found(ProxyNoUpstream, says+": the proxy has no orgcast behind it", "start orgcast, and check the address that the proxy has of it; Next.js freezes rewrites at build time")}
	case status != http.StatusUnauthorized:
		return []Finding{found(ProxyNotOrgcast, says+" to a request without a session, where orgcast answers 401", path)}
	case h.Get("Content-Encoding") != "":
		return []Finding{found(ProxyCompresses, "the proxy compresses what comes from orgcast ("+h.Get("Content-Encoding")+"): a stream that is compressed is held back",
			"switch compression off for /api/realtime/stream")}
	// An application's own route may well have the same words; not these headers.
	case body != "Unauthorized" || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") ||
		h.Get("X-Content-Type-Options") != "nosniff" && !strings.Contains(h.Get("Cache-Control"), "no-store"):
		return []Finding{found(ProxyNotOrgcast, says+", but not in orgcast's words: it is likely a route or middleware of the application's", path)}
	case !strings.Contains(h.Get("Cache-Control"), "no-store"):
		return []Finding{found(ProxyHeaders, "the proxy takes or replaces Cache-Control, with which a stream says no-transform: Next.js and others then compress it and hold it back",
			"let Cache-Control and X-Accel-Buffering of orgcast's answers through as they are")}
	}
	return nil
}
