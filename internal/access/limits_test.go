package access

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
)

func TestLimitsRefuseExactlyBeyondTheirNumber(t *testing.T) {
	l := NewLimits(LimitConfig{PerNode: 1, PerAddress: 2, PerUser: 3, PerOrganization: 4})
	for _, c := range []struct {
		limit   Limit
		max     int
		acquire func() (func(), error)
	}{
		{LimitNode, 1, l.AcquireNode},
		{LimitAddress, 2, func() (func(), error) { return l.AcquireAddress(netip.MustParseAddr("192.0.2.1")) }},
		{LimitUser, 3, func() (func(), error) { return l.AcquireUser("user_a") }},
		{LimitOrganization, 4, func() (func(), error) { return l.AcquireOrganization("org_a") }},
	} {
		var release func()
		for range c.max {
			var err error
			if release, err = c.acquire(); err != nil {
				t.Fatalf("%s: refused below %d: %v", c.limit, c.max, err)
			}
		}
		_, err := c.acquire()
		if e, ok := errors.AsType[*LimitError](err); !ok || e.Limit != c.limit || e.Max != c.max {
			t.Errorf("%s: beyond %d: got %v", c.limit, c.max, err)
		}
		release()
		release() // a second call must not free a second place
		if _, err := c.acquire(); err != nil {
			t.Errorf("%s: a released place is not to be had: %v", c.limit, err)
		}
		if _, err := c.acquire(); err == nil {
			t.Errorf("%s: a place released twice was given away twice", c.limit)
		}
	}
}

func TestOneHolderDoesNotUseUpAnothersPlaces(t *testing.T) {
	l := NewLimits(LimitConfig{PerOrganization: 1})
	if _, err := l.AcquireOrganization("org_1"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AcquireOrganization("org_10"); err != nil {
		t.Fatal(err)
	}
}

func TestAnAddressIsAnIPv4AddressOrAnIPv6Network(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8::1", "2001:db8::ffff", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		if same := network(netip.MustParseAddr(c.a)) == network(netip.MustParseAddr(c.b)); same != c.same {
			t.Errorf("%s and %s: one peer %v, want %v", c.a, c.b, same, c.same)
		}
	}
}

func TestConnectsComeInABurstAndThenAtTheirRate(t *testing.T) {
	l := NewLimits(LimitConfig{ConnectsPerSecond: 10, ConnectBurst: 5})
	now := time.Unix(1_763_881_200, 0)
	for range 5 {
		if err := l.Connect(now); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Connect(now); err == nil {
		t.Fatal("the burst has no end")
	}
	if err := l.Connect(now.Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
}

func TestStrangersDoNotUseUpTheConnectsOfWhoIsKnown(t *testing.T) {
	l := NewLimits(LimitConfig{ConnectsPerSecond: 10, ConnectBurst: 5})
	now := time.Unix(1_763_881_200, 0)
	for l.Connect(now) == nil {
	}
	for range 5 {
		if err := l.ConnectKnown(now); err != nil {
			t.Fatal(err)
		}
	}
	if e, ok := errors.AsType[*LimitError](l.ConnectKnown(now)); !ok || e.Limit != LimitConnects || e.Max != 10 {
		t.Errorf("got %v", e)
	}
	if l := NewLimits(LimitConfig{}); l.Connect(now) != nil || l.ConnectKnown(now) != nil {
		t.Error("no limit refuses")
	}
}

// op is what a random test does to the limits.
type op struct {
	user         orgcast.UserID
	organization orgcast.OrganizationID
	address      netip.Addr
}

func drawOps(t *rapid.T) []op {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) op {
		return op{
			orgcast.UserID(rapid.StringMatching("[abc]").Draw(t, "user")),
			orgcast.OrganizationID(rapid.StringMatching("[xyz]").Draw(t, "organization")),
			netip.AddrFrom4([4]byte{192, 0, 2, rapid.ByteMax(3).Draw(t, "address")}),
		}
	}), 1, 60).Draw(t, "ops")
}

// Whatever is acquired and released at the same time, no count is ever above
// its limit or below zero, and when all is released nothing is remembered.
func TestCountsStayInBoundsAndReturnToZero(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := LimitConfig{
			PerNode: rapid.IntRange(1, 20).Draw(t, "node"), PerAddress: rapid.IntRange(1, 5).Draw(t, "address"),
			PerUser: rapid.IntRange(1, 5).Draw(t, "user"), PerOrganization: rapid.IntRange(1, 5).Draw(t, "organization"),
		}
		l := NewLimits(config)
		ops := drawOps(t)
		var running sync.WaitGroup
		for range 4 {
			running.Go(func() {
				var held []func()
				for i, o := range ops {
					for _, acquire := range []func() (func(), error){
						l.AcquireNode,
						func() (func(), error) { return l.AcquireAddress(o.address) },
						func() (func(), error) { return l.AcquireUser(o.user) },
						func() (func(), error) { return l.AcquireOrganization(o.organization) },
					} {
						if release, err := acquire(); err == nil {
							held = append(held, release)
						}
					}
					check(t, &l.node)
					check(t, &l.addresses)
					check(t, &l.users)
					check(t, &l.organizations)
					if i%3 == 2 && len(held) > 0 {
						held[0]()
						held[0]()
						held = held[1:]
					}
				}
				for _, release := range held {
					release()
				}
			})
		}
		running.Wait()
		if l.node.counts != nil || l.addresses.counts != nil || l.users.counts != nil || l.organizations.counts != nil {
			t.Fatalf("all is released, and still remembered: %v %v %v %v",
				l.node.counts, l.addresses.counts, l.users.counts, l.organizations.counts)
		}
	})
}

func check[K comparable](t *rapid.T, p *places[K]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for holder, n := range p.counts {
		if n < 1 || n > p.max {
			t.Errorf("%s %v holds %d of %d", p.limit, holder, n, p.max)
		}
	}
}

// Against a plain model, one after the other: what is given is exactly what is
// free.
func TestAPlaceIsGivenIfAndOnlyIfOneIsFree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(0, 4).Draw(t, "max")
		l := NewLimits(LimitConfig{PerUser: most})
		held := map[orgcast.UserID][]func(){}
		for _, o := range drawOps(t) {
			if rapid.Bool().Draw(t, "release") && len(held[o.user]) > 0 {
				held[o.user][0]()
				held[o.user] = held[o.user][1:]
				continue
			}
			release, err := l.AcquireUser(o.user)
			if free := most == 0 || len(held[o.user]) < most; free != (err == nil) {
				t.Fatalf("user %s holds %d of %d, got %v", o.user, len(held[o.user]), most, err)
			}
			if err == nil {
				held[o.user] = append(held[o.user], release)
			}
		}
	})
}
