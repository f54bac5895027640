package e2e_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	grants       = 500
	grantWorkers = 5
	// Transactions that others write meanwhile, for each grant. Without a bound
	// the writers leave a small machine no time for anything else.
	grantLoad = 8
)

// TestAJustGrantedMemberIsNeverTurnedAway: the row is committed, and in that
// instant the stream is asked for, while others write.
func TestAJustGrantedMemberIsNeverTurnedAway(t *testing.T) {
	ctx := within(t, 5*time.Minute)
	h := newHouse(t)
	fillForCrashes(t, h)
	h.Exec(t, fmt.Sprintf(`INSERT INTO users (id, name) SELECT 'user_' || i, 'Somebody' FROM generate_series(1, %d) i`, grants))
	h.setUp(t)
	s := serve(t, h.environ, nil)
	s.ready(t)

	l := newLoad(h.URL, crashOrganizations, crashPerOrg)
	l.allow(grantLoad)
	var writing, asking sync.WaitGroup
	defer writing.Wait()
	defer l.stop()
	for i := range 3 {
		writing.Go(func() { l.write(ctx, t, rand.New(rand.NewPCG(7, uint64(i)))) })
	}
	var mu sync.Mutex
	var slowest, all time.Duration
	var asked int64
	for w := range grantWorkers {
		conn := h.Conn(t)
		asking.Go(func() {
			for i := w + 1; i <= grants; i += grantWorkers {
				user, organization := fmt.Sprintf("user_%d", i), org(1+i%crashOrganizations)
				cookie := h.cookie(t, user)
				if _, err := conn.Exec(ctx, `INSERT INTO organization_members (id, "userId", "organizationId") VALUES ($1, $1, $2)`, user, organization); err != nil {
					t.Errorf("grant %d: %v", i, err)
					return
				}
				begun := time.Now()
				c, err := connect(ctx, s.address, "organizationId="+organization, cookie, "")
				if err != nil {
					t.Errorf("grant %d: %v", i, err)
					continue
				}
				took := time.Since(begun)
				if c.StatusCode != http.StatusOK {
					body, _ := io.ReadAll(c.Body)
					t.Errorf("grant %d: status %d %s", i, c.StatusCode, body)
				} else if said := greeting(c); said != "connection ready" {
					t.Errorf("grant %d: %s", i, said)
				}
				c.Close()
				mu.Lock()
				slowest, all, asked = max(slowest, took), all+took, asked+1
				l.allow(grantLoad * (asked + 1))
				mu.Unlock()
			}
		})
	}
	asking.Wait()
	l.stop()
	writing.Wait()
	t.Logf("%d grants under %d transactions; answered after %v on average, %v at most", grants, l.committed.Load(), (all / grants).Round(time.Microsecond), slowest.Round(time.Millisecond))
}

// greeting is what a stream says, events left out, up to ready.
func greeting(c *connection) string {
	var said []string
	for {
		_, m, err := c.next()
		switch {
		case err != nil:
			return strings.Join(append(said, err.Error()), " ")
		case m.ID != "":
			continue // an event
		}
		said = append(said, m.Type)
		if m.Type == "ready" {
			return strings.Join(said, " ")
		}
	}
}
