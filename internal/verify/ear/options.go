package ear

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/oikion/orgcast/internal/verify"
)

// The kinds of clients.
const (
	// EventSource behaves as a browser's does, but comes back after a refusal, as
	// an application's own client would.
	EventSource = "eventsource"
	// Multi is EventSource; its record has several organizations.
	Multi = "multi"
	// Resumer cuts its connections at any byte, and comes back, also from a cursor
	// that it had long before.
	Resumer = "resumer"
	// Late is a new browser again and again: it begins without a cursor, or with one
	// that it was just given.
	Late = "late"
	// Slow reads little at a time into a small buffer, and nothing for seconds.
	Slow = "slow"
	// Filtered hears some channels and types only, others after each connect, and
	// changes them while it listens.
	Filtered = "filtered"
	// Poller asks for pages.
	Poller = "poller"
	// Churned is a member who is removed and comes again: with his cursor, or
	// without.
	Churned = "churned"
)

// Options say who listens, to what, and how.
type Options struct {
	// Address is where the server, or a proxy before it, is at the moment.
	Address func() string
	// Cookie is the value of the request's header.
	Cookie string
	// Record is kept by the ear. Kind, User and Organizations must be set, and
	// Entries be empty.
	Record *verify.Record
	Seed   uint64
	// Clock is the nanoseconds since the run's beginning, of the monotonic clock.
	Clock  func() int64
	Intern *Intern
	// Heartbeat is the server's; 15 s if zero. Who hears nothing for three of them
	// gives the connection up.
	Heartbeat time.Duration
	// Patience is how long an answer may take; 45 s if zero.
	Patience time.Duration
	// Pace is what its habits take for a second; one if zero. The server's times are
	// scaled by it, too.
	Pace time.Duration
}

// New makes a client; nothing is asked yet.
func New(o Options) (*Ear, error) {
	switch {
	case o.Address == nil || o.Record == nil || o.Clock == nil || o.Intern == nil:
		return nil, errors.New("a client needs an address, a record, a clock and an intern")
	case len(o.Record.Organizations) == 0 || o.Record.User == "":
		return nil, fmt.Errorf("client %s has no user or organization", o.Record.Client)
	case len(o.Record.Entries) > 0:
		return nil, fmt.Errorf("the record of client %s has begun", o.Record.Client)
	}
	switch o.Record.Kind {
	case EventSource, Multi, Resumer, Late, Slow, Filtered, Poller, Churned:
	default:
		return nil, fmt.Errorf("client %s is of the unknown kind %q", o.Record.Client, o.Record.Kind)
	}
	for d, v := range map[*time.Duration]time.Duration{&o.Heartbeat: 15 * time.Second, &o.Patience: 45 * time.Second, &o.Pace: time.Second} {
		if *d == 0 {
			*d = v
		}
	}
	// The changer of filters draws at the same time as the reader.
	return &Ear{
		options: o, kind: o.Record.Kind, r: rand.New(rand.NewPCG(o.Seed, 1)), changes: rand.New(rand.NewPCG(o.Seed, 2)),
		retry: 3 * o.Pace, why: "not begun",
	}, nil
}
