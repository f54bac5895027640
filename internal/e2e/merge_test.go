package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

const (
	mergeResumes      = 400
	mergeTransactions = 500
	// Transactions for each resume: without a bound the writers leave a small
	// machine no time for anything else.
	mergeLoad    = 2
	mergeWriters = 4
	mergePerOrg  = 4
)

// TestAMemberOfTwoOrganizationsResumedAtRandom: one stream of two organizations,
// while transactions that touch both of them, and a third, are open at the same
// time. It is cut at random, resumed where it was cut or anywhere before, by one
// process or the next; and what it is told is what the database's own journal
// says, merged in commit order, with nothing lost and nothing twice.
func TestAMemberOfTwoOrganizationsResumedAtRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	ctx := within(t, 5*time.Minute)
	h := newHouse(t)
	h.user(t, "writer")
	h.user(t, "both")
	h.Exec(t, fmt.Sprintf(`INSERT INTO organizations (id, name) SELECT 'org_' || i, 'Organization ' || i FROM generate_series(1, 3) i;
		INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType")
			SELECT 'property_' || i || '_' || j, 1, 'old', 'org_' || i, 'writer', 'HOUSE', 'AVAILABLE', 'SALE' FROM generate_series(1, 3) i, generate_series(1, %d) j;
		INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType")
			VALUES ('wanders', 1, 'old', 'org_1', 'writer', 'HOUSE', 'AVAILABLE', 'SALE');
		INSERT INTO clients (id, name, "organizationId", "createdBy", "clientType")
			SELECT 'client_' || i || '_' || j, 'old', 'org_' || i, 'writer', 'PERSON' FROM generate_series(1, 3) i, generate_series(1, %[1]d) j`, mergePerOrg))
	h.member(t, "both", "org_1")
	h.member(t, "both", "org_2")
	h.setUp(t)
	super := h.Conn(t)
	if _, err := super.Exec(ctx, `SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, h.Name+"_truth"); err != nil {
		t.Fatal(err)
	}
	properties, clients := parentsOf(t, super, "properties"), parentsOf(t, super, "clients")
	s := serve(t, h.environ, nil)
	s.ready(t)
	cookie := h.cookie(t, "both")
	const query = "organizationId=org_2&organizationId=org_1"
	start := s.position(t, query, cookie)
	// One is cut only when the server dies: what it is told comes from the tails,
	// the others' mostly from the log.
	live := &client{name: "live", address: s.address, cookie: cookie, user: "both", organizations: []string{"org_2", "org_1"}}
	watch, unwatch := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer unwatch()
	watching.Go(func() { live.run(watch) })
	until(t, time.Minute, func() string {
		if n, _, _, status := live.state(); n == 0 {
			return fmt.Sprintf("the live one is not ready, status %d", status)
		}
		return ""
	})

	w := &mergeWriter{}
	w.allowed.Store(20 * mergeLoad)
	writing, stop := context.WithCancel(ctx)
	var writers sync.WaitGroup
	defer writers.Wait()
	defer stop()
	for i := range mergeWriters {
		conn := h.Conn(t)
		writers.Go(func() { w.write(writing, t, conn, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}

	// The one that follows, cut again and again, and those that begin somewhere in
	// what it has seen.
	r := rand.New(rand.NewPCG(seed, 99))
	var history []message
	type replay struct {
		after int // in history; -1 is the start
		got   []message
	}
	var replays []replay
	last, resumes, kills := start, 0, 0
	for resumes < mergeResumes || w.committed.Load() < mergeTransactions {
		got, err := follow(ctx, s.address, query, cookie, last, 1+r.IntN(10))
		if err != nil {
			t.Fatalf("resumed at %s: %v", last, err)
		}
		resumes++
		w.allowed.Store(int64(mergeLoad * (resumes + 20)))
		history = append(history, got...)
		if len(history) > 0 {
			last = history[len(history)-1].place.String()
		}
		if len(history) > 0 && r.IntN(2) == 0 {
			after := r.IntN(len(history)+1) - 1
			from := start
			if after >= 0 {
				from = history[after].place.String()
			}
			// No more than there is: it need not wait.
			if n := len(history) - 1 - after; n > 0 {
				got, err := follow(ctx, s.address, query, cookie, from, 1+r.IntN(min(n, 100)))
				if err != nil {
					t.Fatalf("resumed at %s: %v", from, err)
				}
				resumes++
				replays = append(replays, replay{after, got})
			}
		}
		if resumes > (kills+1)*mergeResumes/4 && kills < 3 {
			kills++
			s.kill(t)
			s.start(t)
			s.ready(t)
		}
	}
	stop()
	writers.Wait()
	h.script(t, fmt.Sprintf(insertMark, 1)+fmt.Sprintf(insertMark, 2)) // one transaction
	for {
		got, err := follow(ctx, s.address, query, cookie, last, 1)
		if err != nil || len(got) != 1 {
			t.Fatalf("after %s: %d events, %v", last, len(got), err)
		}
		history, last = append(history, got...), got[0].place.String()
		if got[0].Payload.PropertyID == "mark_2" {
			break
		}
	}

	tr := readTruth(ctx, t, h.Conn(t), h.Name+"_truth", "orgcast", properties, clients)
	want := tr.seenBy(&client{organizations: []string{"org_1", "org_2"}}, "")
	if difference := compare(want, history); difference != "" {
		t.Errorf("the stream that was cut %d times: %s", resumes, difference)
	}
	until(t, time.Minute, func() string {
		if _, reached, _, status := live.state(); uint64(reached.LSN) < tr.lastLSN {
			return fmt.Sprintf("the live one has come to %v, not to %x; status %d", reached, tr.lastLSN, status)
		}
		return ""
	})
	unwatch()
	watching.Wait()
	if difference := compare(want, live.history); difference != "" || len(live.broken) > 0 {
		t.Errorf("the live one: %s %q", difference, live.broken[:min(3, len(live.broken))])
	}
	replayed := 0
	for _, p := range replays {
		replayed += len(p.got)
		sameIDs(t, fmt.Sprintf("resumed after event %d", p.after), places(p.got), places(history[p.after+1:min(p.after+1+len(p.got), len(history))]))
	}
	// What the test is about has to have happened.
	inside, between, both := 0, 0, map[orgcast.LSN]int{}
	for i, m := range history {
		if m.OrganizationID != "" {
			both[m.place.LSN] |= 1 << (m.OrganizationID[4] - '0')
		}
		if i > 0 && m.OrganizationID != history[i-1].OrganizationID {
			if m.place.LSN == history[i-1].place.LSN {
				inside++
			} else {
				between++
			}
		}
	}
	shared := 0
	for _, organizations := range both {
		if organizations == 1<<1|1<<2 {
			shared++
		}
	}
	t.Logf("%d transactions, %d of them of both; %d events, cut and resumed %d times, %d of them replayed %d events; the organization changes %d times in a transaction and %d times between two; %d moves, %d withheld, %d kills",
		tr.transactions, shared, len(history), resumes, len(replays), replayed, inside, between, tr.propertyMoves, tr.withheld, kills)
	if len(history) < 1000 || shared < 100 || inside < 200 || between < 100 || len(replays) < 50 || tr.propertyMoves == 0 || kills != 3 {
		t.Error("the test is too quiet")
	}
}

const insertMark = `INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType")
	VALUES ('mark_%d', 1, 'the end', 'org_%[1]d', 'writer', 'HOUSE', 'AVAILABLE', 'SALE');`

// follow resumes a stream and reads n events, or resets that have a place among
// them; then it is cut.
func follow(ctx context.Context, address, query, cookie, from string, n int) (got []message, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := connect(ctx, address, query, cookie, from)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if c.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", c.StatusCode)
	}
	for len(got) < n {
		b, m, err := c.next()
		switch {
		case err != nil:
			return got, err
		case m.Type == "closing" || m.Type == "reset" && m.Reason != "moved":
			return got, fmt.Errorf("%s %s", m.Type, m.Reason)
		case m.Type == "connection" || m.Type == "ready" || m.Type == "status":
			continue
		case m.Type != "reset" && m.ID != b.id:
			return got, fmt.Errorf("id %q, in the event %q", b.id, m.ID)
		}
		if m.place, err = orgcast.ParseCursor(b.id); err != nil {
			return got, err
		}
		got = append(got, m)
	}
	return got, nil
}

func places(messages []message) []string {
	all := make([]string, len(messages))
	for i, m := range messages {
		all[i] = m.place.String()
	}
	return all
}
