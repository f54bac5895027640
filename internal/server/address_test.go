package server

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// fromListener makes its peers look as if they came from an address.
type fromListener struct {
	net.Listener
	ip net.IP
}

func (l *fromListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &fromConn{farConn{c}, l.ip}, nil
}

type fromConn struct {
	farConn
	ip net.IP
}

func (c *fromConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: c.ip, Port: 4711} }

// proxyNets are the trusted ones of the matrix.
var proxyNets = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:ff::/48"),
}

// TestTheClientIsTheRightMostAddressThatIsNotTrusted over a real listener: what a
// client writes into a header never makes him somebody else.
func TestTheClientIsTheRightMostAddressThatIsNotTrusted(t *testing.T) {
	const mine = "203.0.113.7"
	junk := strings.Repeat("1.2.3.4, ", 3000)
	for _, c := range []struct {
		name    string
		peer    string
		trusted bool
		header  string // "": X-Forwarded-For
		lines   []string
		want    string // "": not limited
		named   Named
	}{
		{"nothing is trusted, a peer of the internet", mine, false, "", nil, mine, NamedPeer},
		{"nothing is trusted, and he says he is another", mine, false, "", []string{"192.0.2.9"}, mine, NamedByStranger},
		{"nothing is trusted, a loopback peer", "127.0.0.1", false, "", nil, "", NamedPeer},
		{"nothing is trusted, a proxy on this machine", "127.0.0.1", false, "", []string{mine}, "", NamedByLocal},
		{"nothing is trusted, a private proxy", "10.1.2.3", false, "", []string{mine}, "", NamedByLocal},
		{"nothing is trusted, Forwarded instead", "192.168.0.4", false, "", []string{"Forwarded: for=" + mine}, "", NamedByLocal},

		{"a trusted proxy", "127.0.0.1", true, "", []string{mine}, mine, NamedByProxy},
		{"two of them", "127.0.0.1", true, "", []string{mine + ", 10.9.9.9"}, mine, NamedByProxy},
		{"on two lines", "127.0.0.1", true, "", []string{mine, "10.9.9.9"}, mine, NamedByProxy},
		{"a trusted proxy of the internet", "198.51.100.2", true, "", []string{mine}, mine, NamedByProxy},
		{"a trusted proxy with IPv6", "2001:db8:ff::1", true, "", []string{mine}, mine, NamedByProxy},
		{"mapped into IPv6", "::ffff:127.0.0.1", true, "", []string{"::ffff:" + mine}, mine, NamedByProxy},
		{"with a port", "127.0.0.1", true, "", []string{mine + ":4711"}, mine, NamedByProxy},
		{"IPv6 with a port", "127.0.0.1", true, "", []string{"[2001:db8::7]:4711"}, "2001:db8::7", NamedByProxy},
		{"a client of the local network", "127.0.0.1", true, "", []string{"192.168.7.7"}, "192.168.7.7", NamedByProxy},

		{"spoofed: one in front", "127.0.0.1", true, "", []string{"192.0.2.9, " + mine}, mine, NamedByProxy},
		{"spoofed: a trusted one in front", "127.0.0.1", true, "", []string{"10.0.0.1, " + mine}, mine, NamedByProxy},
		{"spoofed: a line of his own", "127.0.0.1", true, "", []string{"192.0.2.9", mine}, mine, NamedByProxy},
		{"spoofed: no addresses", "127.0.0.1", true, "", []string{"a, ,,\", for=x, " + mine}, mine, NamedByProxy},
		{"spoofed: thousands", "127.0.0.1", true, "", []string{junk + mine}, mine, NamedByProxy},
		{"spoofed: a long line, and the proxy's", "127.0.0.1", true, "", []string{strings.Repeat("x", 9000), mine}, mine, NamedByProxy},
		{"spoofed: past the proxy", "198.18.0.1", true, "", []string{mine}, "198.18.0.1", NamedByStranger},
		{"spoofed: past it, from the local network", "192.168.3.3", true, "", []string{mine}, "192.168.3.3", NamedByLocal},

		{"malformed: no address", "127.0.0.1", true, "", []string{"unknown"}, "127.0.0.1", NamedNobody},
		{"malformed: last", "127.0.0.1", true, "", []string{"192.0.2.9, _hidden"}, "127.0.0.1", NamedNobody},
		{"malformed: empty", "127.0.0.1", true, "", []string{" "}, "127.0.0.1", NamedNobody},
		{"malformed: unspecified", "127.0.0.1", true, "", []string{"0.0.0.0"}, "127.0.0.1", NamedNobody},
		{"malformed: longer than is looked at", "127.0.0.1", true, "", []string{strings.Repeat("9", 9000)}, "127.0.0.1", NamedNobody},
		{"malformed: an IPv4 with a zone", "127.0.0.1", true, "", []string{mine + "%eth0"}, "127.0.0.1", NamedNobody},
		{"only trusted ones", "127.0.0.1", true, "", []string{"10.0.0.1, 10.0.0.2"}, "127.0.0.1", NamedNobody},
		{"the proxy's own call", "127.0.0.1", true, "", nil, "", NamedPeer},
		{"the own call of one of the internet", "198.51.100.2", true, "", nil, "198.51.100.2", NamedPeer},
		{"a local peer that is not trusted", "192.168.3.3", true, "", nil, "192.168.3.3", NamedPeer},
		{"the header that is not asked for", "127.0.0.1", true, "", []string{"Forwarded: for=" + mine}, "", NamedPeer},

		{"Forwarded", "127.0.0.1", true, "Forwarded", []string{`for=192.0.2.9, for="[2001:db8::7]:4711";proto=https`}, "2001:db8::7", NamedByProxy},
		{"Forwarded: spoofed with a quote", "127.0.0.1", true, "Forwarded", []string{`for="192.0.2.9, for=` + mine}, mine, NamedByProxy},
		{"Forwarded: obfuscated", "127.0.0.1", true, "Forwarded", []string{`for=_secret`}, "127.0.0.1", NamedNobody},
		{"one address", "127.0.0.1", true, "X-Real-IP", []string{mine}, mine, NamedByProxy},
		{"one address: the last", "127.0.0.1", true, "X-Real-IP", []string{"192.0.2.9", mine}, mine, NamedByProxy},
		{"one address: two on a line", "127.0.0.1", true, "X-Real-IP", []string{"192.0.2.9, " + mine}, "127.0.0.1", NamedNobody},
		{"one address: a trusted one", "127.0.0.1", true, "X-Real-IP", []string{"10.0.0.1"}, "127.0.0.1", NamedNobody},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, a := newWorld(), goodAsk()
			w.config.ClientHeader = c.header
			if c.trusted {
				w.config.TrustedProxies = proxyNets
			}
			var named []Named
			w.named = func(n Named) { named = append(named, n) }
			name := c.header
			if name == "" {
				name = "X-Forwarded-For"
			}
			for _, line := range c.lines {
				if other, value, ok := strings.Cut(line, ": "); ok {
					a.header[other] = append(a.header[other], value)
				} else {
					a.header[name] = append(a.header[name], line)
				}
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			serveUntilEnd(t, w.server(), &fromListener{l, net.ParseIP(c.peer)})
			if got := send(t, l.Addr().String(), a.String()); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
				t.Fatalf("got %q", got)
			}
			want := "[]"
			if c.want != "" {
				want = "[" + c.want + "]"
			}
			if got := fmt.Sprint(w.address); got != want || !slices.Equal(named, []Named{c.named}) {
				t.Errorf("counted for %s, as %v; want %s, %v", got, named, want, c.named)
			}
		})
	}
}

