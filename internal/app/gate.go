package app

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/replication"
)

// gate holds a transaction back, and with it all that come after it, until other
// sessions of the primary see it. With synchronous replication a commit is in the
// WAL long before: whoever refetched on its event would read the old row.
//
// There is no queue. What waits is one transaction, in the spool; what comes after
// it stays in the sockets and, unconfirmed, in the slot. One snapshot answers for
// all that were committed before it was taken, so that a feed which is behind does
// not ask for each.
type gate struct {
	// late is told, again and again, why a transaction waits for long.
	late func(error)

	hidden func(xid uint32) bool // by the last snapshot; nil before the first
	taken  time.Time             // when that was asked for
	since  atomic.Int64          // when the wait at hand began, in ns; 0: none
}

// The pauses between two questions, and the wait that is worth a word.
const (
	gatePause    = time.Millisecond
	gateMaxPause = 20 * time.Millisecond
	gateLate     = time.Second
	// gateTrust is how long a snapshot answers for: the WAL's XIDs come round, and
	// after two thousand million others a new one looks like an old one.
	gateTrust = time.Minute
)

// wait waits until a transaction is visible. snapshot asks for what
// pg_current_snapshot prints; standbys for synchronous_standby_names.
func (g *gate) wait(ctx context.Context, xid uint32, snapshot, standbys func(context.Context) (string, error)) error {
	begun := time.Now()
	if g.hidden != nil && begun.Sub(g.taken) < gateTrust && !g.hidden(xid) {
		return nil
	}
	defer g.since.Store(0)
	said := begun
	for pause := gatePause; ; pause = min(2*pause, gateMaxPause) {
		g.taken = time.Now()
		text, err := snapshot(ctx)
		if err != nil {
			return err
		}
		if g.hidden, err = hiding(text); err != nil {
			return err
		}
		if !g.hidden(xid) {
			return nil
		}
		g.since.Store(begun.UnixNano())
		if time.Since(said) >= gateLate {
			said = time.Now()
			names, err := standbys(ctx)
			if err != nil {
				return err
			}
			if replication.CountsAsStandby(names) {
				return orgcast.WithHint("wait until a commit is visible", errOwnStandby,
					"Name the standbys in synchronous_standby_names, without * and without orgcast; or set ORGCAST_DISPATCH=received.")
			}
			g.late(orgcast.WithHint("wait until a commit is visible", fmt.Errorf("transaction %d is committed, and no session sees it yet: it waits for a synchronous standby", xid),
				"Bring the standby back, or take it out of synchronous_standby_names."))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("wait until a commit is visible: %w", context.Cause(ctx))
		}
	}
}

// errOwnStandby is a commit that waits for us while we wait for it.
var errOwnStandby = errors.New("synchronous_standby_names takes orgcast for a standby: the commit waits for orgcast, and orgcast for the commit")

// waited is how long the transaction at hand has been held back; 0 if none is.
func (g *gate) waited() time.Duration {
	since := g.since.Load()
	if since == 0 {
		return 0
	}
	return time.Since(time.Unix(0, since))
}

// holdBack has the feed wait at the gate, if there is one, by a connection that
// nothing else holds up. free gives the connection back.
func (s *source) holdBack(ctx context.Context, replica *replication.Conn, broken func(error)) (free func(), err error) {
	if s.gate == nil {
		return func() {}, nil
	}
	conn, err := s.connect(ctx, "orgcast visible")
	if err != nil {
		return nil, err
	}
	look := &inspector{conn: conn, broken: broken}
	free = func() { look.close(ctx) }
	if err := same(ctx, look, replica); err != nil {
		free()
		return nil, err
	}
	s.gate.hidden = nil // it may be another server, with other transactions
	s.feed.OnCommit(func(tx orgcast.Transaction) error {
		return s.gate.wait(ctx, tx.XID,
			func(ctx context.Context) (string, error) { return look.ask(ctx, "SELECT pg_current_snapshot()::text") },
			func(ctx context.Context) (string, error) {
				return look.ask(ctx, "SELECT current_setting('synchronous_standby_names')")
			})
	})
	return free, nil
}
