package server

import (
	"context"
	"net"
	"time"

	"github.com/oikion/orgcast"
)

// Of a socket that browsers connect to.
const (
	// deadAfter is how long what was sent may stay unacknowledged, or untaken, until
	// the system gives the connection up. A heartbeat every few seconds sees to it
	// that something was sent. It is longer than a write may block, so that who takes
	// nothing is told apart from who is gone.
	deadAfter = time.Minute
	// unsentBytes is what the system may hold for a peer that is not even on its
	// way. Without a bound it hides a slow peer for two megabytes.
	unsentBytes = 16 << 10
	// keepAlive finds out within a minute and a half who is gone while nothing is
	// sent to him.
	keepAliveIdle, keepAliveInterval, keepAliveCount = 30 * time.Second, 15 * time.Second, 4
)

// Listen opens the listener for browsers. Linux bounds what it holds for a slow
// peer and for how long it believes in a dead one; elsewhere keepalive alone does.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	return listenFor(ctx, address, deadAfter)
}

func listenFor(ctx context.Context, address string, dead time.Duration) (net.Listener, error) {
	config := net.ListenConfig{
		Control:         setSocket(dead),
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount},
	}
	// On a multipath socket, Go's default where the system has it, the options below
	// are taken and have no effect.
	config.SetMultipathTCP(false)
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, orgcast.WithHint("listen", err, "Set ORGCAST_LISTEN to a free address.")
	}
	return l, nil
}