// FuzzNoHeaderMakesAClientAnother: whatever a client sends, what the proxy appends
// counts.
func FuzzNoHeaderMakesAClientAnother(f *testing.F) {
	for _, s := range []string{"", "192.0.2.9", "10.0.0.1,", `for="`, ",,,", "[::1", "%", "\x00", strings.Repeat("10.0.0.1,", 500)} {
		f.Add(s, s, false)
		f.Add(s, "", true)
	}
	const mine = "203.0.113.7"
	f.Fuzz(func(t *testing.T, line, front string, forwarded bool) {
		p := newProxies(proxyNets, "X-Forwarded-For")
		last := mine
		if forwarded {
			p = newProxies(proxyNets, "Forwarded")
			last = "for=" + mine
		}
		r := &http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{p.header: {line, front + "," + last}}}
		if got := p.client(r); got.address.String() != mine || !got.limited || got.named != NamedByProxy {
			t.Fatalf("%q, %q: %+v", line, front, got)
		}
		// Without one that appends, it is his own address, whatever he says.
		r = &http.Request{RemoteAddr: mine + ":1", Header: http.Header{p.header: {line, front}}}
		if got := p.client(r); got.address.String() != mine || !got.limited {
			t.Fatalf("%q, %q: %+v", line, front, got)
		}
	})
}

func TestFailuresAreCountedForAnIPv6Network(t *testing.T) {
	s := New(Deps{}, Config{TrustedProxies: proxyNets})
	r := &http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{"X-Forwarded-For": {"2001:db8:1:2:3:4:5:6"}}}
	if got, limited := s.failureAddress(r); got.String() != "2001:db8:1:2::" || !limited {
		t.Errorf("got %v, %v", got, limited)
	}
}
