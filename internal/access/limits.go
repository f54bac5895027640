package access

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/oikion/orgcast"
)

// Limit names one of the limits.
type Limit string

// The limits.
const (
	LimitConnects     Limit = "connects"
	LimitNode         Limit = "node"
	LimitAddress      Limit = "address"
	LimitUser         Limit = "user"
	LimitOrganization Limit = "organization"
)

// LimitError says which limit is reached. It does not say whose.
type LimitError struct {
	Limit Limit
	Max   int
}

// Error prints the limit and its number.
func (e *LimitError) Error() string {
	if e.Limit == LimitConnects {
		return fmt.Sprintf("open stream: limit of %d connects a second is reached", e.Max)
	}
	return fmt.Sprintf("open stream: limit of %d streams of one %s is reached", e.Max, e.Limit)
}

// LimitConfig is how much is allowed. Zero is no limit.
type LimitConfig struct {
	PerNode, PerAddress, PerUser, PerOrganization int
	// ConnectsPerSecond is what the node takes in the long run, ConnectBurst what
	// it takes at once.
	ConnectsPerSecond, ConnectBurst int
}

// Limits counts the open streams against what is allowed. It remembers nobody
// who has none open.
type Limits struct {
	config        LimitConfig
	connects      *rate.Limiter
	known         *rate.Limiter
	node          places[struct{}]
	addresses     places[netip.Prefix]
	users         places[orgcast.UserID]
	organizations places[orgcast.OrganizationID]
}

// NewLimits returns limits of which nothing is used.
func NewLimits(config LimitConfig) *Limits {
	l := &Limits{
		config:        config,
		node:          places[struct{}]{limit: LimitNode, max: config.PerNode},
		addresses:     places[netip.Prefix]{limit: LimitAddress, max: config.PerAddress},
		users:         places[orgcast.UserID]{limit: LimitUser, max: config.PerUser},
		organizations: places[orgcast.OrganizationID]{limit: LimitOrganization, max: config.PerOrganization},
	}
	if config.ConnectsPerSecond > 0 {
		l.connects = rate.NewLimiter(rate.Limit(config.ConnectsPerSecond), max(config.ConnectBurst, 1))
		l.known = rate.NewLimiter(rate.Limit(config.ConnectsPerSecond), max(config.ConnectBurst, 1))
	}
	return l
}

// Connect takes one of the node's connects of this second; it is never given
// back.
func (l *Limits) Connect(now time.Time) error {
	return l.connect(l.connects, now)
}

// ConnectKnown takes one of as many that are kept for who has a valid session:
// strangers can't use them up.
func (l *Limits) ConnectKnown(now time.Time) error { return l.connect(l.known, now) }

func (l *Limits) connect(limiter *rate.Limiter, now time.Time) error {
	if limiter != nil && !limiter.AllowN(now, 1) {
		return &LimitError{LimitConnects, l.config.ConnectsPerSecond}
	}
	return nil
}

// AcquireNode takes a place of the node, until release is called. All the
// releases may be called more than once.
func (l *Limits) AcquireNode() (release func(), err error) { return l.node.acquire(struct{}{}) }

// AcquireAddress takes a place of an address. An IPv6 peer has its whole /64,
// which is what one customer is given.
func (l *Limits) AcquireAddress(address netip.Addr) (release func(), err error) {
	return l.addresses.acquire(network(address))
}

// AcquireUser takes a place of a user.
func (l *Limits) AcquireUser(user orgcast.UserID) (release func(), err error) {
	return l.users.acquire(user)
}

// AcquireOrganization takes a place of an organization.
func (l *Limits) AcquireOrganization(organization orgcast.OrganizationID) (release func(), err error) {
	return l.organizations.acquire(organization)
}

// Open is how many streams hold a place of the node.
func (l *Limits) Open() int { return l.node.held(struct{}{}) }

// network is the part of an address that counts as one peer.
func network(address netip.Addr) netip.Prefix {
	address = address.Unmap()
	bits := 64
	if address.Is4() {
		bits = 32
	}
	p, _ := address.WithZone("").Prefix(bits) // fails for no address at all: these are one peer
	return p
}

// places counts what each holder has. A holder that has nothing has no entry.
type places[K comparable] struct {
	limit Limit
	max   int

	mu     sync.Mutex
	counts map[K]int
}

func (p *places[K]) acquire(holder K) (release func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.max > 0 && p.counts[holder] >= p.max {
		return nil, &LimitError{p.limit, p.max}
	}
	if p.counts == nil {
		p.counts = map[K]int{}
	}
	p.counts[holder]++
	return sync.OnceFunc(func() { p.release(holder) }), nil
}

func (p *places[K]) release(holder K) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counts[holder]--; p.counts[holder] == 0 {
		delete(p.counts, holder)
	}
	// A map keeps the room of its largest hour; an empty one gives it back.
	if len(p.counts) == 0 {
		p.counts = nil
	}
}

func (p *places[K]) held(holder K) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[holder]
}
