package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/oikion/orgcast"
)

// Config is how the listener is reached.
type Config struct {
	// Address is what is listened on, host:port.
	Address string
	// Token, if not empty, must come with every call. Off loopback, without one,
	// every call is refused.
	Token string
	// Hosts are Host headers that are answered besides the address itself. One
	// without a port stands for every port.
	Hosts []string
}

// Deps is what is shown.
type Deps struct {
	// Fresh is nil while the change feed is fresh, else the reason that it is not.
	Fresh func() error
	// Gatherer has the metrics.
	Gatherer prometheus.Gatherer
	// Stats tells the figures of GET /api/realtime/stats; nil leaves it out.
	Stats func() Stats
	// Kick ends the streams of a user, of an organization or, if neither is empty,
	// of the user in the organization, and tells how many, for POST
	// /api/realtime/kick; nil leaves it out.
	Kick func(orgcast.UserID, orgcast.OrganizationID) int
	// Purge removes an organization's events from the log, for POST
	// /api/realtime/purge; nil leaves it out. ErrNotYet: there is no log yet.
	Purge func(context.Context, orgcast.OrganizationID) (Purged, error)
	// Tail is the log that GET /api/realtime/tail follows; nil leaves it out.
	// TailEnded, if set, counts every tail that ended or was refused.
	Tail      Log
	TailEnded func(TailEnd)
	// Explain knows what GET /api/realtime/explain tells; nil leaves it out.
	Explain *Explainer
	// Refused, if set, counts every call that was refused.
	Refused func(Reason)
}

// Reason is why a call was refused.
type Reason string

// The reasons.
const (
	ReasonHost   Reason = "host"
	ReasonOrigin Reason = "origin"
	ReasonToken  Reason = "token"
)

// New returns the operator's handler.
func New(config Config, deps Deps) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := deps.Fresh(); err != nil {
			text(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		text(w, http.StatusOK, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(deps.Gatherer, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	if deps.Stats != nil {
		mux.HandleFunc("GET /api/realtime/stats", stats(deps.Stats))
	}
	if deps.Kick != nil {
		mux.HandleFunc("POST /api/realtime/kick", kick(deps.Kick))
	}
	if deps.Purge != nil {
		mux.HandleFunc("POST /api/realtime/purge", purge(deps.Purge))
	}
	if deps.Tail != nil {
		mux.Handle("GET /api/realtime/tail", newTails(deps.Tail, deps.TailEnded))
	}
	if deps.Explain != nil {
		mux.Handle("GET /api/realtime/explain", deps.Explain)
	}
	return newGate(config, deps.Refused, mux)
}

// gate stands before every call.
type gate struct {
	hosts []string
	// token is the hash of the right one, so that comparing takes the same time
	// whatever its length.
	token      [sha256.Size]byte
	needsToken bool
	hasToken   bool
	refused    func(Reason)
	next       http.Handler
}

func newGate(config Config, refused func(Reason), next http.Handler) *gate {
	g := &gate{
		token: sha256.Sum256([]byte(config.Token)), hasToken: config.Token != "",
		needsToken: config.Token != "" || !loopback(config.Address),
		refused:    refused, next: next,
	}
	for _, h := range config.Hosts {
		g.hosts = append(g.hosts, strings.ToLower(h))
	}
	host, port, err := net.SplitHostPort(config.Address)
	if err != nil {
		return g
	}
	if loopback(config.Address) {
		for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
			g.hosts = append(g.hosts, net.JoinHostPort(name, port))
		}
	}
	if a, err := netip.ParseAddr(host); host != "" && (err != nil || !a.IsUnspecified()) {
		g.hosts = append(g.hosts, strings.ToLower(config.Address))
	}
	return g
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	switch {
	case !g.knows(r.Host):
		g.refuse(w, ReasonHost, http.StatusMisdirectedRequest, "Misdirected Request: Host not configured")
	case len(r.Header["Origin"]) > 0:
		g.refuse(w, ReasonOrigin, http.StatusForbidden, "Forbidden: Not for web pages")
	case !g.authorized(r.Header["Authorization"]):
		h.Set("WWW-Authenticate", "Bearer")
		g.refuse(w, ReasonToken, http.StatusUnauthorized, "Unauthorized")
	default:
		g.next.ServeHTTP(w, r)
	}
}

// knows tells whether the Host header is a configured one, with its port or in
// general.
func (g *gate) knows(host string) bool {
	host = strings.ToLower(host)
	if slices.Contains(g.hosts, host) {
		return true
	}
	name, _, err := net.SplitHostPort(host)
	return err == nil && slices.Contains(g.hosts, name)
}

func (g *gate) authorized(values []string) bool {
	if !g.needsToken {
		return true
	}
	if !g.hasToken || len(values) != 1 {
		return false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	got := sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], g.token[:]) == 1
}

func (g *gate) refuse(w http.ResponseWriter, reason Reason, status int, body string) {
	if g.refused != nil {
		g.refused(reason)
	}
	text(w, status, body)
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // an operator who left needs no answer
}

// loopback tells whether an address to listen on is reached from this machine
// only.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}
