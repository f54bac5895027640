//go:build linux

package nemesis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/oikion/orgcast/internal/verify/house"
)

// recovery is how long the server may take, after a fault's cause is gone, to be
// ready by itself.
const recovery = time.Minute

// Incident is a fault that was done.
type Incident struct {
	Fault    string `json:"fault"`
	At       int64  `json:"at"`       // ns since the run's beginning
	Gone     int64  `json:"gone"`     // when its cause was gone
	Ready    int64  `json:"ready"`    // when the server was ready again; 0 if never
	Restarts int    `json:"restarts"` // how often a supervisor had to start it
	Epoch    bool   `json:"epoch"`
	Early    bool   `json:"early"`
	Problem  string `json:"problem,omitempty"`
}

// Nemesis does faults. It is for one goroutine.
type Nemesis struct {
	house     *house.House
	rand      *rand.Rand
	clock     func() int64
	truthSlot string // must not be lost with the server's
	variant   bool   // of the rules
	stepped   time.Duration
}

// New makes one. truthSlot is the slot that must survive.
func New(h *house.House, seed uint64, clock func() int64, truthSlot string) *Nemesis {
	return &Nemesis{house: h, rand: rand.New(rand.NewPCG(seed, 0xbad)), clock: clock, truthSlot: truthSlot}
}

// Schedule is the order of faults: all that can be done here, shuffled, again and
// again.
func (n *Nemesis) Schedule(only []string) (names []string, without []string) {
	for _, f := range Faults {
		switch {
		case len(only) > 0 && !slices.Contains(only, f.Name):
		case f.Disk && !n.house.HasDisk():
			without = append(without, f.Name)
		default:
			names = append(names, f.Name)
		}
	}
	n.rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names, without
}

// Do does one fault and waits until the server is ready again.
func (n *Nemesis) Do(ctx context.Context, name string) (Incident, error) {
	i := slices.IndexFunc(Faults, func(f Fault) bool { return f.Name == name })
	if i < 0 {
		return Incident{}, fmt.Errorf("there is no fault %q", name)
	}
	f := Faults[i]
	incident := Incident{Fault: f.Name, At: n.clock(), Epoch: f.Epoch, Early: f.Early}
	if err := f.do(ctx, n); err != nil {
		return incident, fmt.Errorf("fault %q: %w", name, err)
	}
	incident.Gone = n.clock()
	ended, err := n.house.Server.Ready(ctx, recovery)
	incident.Restarts = ended
	switch {
	case ctx.Err() != nil:
		return incident, ctx.Err()
	case err != nil:
		incident.Problem = err.Error()
		return incident, nil
	}
	incident.Ready = n.clock()
	return incident, nil
}

// steps does one after another, and ends with the first error.
func steps(list ...func() error) error {
	for _, f := range list {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// then does something also if there was an error before: what mends.
func then(err error, mend func() error) error { return errors.Join(err, mend()) }
