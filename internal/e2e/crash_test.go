package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/pgtest"
)

// What the crash test does. All of it is done in every run.
const (
	crashOrganizations = 20
	crashTransactions  = 4_000
	crashChanges       = 20_000
	crashClients       = 40
	crashWriters       = 6
	crashPerOrg        = 8
)

// The events of the crash test, in their order: each comes when its share of the
// transactions is committed, while the writers go on.
var crashes = []string{
	"kill", "kill", "stop database", "kill early", "move and kill", "kill", "remove member", "kill", "stop both", "kill early", "remove and kill", "kill",
}

// TestEveryChangeOnceInCommitOrderThroughCrashes is the promise of the whole:
// whatever is killed, each client's callback sees every committed change of its
// organizations once, in commit order, and nothing else.
func TestEveryChangeOnceInCommitOrderThroughCrashes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	begun := time.Now()
	ctx := within(t, 10*time.Minute)

	h := newHouse(t)
	fillForCrashes(t, h)
	audience := crashAudience(t, h)
	removed, vanished := audience[6], audience[8] // of org_7, of org_9
	h.setUp(t)
	super := h.Conn(t)
	if _, err := super.Exec(ctx, `SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, h.Name+"_truth"); err != nil {
		t.Fatal(err)
	}
	properties, clients := parentsOf(t, super, "properties"), parentsOf(t, super, "clients")
	s := serve(t, h.environ, map[string]string{"ORGCAST_LEASE": "5s"}) // streams end by themselves too
	s.ready(t)

	var watching sync.WaitGroup
	watch, unwatch := context.WithCancel(ctx)
	defer watching.Wait()
	defer unwatch()
	for _, c := range audience {
		c.address = s.address
		watching.Go(func() { c.run(watch) })
	}
	until(t, time.Minute, func() string {
		for _, c := range audience {
			if n, _, _, status := c.state(); n == 0 {
				return fmt.Sprintf("%s is not ready, status %d", c.name, status)
			}
		}
		return ""
	})

	l := newLoad(h.URL, crashOrganizations, crashPerOrg)
	var writing sync.WaitGroup
	defer writing.Wait()
	defer l.stop()
	for i := range crashWriters {
		r := rand.New(rand.NewPCG(seed, uint64(100+i)))
		writing.Go(func() { l.write(ctx, t, r) })
	}
	kills, stops := 0, 0
	share := int64(crashTransactions / (len(crashes) + 1))
	for i, what := range crashes {
		at := int64(i+1) * share
		l.allow(at + share)
		until(t, 2*time.Minute, func() string {
			if n := l.committed.Load(); n < at {
				return fmt.Sprintf("%d of %d transactions before %q", n, at, what)
			}
			return ""
		})
		switch what {
		case "stop database", "stop both":
			stops++
			c := pgtest.Cluster(t)
			if err := c.Stop(ctx, "immediate"); err != nil {
				t.Fatal(err)
			}
			if what == "stop both" {
				kills++
				s.kill(t)
				s.start(t) // before its database
			}
			if err := c.Start(ctx); err != nil {
				t.Fatal(err)
			}
			super = h.Conn(t)
			until(t, time.Minute, func() string {
				if _, active := slot(t, super, h.Name); !active {
					return "the slot is not read again"
				}
				return ""
			})
		case "remove member":
			s.ready(t)
			removeMember(t, h, removed)
			turnedAway(t, removed)
			continue
		case "remove and kill":
			removeMember(t, h, vanished)
			kills++
			s.kill(t)
			s.start(t)
			turnedAway(t, vanished)
		case "move and kill":
			moveProperty(t, h)
			fallthrough
		default:
			kills++
			s.kill(t)
			s.start(t)
			if what == "kill early" { // killed again before it is ready
				continue
			}
		}
		took := s.ready(t)
		t.Logf("%7.2fs %-14s at %d transactions, ready after %v", time.Since(begun).Seconds(), what, at, took.Round(time.Millisecond))
	}
	l.allow(1 << 60)
	until(t, 3*time.Minute, func() string {
		if n, c, k := l.committed.Load(), l.changes.Load(), l.children.Load(); n < crashTransactions || c < crashChanges || 2*k < c {
			return fmt.Sprintf("%d transactions, %d changes, %d of notes", n, c, k)
		}
		return ""
	})
	l.stop()
	writing.Wait()
	wrote := time.Since(begun)

	tr := readTruth(ctx, t, h.Conn(t), h.Name+"_truth", "orgcast", properties, clients)
	if kills != 10 || stops != 2 || tr.transactions < crashTransactions || tr.changes < crashChanges || 2*tr.children < tr.changes || tr.propertyMoves != 1 {
		t.Errorf("the test did less than it says: %d kills, %d stops, %+d transactions, %d changes, %d of notes, %d moves",
			kills, stops, tr.transactions, tr.changes, tr.children, tr.propertyMoves)
	}
	until(t, time.Minute, func() string {
		for _, c := range audience {
			if _, reached, _, status := c.state(); status == 0 && uint64(reached.LSN) < tr.lastLSN {
				return fmt.Sprintf("%s has come to %v, not to %x", c.name, reached, tr.lastLSN)
			}
		}
		return ""
	})
	unwatch()
	watching.Wait()
	seen, repeats, connects := 0, 0, 0
	for _, c := range audience {
		upTo := ""
		switch {
		case c == removed || c == vanished:
			upTo = c.user + "@" + c.organizations[0]
			if c.refused != http.StatusForbidden {
				t.Errorf("%s, who was removed, came back to status %d, want 403", c.name, c.refused)
			}
		case c.refused != 0:
			t.Errorf("%s was turned away with status %d", c.name, c.refused)
		}
		want := tr.seenBy(c, upTo)
		switch c {
		case removed:
			checkTold(t, c)
		case vanished: // how much he saw before the kill is chance, but no more than this
			want = want[:min(len(want), len(c.history))]
		}
		if difference := compare(want, c.history); difference != "" {
			t.Errorf("%s of %v, channel %q: %s", c.name, c.organizations, c.channel, difference)
		}
		for _, b := range c.broken[:min(3, len(c.broken))] {
			t.Errorf("%s: %s", c.name, b)
		}
		seen, repeats, connects = seen+len(c.history), repeats+c.repeats, connects+c.connects
	}
	t.Logf("%d kills -9, %d immediate stops of PostgreSQL; %d transactions with %d changes, %d of notes, %d nobody's, %d notes moved; %d commits without an answer, %d lost connections of writers",
		kills, stops, tr.transactions, tr.changes, tr.children, tr.withheld, tr.rowMove, l.unknown.Load(), l.lost.Load())
	t.Logf("%d clients saw %d events, %d came again, on %d connections; %.1f s, of which %.1f s writing",
		len(audience), seen, repeats, connects, time.Since(begun).Seconds(), wrote.Seconds())
}

// fillForCrashes makes organizations, users, members and the parents of what is
// to be written.
func fillForCrashes(t testing.TB, h *house) {
	t.Helper()
	h.user(t, "writer")
	h.user(t, "guest")
	h.Exec(t, fmt.Sprintf(`INSERT INTO organizations (id, name) SELECT 'org_' || i, 'Organization ' || i FROM generate_series(1, %d) i`, crashOrganizations))
	h.Exec(t, fmt.Sprintf(`INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType")
		SELECT 'property_' || i || '_' || j, 1, 'old', 'org_' || i, 'writer', 'HOUSE', 'AVAILABLE', 'SALE'
		FROM generate_series(1, %d) i, generate_series(0, %d) j`, crashOrganizations, crashPerOrg))
	h.Exec(t, fmt.Sprintf(`INSERT INTO clients (id, name, "organizationId", "createdBy", "clientType")
		SELECT 'client_' || i || '_' || j, 'old', 'org_' || i, 'writer', 'PERSON'
		FROM generate_series(1, %d) i, generate_series(1, %d) j`, crashOrganizations, crashPerOrg))
	// The moved property has children from the start.
	h.Exec(t, `INSERT INTO notes (id, content, "propertyId", "createdBy") SELECT 'moved_' || i, 'old', 'property_2_0', 'writer' FROM generate_series(1, 5) i`)
}

// parentsOf is whose the rows of a table are.
func parentsOf(t testing.TB, conn *pgx.Conn, table string) map[string]string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT id, "organizationId" FROM `+table)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	var id, organization string
	if _, err := pgx.ForEachRow(rows, []any{&id, &organization}, func() error { known[id] = organization; return nil }); err != nil {
		t.Fatal(err)
	}
	return known
}

