package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/realclientip/realclientip-go"
)

// Named tells how the address of a request's client was found. The set is closed,
// so that it can label a metric.
type Named string

// The ways.
const (
	// The peer itself: it names nobody else.
	NamedPeer Named = "peer"
	// A trusted proxy named the client.
	NamedByProxy Named = "proxy"
	// A trusted proxy named nobody that can be made out: all such requests count as
	// one client's, the proxy's.
	NamedNobody Named = "nobody"
	// The peer named a client and is no trusted proxy: its word is not taken. The
	// peer is a loopback or private one, so most likely a proxy, or another.
	NamedByLocal    Named = "untrusted_local"
	NamedByStranger Named = "untrusted"
)

var namings = []Named{NamedPeer, NamedByProxy, NamedNobody, NamedByLocal, NamedByStranger}

// Namings lists them all.
func Namings() []Named { return slices.Clone(namings) }

// maxNaming is how many bytes of a header are looked at, from its end: what a
// proxy appends stands there, and what a client put in front may be long.
const maxNaming = 1 << 10

// client is who a request came from, as far as limits go.
type client struct {
	address netip.Addr
	// limited is false for a peer that may stand for everybody.
	limited bool
	named   Named
}

// proxies finds the client of a request that came through proxies: the right-most
// address that is not a trusted proxy's. What stands left of it is the client's
// own word. The peer must be a trusted proxy itself, or nothing is believed.
type proxies struct {
	trusted  []netip.Prefix
	header   string // in canonical form
	strategy realclientip.Strategy
}

func newProxies(trusted []netip.Prefix, header string) *proxies {
	p := &proxies{trusted: trusted, header: http.CanonicalHeaderKey(header)}
	if p.header != "X-Forwarded-For" && p.header != "Forwarded" {
		p.strategy = realclientip.Must(realclientip.NewSingleIPHeaderStrategy(p.header))
		return p
	}
	var nets []net.IPNet
	for _, t := range trusted {
		nets = append(nets, net.IPNet{IP: t.Addr().AsSlice(), Mask: net.CIDRMask(t.Bits(), t.Addr().BitLen())})
	}
	p.strategy = realclientip.Must(realclientip.NewRightmostTrustedRangeStrategy(p.header, nets))
	return p
}

// client finds out who asks.
func (p *proxies) client(r *http.Request) client {
	peer, ok := peerAddress(r.RemoteAddr)
	if !ok {
		return client{named: NamedPeer}
	}
	// Until somebody said which peers are proxies, a near one is taken for one that
	// stands for everybody.
	near := peer.IsLoopback() || peer.IsPrivate() || peer.IsLinkLocalUnicast()
	values := p.tail(r.Header[p.header])
	switch {
	case !p.trusts(peer):
		named := NamedPeer
		switch {
		case len(values) == 0 && len(r.Header["X-Forwarded-For"]) == 0 && len(r.Header["Forwarded"]) == 0:
		case near:
			named = NamedByLocal
		default:
			named = NamedByStranger
		}
		return client{peer, !near || len(p.trusted) > 0, named}
	case len(values) == 0:
		return client{peer, !near, NamedPeer} // the machine itself, not who it stands for
	}
	found, err := netip.ParseAddr(p.strategy.ClientIP(http.Header{p.header: values}, ""))
	found = found.Unmap()
	if err != nil || p.trusts(found) {
		return client{peer, true, NamedNobody}
	}
	return client{found.WithZone(""), true, NamedByProxy}
}

func (p *proxies) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(p.trusted, func(t netip.Prefix) bool { return t.Contains(a) })
}

// tail is the end of a header, from the beginning of an entry on; of several lines
// the last come last. Header lines are bounded by net/http, but tens of thousands
// of entries would be read for nothing.
func (p *proxies) tail(lines []string) []string {
	left := maxNaming
	for i, line := range slices.Backward(lines) {
		if left -= len(line); left >= 0 {
			continue
		}
		rest := lines[i+1:]
		if _, whole, ok := strings.Cut(line[-left:], ","); ok {
			return append([]string{whole}, rest...)
		}
		if len(rest) == 0 {
			return []string{""} // there is something, and no entry that can be read
		}
		return rest
	}
	return lines
}

// peerAddress reads what is at the other end of the connection; a Unix socket has
// no address.
func peerAddress(remote string) (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Addr{}, false
	}
	address, err := netip.ParseAddr(host)
	return address.Unmap().WithZone(""), err == nil
}

// client finds the request's client, and counts how.
func (s *Server) client(r *http.Request) client {
	c := s.proxies.client(r)
	if hook := s.deps.Hooks.Named; hook != nil {
		hook(c.named)
	}
	return c
}

// failureAddress is what failures are counted for: of IPv6 the network, because a
// single host has all of it.
func (s *Server) failureAddress(r *http.Request) (netip.Addr, bool) {
	c := s.proxies.client(r)
	if c.limited && c.address.Is6() {
		network, err := c.address.Prefix(64)
		return network.Addr(), err == nil
	}
	return c.address, c.limited
}
