//go:build linux

package nemesis

import (
	"context"
	"github.com/oikion/orgcast/internal/verify"
	"syscall"
	"time"
)

func kill(_ context.Context, n *Nemesis) error {
	s := n.house.Server
	return steps(s.Kill, s.Start)
}

func killEarly(ctx context.Context, n *Nemesis) error {
	s := n.house.Server
	return steps(s.Kill, s.Start,
		func() error { return verify.Pause(ctx, n.seconds(0.02, 0.6)) },
		s.Kill, s.Start)
}

func freeze(ctx context.Context, n *Nemesis) error {
	s := n.house.Server
	if err := s.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return then(verify.Pause(ctx, n.seconds(1, 13)), func() error { return s.Signal(syscall.SIGCONT) })
}

func redeploy(ctx context.Context, n *Nemesis) error {
	s := n.house.Server
	return steps(func() error { return s.Terminate(ctx, 30*time.Second) }, s.Start)
}

// clock steps the wall clock. It stays so, until the next step.
func clock(ctx context.Context, n *Nemesis) error {
	n.stepped += n.seconds(-1200, 1200).Truncate(time.Second)
	n.stepped = min(max(n.stepped, -time.Hour), time.Hour)
	if err := n.house.SetClock(n.stepped); err != nil {
		return err
	}
	return verify.Pause(ctx, n.seconds(0.5, 3))
}

func rules(ctx context.Context, n *Nemesis) error {
	s := n.house.Server
	path := ""
	if n.variant = !n.variant; n.variant {
		var err error
		if path, err = n.house.Variant(ctx); err != nil {
			return err
		}
	}
	n.house.Set("ORGCAST_RULES", path)
	if n.rand.IntN(2) == 0 {
		return kill(ctx, n)
	}
	return steps(func() error { return s.Terminate(ctx, 30*time.Second) }, s.Start)
}