// crashAudience is the clients: two an organization, some with a filter, some of
// several organizations.
func crashAudience(t testing.TB, h *house) (audience []*client) {
	t.Helper()
	for i := range crashClients {
		c := &client{name: fmt.Sprintf("client %d", i), user: fmt.Sprintf("user_%d", i), organizations: []string{org(1 + i%crashOrganizations)}, obeys: i%5 == 0}
		switch {
		case i >= crashClients-4:
			c.organizations = append(c.organizations, org(1+(i+5)%crashOrganizations), org(1+(i+11)%crashOrganizations))
		case i >= crashOrganizations && i%3 == 0:
			c.channel = "property"
		case i >= crashOrganizations && i%3 == 1:
			c.channel = "organization"
		}
		h.user(t, c.user)
		for _, o := range c.organizations {
			h.member(t, c.user, o)
		}
		c.cookie = h.cookie(t, c.user)
		audience = append(audience, c)
	}
	return audience
}

// moveProperty gives property_2_0 of org_2 to org_3, in a transaction that also
// changes its notes.
func moveProperty(t testing.TB, h *house) {
	t.Helper()
	h.script(t, `BEGIN;
		UPDATE notes SET content = 'before the move' WHERE id = 'moved_1';
		UPDATE properties SET "organizationId" = 'org_3', description = 'moved' WHERE id = 'property_2_0';
		UPDATE notes SET content = 'after the move' WHERE id = 'moved_2';
		UPDATE properties SET description = 'something else' WHERE id = 'property_3_1';
		COMMIT;
		UPDATE notes SET content = 'of another organization now' WHERE id = 'moved_3'`)
}

