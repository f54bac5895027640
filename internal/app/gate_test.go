package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oikion/orgcast"
)

// answers are those of a database in which transactions become visible one by one.
type answers struct {
	asked int
	seen  time.Time // when 100 becomes visible; 102 never does, 103 did not begin
	names string
	fails error
}

func (a *answers) snapshot(context.Context) (string, error) {
	a.asked++
	if time.Now().Before(a.seen) {
		return "100:103:100,102", a.fails
	}
	return "102:103:102", a.fails
}

func (a *answers) standbys(context.Context) (string, error) { return a.names, nil }

func TestATransactionWaitsUntilItIsVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []error
		g := &gate{late: func(err error) { said = append(said, err) }}
		begun := time.Now()
		a := &answers{seen: begun.Add(5 * time.Second)}
		passed := make(chan error)
		go func() { passed <- g.wait(t.Context(), 100, a.snapshot, a.standbys) }()
		time.AfterFunc(3*time.Second, func() {
			if d := g.waited(); d < 2900*time.Millisecond || d > 3*time.Second {
				t.Errorf("after 3 s it has waited for %v", d)
			}
		})
		if err := <-passed; err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begun); d < 5*time.Second || d > 5*time.Second+gateMaxPause || g.waited() != 0 {
			t.Errorf("it waited for %v, and still for %v", d, g.waited())
		}
		if len(said) < 3 || len(said) > 5 || !strings.Contains(said[0].Error(), "transaction 100") || orgcast.Hint(said[0]) == "" {
			t.Errorf("was said: %v", said)
		}

		// One snapshot answers for all that it sees.
		asked := a.asked
		for xid := range uint32(100) {
			if err := g.wait(t.Context(), xid, a.snapshot, a.standbys); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.wait(t.Context(), 101, a.snapshot, a.standbys); err != nil || a.asked != asked {
			t.Errorf("asked %d times for what was known: %v", a.asked-asked, err)
		}
		// But not for ever: XIDs come round.
		time.Sleep(gateTrust)
		if err := g.wait(t.Context(), 101, a.snapshot, a.standbys); err != nil || a.asked != asked+1 {
			t.Errorf("after %v asked %d times: %v", gateTrust, a.asked-asked, err)
		}

		// Without the connection nothing passes.
		a.fails = errors.New("gone")
		if err := g.wait(t.Context(), 102, a.snapshot, a.standbys); !errors.Is(err, a.fails) {
			t.Errorf("without an answer: %v", err)
		}
		a.fails = nil
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errNoConnection) })
		if err := g.wait(ctx, 102, a.snapshot, a.standbys); !errors.Is(err, errNoConnection) {
			t.Errorf("given up: %v", err)
		}

		// A commit that waits for us is not waited for.
		a.names = "ANY 1 (*)"
		if err := g.wait(t.Context(), 102, a.snapshot, a.standbys); !errors.Is(err, errOwnStandby) || orgcast.Hint(err) == "" {
			t.Errorf("as its own standby: %v", err)
		}
	})
}
