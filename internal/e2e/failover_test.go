package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/cluster"
)

// shortly bounds a wait for what takes no time but that of a busy machine.
const shortly = 30 * time.Second

// killServer is kill -9 of the postmaster, and waits.
func killServer(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	if err := syscall.Kill(c.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, shortly, func() string {
		if c.Pid() != 0 {
			return "the server runs"
		}
		return ""
	})
}

// numbered writes properties, each with the next number: the row of the number is
// locked until the commit, so that the numbers are in commit order. It goes on
// through everything, by an address that names both servers.
func (p *pair) numbered(ctx context.Context, writer int, committed *atomic.Int64) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			conn.Close(context.Background())
		}
	}()
	for i := 0; ctx.Err() == nil; i++ {
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = pgx.Connect(ctx, p.URL); err != nil {
				pause(ctx, 20*time.Millisecond)
				continue
			}
		}
		_, err := conn.Exec(ctx, `WITH next AS (UPDATE ticket SET n = n + 1 RETURNING n)
			INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType")
			SELECT $1, 1, n::text, 'org_1', 'user_1', 'HOUSE', 'AVAILABLE', 'SALE' FROM next`, fmt.Sprintf("numbered-%d-%d", writer, i))
		if err == nil {
			committed.Add(1)
		}
	}
}

// numbers are those that a client saw, in its order.
func (c *client) numbers() (seen []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.history {
		if text, ok := m.Payload.Changes["description"].New.(string); ok && strings.HasPrefix(m.Payload.PropertyID, "numbered-") {
			if n, err := strconv.Atoi(text); err == nil {
				seen = append(seen, n)
			}
		}
	}
	return seen
}

// toldToRefetch tells whether there was a reset for a new epoch, of which a client
// complains: it was promised none.
func (c *client) toldToRefetch() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.broken, func(b string) bool { return strings.HasPrefix(b, `reset "epoch"`) })
}

// TestAPromotedStandbyIsGoneOnFrom: the primary is killed under load, and the
// standby promoted. Nobody tells orgcast. Where the slot outlives that, each client
// sees every change that the new primary has, once, in commit order; where it does
// not, clients are told to refetch, and it goes on.
func TestAPromotedStandbyIsGoneOnFrom(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	if p.major >= 17 {
		// Orgcast is not sent what the standby may lose.
		set(t, p.primary, "synchronized_standby_slots", "standby")
	}
	s := serve(t, p.environ, nil)
	s.ready(t)
	p.synced(t)

	ctx := within(t, 2*time.Minute)
	watch, unwatch := context.WithCancel(ctx)
	write, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer unwatch()
	defer stop()
	audience := []*client{{name: "through it all", channel: ""}, {name: "of properties", channel: "property", obeys: true}}
	for _, c := range audience {
		c.address, c.user, c.organizations, c.cookie = s.address, "user_1", []string{"org_1"}, p.cookie(t, "user_1")
		running.Go(func() { c.run(watch) })
	}
	until(t, shortly, func() string {
		for _, c := range audience {
			if n, _, _, status := c.state(); n == 0 {
				return fmt.Sprintf("%s is not ready, status %d", c.name, status)
			}
		}
		return ""
	})
	var committed atomic.Int64
	var writing sync.WaitGroup
	for i := range 4 {
		writing.Go(func() { p.numbered(write, i, &committed) })
	}
	more := func(n int64) {
		t.Helper()
		from := committed.Load()
		until(t, time.Minute, func() string {
			if got := committed.Load() - from; got < n {
				return fmt.Sprintf("%d of %d transactions", got, n)
			}
			return ""
		})
	}
	more(300)
	begun := time.Now()
	p.takeOver(t)
	promoted := time.Since(begun)
	more(300)
	if p.major < 17 {
		until(t, time.Minute, func() string {
			for _, c := range audience {
				if !c.toldToRefetch() {
					return c.name + " was not told to refetch: " + s.readiness(t)
				}
			}
			return ""
		})
		more(100)
	}
	stop()
	writing.Wait()
	var last int
	until(t, time.Minute, func() string {
		last = askCluster[int](t, p.standby, "SELECT n FROM ticket") // what a writer left may be committed still
		for _, c := range audience {
			if seen := c.numbers(); len(seen) == 0 || seen[len(seen)-1] != last {
				return fmt.Sprintf("%s has seen %d changes, at last those of %v, and not the one of number %d; orgcast: %q",
					c.name, len(seen), seen[max(0, len(seen)-3):], last, s.readiness(t))
			}
		}
		return ""
	})
	s.ready(t)
	t.Logf("promoted in %v; %d transactions, %d were answered", promoted.Round(time.Millisecond), last, committed.Load())

	kept := !strings.Contains(s.out.String(), "clients that resume will refetch\" reason=\"the slot is gone\"")
	if kept != (p.major >= 17) {
		t.Errorf("on PostgreSQL %d the slot was kept: %v", p.major, kept)
	}
	for _, c := range audience {
		seen := c.numbers()
		if kept {
			for i, n := range seen {
				if n != i+1 {
					t.Errorf("%s saw number %d in place %d", c.name, n, i+1)
					break
				}
			}
			for _, b := range c.broken[:min(3, len(c.broken))] {
				t.Errorf("%s: %s", c.name, b)
			}
			continue
		}
		// The refetch stands for what is missing, and nothing is told twice.
		if !slices.IsSorted(seen) || len(slices.Compact(seen)) != len(seen) || seen[0] != 1 {
			t.Errorf("%s saw %v", c.name, seen)
		}
	}

	// The old primary comes back, as a second one, and is first in the address: it is
	// passed over.
	if err := p.primary.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	onCluster(t, p.standby, "app", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+p.role+"'")
	onCluster(t, p.standby, "app", "UPDATE properties SET description = 'after all' WHERE id = 'property_1'")
	until(t, time.Minute, func() string {
		for _, c := range audience {
			c.mu.Lock()
			told := len(c.history) > 0 && c.history[len(c.history)-1].Payload.PropertyID == "property_1"
			c.mu.Unlock()
			if !told {
				return c.name + " has not heard of the new primary's change: " + s.readiness(t)
			}
		}
		return ""
	})
	if n := askCluster[int](t, p.primary, "SELECT count(*) FROM pg_stat_activity WHERE usename = '"+p.role+"' AND backend_type = 'walsender'"); n != 0 {
		t.Errorf("the old primary is read from")
	}
}

