package load

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Options say what is written.
type Options struct {
	// URL is an ordinary SQL connection as the application's role, which owns the
	// tables.
	URL  string
	Seed uint64
	// Organizations and Users are how many there are: org_0 …, user_0 ….
	Organizations, Users int
	// Writers write at one time; 4 if zero.
	Writers int
	// Rate is how many transactions a second all of them begin; as many as they can
	// if zero.
	Rate float64
	// Clock is the nanoseconds since the run's beginning, of the monotonic clock.
	Clock func() int64
	// Keys is how many properties, and how many clients, there may be for each
	// organization; 40 if zero. The other tables' follow from it.
	Keys int
	// Churn are the users that are removed from their organizations and join again.
	Churn []string
	// Doomed are the organizations that are deleted with everything, and come again.
	Doomed []string
	// BigRows is how many rows a big transaction has; 2,000 if zero.
	BigRows int
	// Weights are other weights than those of the table of kinds, by name. 0: never.
	Weights map[string]int
	// Limit is after how many transactions of all writers Run returns; never if zero.
	Limit int64
	// Timeout is that of one transaction, and of a connect; a minute if zero.
	Timeout time.Duration
}

// kindsBy are the kinds with the weights of o.
func (o *Options) kindsBy() ([]kind, error) {
	list := slices.Clone(kinds)
	for name, weight := range o.Weights {
		i := slices.IndexFunc(list, func(k kind) bool { return k.name == name })
		if i < 0 || weight < 0 {
			return nil, fmt.Errorf("weight %d of %q: there is no such kind", weight, name)
		}
		list[i].weight = weight
	}
	sum := 0
	for i := range list {
		k := &list[i]
		if k.churn && len(o.Churn) == 0 || k.doom && len(o.Doomed) == 0 {
			k.weight = 0
		}
		if !k.alone {
			sum += k.weight
		}
	}
	if sum == 0 {
		return nil, errors.New("no kind of statement has a weight")
	}
	return list, nil
}

// New makes the writers; nothing is written yet.
func New(o Options) (*Load, error) {
	if o.Organizations < 1 || o.Users < 1 || o.Clock == nil {
		return nil, errors.New("load needs an organization, a user and a clock")
	}
	for d, v := range map[*int]int{&o.Writers: 4, &o.Keys: 40, &o.BigRows: 2000} {
		if *d == 0 {
			*d = v
		}
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	list, err := o.kindsBy()
	if err != nil {
		return nil, err
	}
	l := &Load{options: o, kinds: list, members: plan(&o), stats: newStats(), resumed: make(chan struct{})}
	close(l.resumed)
	for _, k := range list {
		l.weight += k.weight
	}
	for _, id := range o.Churn {
		if !slices.ContainsFunc(l.members, func(m Member) bool { return m.User == id }) {
			return nil, fmt.Errorf("user %q of Churn is in no organization", id)
		}
	}
	for _, id := range o.Doomed {
		if !slices.ContainsFunc(l.members, func(m Member) bool { return m.Organization == id }) {
			return nil, fmt.Errorf("organization %q of Doomed has no member", id)
		}
	}
	return l, nil
}

// Member is a membership that is there after Fill.
type Member struct{ User, Organization, Role string }

// plan is who belongs where: each user to one organization, every second to two,
// every fourth to three.
func plan(o *Options) (list []Member) {
	r := rand.New(rand.NewPCG(o.Seed, 1<<32))
	for u := range o.Users {
		for n := range min(o.Organizations, 3) {
			if n == 1 && u%2 == 1 || n == 2 && u%4 > 0 {
				break
			}
			list = append(list, Member{
				User: fmt.Sprintf("user_%d", u), Organization: fmt.Sprintf("org_%d", (u+n)%o.Organizations), Role: roles[r.IntN(len(roles))],
			})
		}
	}
	return list
}

// Members are the memberships that are there after Fill.
func (l *Load) Members() []Member { return slices.Clone(l.members) }
