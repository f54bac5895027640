package eventlog

import (
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/plant"
)

// unsynced is what was applied since the syncer looked.
type unsynced struct {
	wake chan struct{} // there is some

	mu      sync.Mutex
	batches int64
	pieces  int // of the room
	end     orgcast.LSN
	waiting []chan<- struct{} // until it is synced
}

// add adds an applied batch. A zero end is no position.
func (u *unsynced) add(pieces int, end orgcast.LSN) {
	u.mu.Lock()
	u.batches, u.pieces, u.end = u.batches+1, u.pieces+pieces, max(u.end, end)
	u.mu.Unlock()
	u.poke()
}

func (u *unsynced) poke() {
	select {
	case u.wake <- struct{}{}:
	default: // it will look already
	}
}

// take takes all of it.
func (u *unsynced) take() (batches int64, pieces int, end orgcast.LSN, waiting []chan<- struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	batches, pieces, end, waiting = u.batches, u.pieces, u.end, u.waiting
	u.batches, u.pieces, u.end, u.waiting = 0, 0, 0, nil
	return batches, pieces, end, waiting
}

// syncEvery is how often it is synced at most. A stream is told at once; who waits is
// the slot's confirmation, and who publishes. A fast disk would be synced thousands of
// times a second, and each time costs as much CPU as ten small transactions.
const syncEvery = 2 * time.Millisecond

// syncer fsyncs, one time after the other while there is something to: all that was
// applied in the meantime is in the next one, and waits for no goroutine of its own.
// Then it raises the durable position. After the first error none is raised again:
// what follows may be on a disk that has forgotten what came before.
func (l *Log) syncer() {
	for range l.unsynced.wake {
		begun := time.Now()
		batches, pieces, end, waiting := l.unsynced.take()
		if batches > 0 {
			err := l.sync()
			l.progress.Store(l.opts.Now().UnixNano())
			l.pending.Add(-batches)
			l.room.give(pieces)
			if err != nil {
				l.fail(fmt.Errorf("sync log: %w", err))
			}
		}
		if end > 0 && l.failed.Load() == nil {
			l.durable.Store(uint64(end))
			if l.opts.Hooks.Durable != nil {
				l.opts.Hooks.Durable(end)
			}
		}
		for _, done := range waiting {
			close(done)
		}
		if len(l.room) < roomPieces/2 { // else the writer is about to wait
			time.Sleep(syncEvery - time.Since(begun))
		}
	}
}

// sync fsyncs all that was applied: Pebble's write-ahead log has it in this order,
// before a record that holds nothing.
func (l *Log) sync() error {
	if err := l.failed.Load(); err != nil {
		return *err
	}
	if plant.ConfirmBeforeSync { // what Pebble holds in its own memory is lost by kill -9
		return nil
	}
	b := l.db.NewBatch()
	err := b.LogData(nil, nil)
	if err == nil {
		err = l.db.ApplyNoSyncWait(b, pebble.Sync)
	}
	if err == nil {
		err = b.SyncWait()
	}
	if err != nil {
		return err
	}
	return b.Close()
}

// drain waits until everything applied was synced, or failed to be.
func (l *Log) drain() {
	done := make(chan struct{})
	l.unsynced.mu.Lock()
	l.unsynced.waiting = append(l.unsynced.waiting, done)
	l.unsynced.mu.Unlock()
	l.unsynced.poke()
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
