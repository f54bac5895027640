//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/verify"
	"github.com/oikion/orgcast/internal/verify/ear"
	"github.com/oikion/orgcast/internal/verify/house"
)

// kinds are who listens, in the parts that they have of the crowd.
var kinds = []struct {
	kind string
	part int
}{
	{ear.EventSource, 8}, {ear.Resumer, 4}, {ear.Late, 2}, {ear.Slow, 2}, {ear.Filtered, 5}, {ear.Poller, 3}, {ear.Multi, 3}, {ear.Churned, 3},
}

func (r *running) users() int { return r.Organizations * 4 }

// churned are the users who are removed and join again, and doomed the
// organizations that are deleted and made again.
func (r *running) churned() (users []string) {
	for i := 0; i < r.users(); i += 4 {
		users = append(users, fmt.Sprintf("user_%d", i))
	}
	return users
}

func (r *running) doomed() []string { return []string{fmt.Sprintf("org_%d", r.Organizations-1)} }

// crowd are all clients.
type crowd struct {
	ears    []*ear.Ear
	records []*verify.Record
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

// gather makes the clients, of the members that the database has.
func (r *running) gather(ctx context.Context) (*crowd, error) {
	conn, err := pgx.Connect(ctx, r.house.URL())
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, `SELECT "userId", array_agg("organizationId" ORDER BY "organizationId") FROM organization_members GROUP BY 1 ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	type member struct {
		user          string
		organizations []string
	}
	members, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m member, err error) {
		return m, row.Scan(&m.user, &m.organizations)
	})
	if err := conn.Close(ctx); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	churned, doomed := r.churned(), r.doomed()
	c := &crowd{}
	intern := ear.NewIntern(200_000)
	random := rand.New(rand.NewPCG(r.Seed, 0xc70))
	cookies := map[string]string{}
	parts := 0
	for _, k := range kinds {
		parts += k.part
	}
	for _, k := range kinds {
		var may []member
		for _, m := range members {
			unsteady := slices.Contains(churned, m.user) || slices.ContainsFunc(m.organizations, func(o string) bool { return slices.Contains(doomed, o) })
			if unsteady == (k.kind == ear.Churned) && (k.kind != ear.Multi || len(m.organizations) > 1) {
				may = append(may, m)
			}
		}
		if len(may) == 0 {
			return nil, fmt.Errorf("nobody can be a client of kind %s", k.kind)
		}
		for i := range max(1, r.Clients*k.part/parts) {
			m := may[random.IntN(len(may))]
			organizations := m.organizations
			if k.kind != ear.Multi {
				organizations = organizations[random.IntN(len(organizations)):][:1]
			}
			if cookies[m.user] == "" {
				if cookies[m.user], err = r.house.Cookie(ctx, m.user); err != nil {
					return nil, err
				}
			}
			record := &verify.Record{Client: fmt.Sprintf("%s %d (%s)", k.kind, i, m.user), Kind: k.kind, User: m.user, Organizations: organizations}
			c.records = append(c.records, record)
			e, err := ear.New(ear.Options{
				Address: r.house.Front.Address, Cookie: cookies[m.user], Record: record, Seed: random.Uint64(), Clock: r.clock, Intern: intern,
				Heartbeat: house.Heartbeat,
			})
			if err != nil {
				return nil, err
			}
			c.ears = append(c.ears, e)
		}
	}
	return c, nil
}

func (c *crowd) start(ctx context.Context) {
	ctx, c.cancel = context.WithCancel(ctx)
	for _, e := range c.ears {
		c.wg.Go(func() { e.Run(ctx) })
	}
}

// settle ends the habits of all, so that each comes to the end.
func (c *crowd) settle() {
	for _, e := range c.ears {
		e.Settle()
	}
}

func (c *crowd) stop() {
	c.cancel()
	c.wg.Wait()
}

type behind struct {
	name    string
	reached verify.Cursor
	state   string
}

// behind are the clients that are members and have not come to a commit.
func (c *crowd) behind(lsn uint64, members []verify.Member) (list []behind) {
	for i, e := range c.ears {
		r := c.records[i]
		belongs := true
		for _, o := range r.Organizations {
			belongs = belongs && slices.ContainsFunc(members, func(m verify.Member) bool {
				return m.User == r.User && m.Organization == o && !m.Ended()
			})
		}
		_, why := e.State()
		if reached := e.Reached(); belongs && reached.LSN < lsn {
			list = append(list, behind{r.Client, reached, why})
		}
	}
	return list
}
