//go:build linux

package nemesis

import (
	"context"
	"github.com/oikion/orgcast/internal/verify"
	"time"

	"github.com/oikion/orgcast/internal/verify/wire"
)

// trouble puts a proxy into trouble for a while.
func (n *Nemesis) trouble(ctx context.Context, p *wire.Proxy, t wire.Trouble, d time.Duration) error {
	p.Set(t)
	err := verify.Pause(ctx, d)
	p.Set(wire.Trouble{})
	return err
}

func clientsCut(_ context.Context, n *Nemesis) error {
	n.house.Front.Cut()
	return nil
}

func clientsSlow(ctx context.Context, n *Nemesis) error {
	return n.trouble(ctx, n.house.Front, wire.Trouble{Delay: n.seconds(0.01, 0.2), Rate: 20_000 + n.rand.IntN(200_000)}, n.seconds(2, 6))
}

func clientsHalfOpen(ctx context.Context, n *Nemesis) error {
	return n.trouble(ctx, n.house.Front, wire.Trouble{Swallow: true}, 6*time.Second)
}

func databaseCut(_ context.Context, n *Nemesis) error {
	n.house.Back.Cut()
	return nil
}

func databaseSlow(ctx context.Context, n *Nemesis) error {
	return n.trouble(ctx, n.house.Back, wire.Trouble{Delay: n.seconds(0.01, 0.2), Rate: 100_000 + n.rand.IntN(400_000)}, n.seconds(2, 6))
}

func databaseHalfOpen(ctx context.Context, n *Nemesis) error {
	return n.trouble(ctx, n.house.Back, wire.Trouble{Swallow: true}, 15*time.Second)
}