// TestAPromotedStandbyThatWasBehindIsANewEpoch: orgcast had more than the standby.
func TestAPromotedStandbyThatWasBehindIsANewEpoch(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	s := serve(t, p.environ, nil)
	s.ready(t)
	p.synced(t)
	// A standby alone is refused by name.
	lonely := serve(t, p.environ, map[string]string{"ORGCAST_DATABASE_URL": p.standby.URLAs(p.role, p.password, "app"), "ORGCAST_SLOT": "lonely"})
	until(t, shortly, func() string {
		if why := lonely.readiness(t); !strings.Contains(why, "server_is_standby") {
			return why
		}
		return ""
	})
	lonely.kill(t)

	c, _ := open(t, s.address, "organizationId=org_1", p.cookie(t, "user_1"), "")
	set(t, p.standby, "primary_conninfo", "")
	until(t, shortly, func() string {
		if askCluster[bool](t, p.standby, "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver)") {
			return "the standby still receives"
		}
		return ""
	})
	p.property(t, "lost", "org_1", "never replicated")
	if m := c.await(t, "property.update"); m.Payload.PropertyID != "lost" {
		t.Fatalf("heard of %q", m.Payload.PropertyID)
	}
	p.takeOver(t)
	if m := c.await(t, "reset"); m.Reason != "epoch" {
		t.Errorf("reset %q, want epoch", m.Reason)
	}
	s.ready(t)
	onCluster(t, p.standby, "app", "UPDATE properties SET description = 'on the new primary' WHERE id = 'property_1'")
	if m := c.await(t, "property.update"); m.Payload.PropertyID != "property_1" {
		t.Errorf("heard of %q", m.Payload.PropertyID)
	}
	if failover := p.major >= 17; failover && !askCluster[bool](t, p.standby, "SELECT failover FROM pg_replication_slots WHERE slot_name = 'orgcast_app'") {
		t.Error("the new slot is none of failover")
	}
}
