package eventlog

import (
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// applied is a batch that waits for its fsync, or a barrier.
type applied struct {
	ops    *pebble.Batch
	end    orgcast.LSN // zero: no position in it
	pieces int         // of the room
	done   chan<- struct{}
}

// syncer waits for the fsyncs, in order, and raises the durable position. After
// the first error none is raised again: what follows may be on a disk that has
// forgotten what came before.
func (l *Log) syncer() {
	for a := range l.inFlight {
		if a.done != nil {
			close(a.done)
			continue
		}
		err := a.ops.SyncWait()
		l.progress.Store(l.opts.Now().UnixNano())
		l.pending.Add(-1)
		if err == nil {
			err = a.ops.Close()
		}
		l.room.give(a.pieces)
		if err != nil {
			l.fail(fmt.Errorf("sync log: %w", err))
		}
		if a.end == 0 || l.failed.Load() != nil {
			continue
		}
		l.durable.Store(uint64(a.end))
		if l.opts.Hooks.Durable != nil {
			l.opts.Hooks.Durable(a.end)
		}
	}
}

// drain waits until everything applied was synced, or failed to be.
func (l *Log) drain() {
	done := make(chan struct{})
	l.inFlight <- applied{done: done}
	<-done
}

// Health tells why the log can't take more, nil if it can: a write failed, no
// fsync completes (a full disk shows in no other way), or the disk is low. The
// reader of the slot should stop while it is not nil.
func (l *Log) Health() error {
	if err := l.failed.Load(); err != nil {
		return orgcast.WithHint("write log", *err, "check the disk, then restart")
	}
	if l.pending.Load() > 0 {
		if age := l.opts.Now().Sub(time.Unix(0, l.progress.Load())); age >= stuckAfter {
			return orgcast.WithHint("write log", fmt.Errorf("%w for %s", ErrStuck, age.Truncate(time.Second)),
				"free disk space, or check the disk")
		}
	}
	return l.space.health(l.opts.MinFree)
}