// removeMember removes a member who is there, between two changes of one
// transaction.
func removeMember(t testing.TB, h *house, c *client) {
	t.Helper()
	until(t, time.Minute, func() string {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.online {
			return "the member who is to be removed is not there"
		}
		return ""
	})
	o := strings.TrimPrefix(c.organizations[0], "org_")
	h.script(t, fmt.Sprintf(`BEGIN;
		UPDATE properties SET description = 'the last that he sees' WHERE id = 'property_%[1]s_1';
		DELETE FROM organization_members WHERE id = '%[2]s@org_%[1]s';
		UPDATE properties SET description = 'not for him' WHERE id = 'property_%[1]s_2';
		COMMIT`, o, c.user))
}

// turnedAway waits until a removed member has come back, and was refused.
func turnedAway(t testing.TB, c *client) {
	t.Helper()
	until(t, time.Minute, func() string {
		if _, _, _, status := c.state(); status == 0 {
			return "the removed member is not turned away"
		}
		return ""
	})
}

// checkTold looks at what the last words to a removed member were.
func checkTold(t testing.TB, c *client) {
	t.Helper()
	switch {
	case c.closing == nil:
		t.Error("the removed member was not told why")
	case c.closing.Reason != "membership_revoked" || c.closing.OrganizationID != c.organizations[0] || *c.closing.Reconnect:
		t.Errorf("the removed member was told %+v", c.closing)
	}
	if n := len(c.history); n == 0 || c.history[n-1].Type != "member.leave" {
		t.Errorf("the removed member saw %d events, the last is not his own leave", n)
	}
}
