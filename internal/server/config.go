package server

import (
	"cmp"
	"net/netip"
	"time"
)

// Config is what can be set. The zero value of a field means its default.
type Config struct {
	// Origins are the origins that may call, each exactly as a browser sends it:
	// scheme, host and port, no path.
	Origins []string
	// AnyOrigin lets every origin but `null` call: development, on a loopback
	// listener.
	AnyOrigin bool
	// TrustedProxies are the networks of the proxies whose word is taken for a
	// client's address; none by default.
	TrustedProxies []netip.Prefix
	// ClientHeader is the header in which they give it: X-Forwarded-For, the default,
	// and Forwarded are lists, of which the right-most address counts that is not
	// trusted; any other, such as X-Real-IP, is one address, and the proxy must
	// replace what a client sends in it.
	ClientHeader string
	// ReadyWait is how long a request is held while the feed has never been
	// ready: 20 s.
	ReadyWait time.Duration
	// BarrierWait is how long the feed may take to catch up before a refusal: 2 s.
	BarrierWait time.Duration
	// MaxPending bounds the open connections that carry no stream: 10,000. Beyond it
	// the one that has waited longest for a request is cut.
	MaxPending int
}

// Fixed bounds.
const (
	// MaxOrganizations is how many organizations one stream may follow.
	MaxOrganizations = 16
	// MaxPageEvents, maxPageBytes and MaxPageWait bound a page of events.
	MaxPageEvents = 1_000
	maxPageBytes  = 4 << 20
	MaxPageWait   = 25 * time.Second

	defaultPageEvents = 100
	// pageSlack is what reading a page may take beyond the wait, pageTimeout
	// writing it: four megabytes at one megabit a second.
	pageSlack   = 10 * time.Second
	pageTimeout = 35 * time.Second

	maxFilterBody  = 16 << 10
	maxPublishBody = 256 << 10
	// bodyTimeout bounds the reading of a body.
	bodyTimeout = 10 * time.Second
	// linger and lingerBytes bound what is heard, and thrown away, of a body that
	// was not wanted.
	linger      = 500 * time.Millisecond
	lingerBytes = 512 << 10
	// publishTimeout bounds the wait for the log; maxPublishing, how many hold a
	// body and wait at one time.
	publishTimeout    = 30 * time.Second
	maxPublishing     = 64
	maxBearer         = 256
	maxIdempotencyKey = 255

	maxQuery          = 8 << 10
	maxHeader         = 64 << 10
	readHeaderTimeout = 5 * time.Second
	// writeTimeout bounds our own short answers; a stream sets its own deadline
	// for each of its writes.
	writeTimeout = 10 * time.Second
	// idleTimeout is longer than what proxies keep an idle upstream connection,
	// so that it is the proxy that closes it: the other way round a request and
	// our close can cross.
	idleTimeout = 120 * time.Second
)

func (c Config) withDefaults() Config {
	c.ClientHeader = cmp.Or(c.ClientHeader, "X-Forwarded-For")
	c.ReadyWait = cmp.Or(c.ReadyWait, 20*time.Second)
	c.BarrierWait = cmp.Or(c.BarrierWait, 2*time.Second)
	c.MaxPending = cmp.Or(c.MaxPending, 10_000)
	return c
}
