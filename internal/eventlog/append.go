package eventlog

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// Append applies what the batch holds, and empties the batch, also on an error.
// It is readable at return; durable later, in order. It blocks only while 2 MiB, or
// 128 batches, wait for their fsync, or Pebble holds writes back.
//
// end is the WAL position that is reached: behind the commit record of the
// batch's last transaction. Zero says that the batch is a part of one
// transaction, and not its last: its events are written, the position stays, and
// its state is staged, or [ErrPartialState]. What was staged counts at the return
// of the last part. A batch that holds nothing moves the position only; with the
// position that is reached already it does nothing.
//
// committed is the commit time of the last transaction, the zero time if there is
// none.
//
// ErrNoSpace: less than [Options.MinFree] is free. Nothing was applied, and the
// batch may come again when there is.
func (l *Log) Append(b *Batch, end orgcast.LSN, committed time.Time) error {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.admit(b, end); err != nil {
		b.reset()
		return err
	}
	if b.Len() == 0 && len(b.endings) == 0 && (end == 0 || end == l.Position()) {
		b.reset()
		return nil
	}
	var grown segment
	events := b.events > 0
	if events {
		grown = l.grown(b, committed)
		if err := b.ops().Set(segmentKey(grown.id), grown.encode(), nil); err != nil {
			b.reset()
			return err
		}
		l.high = b.last
	}
	if end != 0 {
		if err := b.ops().Set(keyPosition, encodePosition(end, committed), nil); err != nil {
			b.reset()
			return err
		}
	}
	hidden, err := l.hide(b, end)
	if err != nil {
		b.reset()
		return err
	}
	promote := false
	switch {
	case end == 0:
		l.open.lsn, l.open.staged = b.transaction(), l.open.staged || b.staged > 0
		if events {
			l.open.last = b.last
		}
	case end > l.open.lsn:
		if promote = l.open.staged || b.staged > 0; promote {
			if err := b.ops().Set(keyStaged, nil, nil); err != nil {
				b.reset()
				return err
			}
		}
		l.open = openTransaction{}
	}
	l.stage += b.staged
	if events {
		l.ledger.add(&grown, b.weights)
	}
	ops := b.take()
	taken, err := l.apply(ops)
	if err != nil {
		return err
	}
	if events {
		l.store(grown)
	}
	l.hid(hidden)
	if end != 0 {
		l.position.Store(uint64(end))
	}
	// Last, so that nothing is durable that is not yet the position.
	l.unsynced.add(taken, end)
	if promote {
		err := l.promote(func(ops *pebble.Batch) error {
			taken, err := l.apply(ops)
			if err != nil {
				return err
			}
			l.unsynced.add(taken, 0)
			return nil
		})
		if err != nil {
			// The position is past it already: only a start goes on by the mark.
			l.fail(err)
			return err
		}
	}
	return nil
}

// admit holds the batch against the position, and removes the parts of a
// transaction that the batch does not go on with.
func (l *Log) admit(b *Batch, end orgcast.LSN) error {
	if err := l.usable(); err != nil {
		return err
	}
	if b.err != nil {
		return b.err
	}
	l.mu.RLock()
	ready, epoch := l.ready, l.epoch
	l.mu.RUnlock()
	position := l.Position()
	if err := l.hasSpace(); err != nil {
		return err
	}
	switch {
	case !ready:
		return ErrEmpty
	case end != 0 && end < position:
		return fmt.Errorf("%w: end %s, position %s", ErrBelowPosition, end, position)
	case end == 0 && (b.states > 0 || len(b.endings) > 0), b.states > 0 && b.staged > 0:
		return ErrPartialState
	case b.Len() == b.states:
		return l.admitState(b, end)
	case b.events > 0 && b.first.Epoch != epoch:
		return fmt.Errorf("%w: other epoch", ErrOrder)
	case b.transaction() < position:
		return fmt.Errorf("%w: commit %s, position %s", ErrBelowPosition, b.transaction(), position)
	case end != 0 && max(b.last.LSN, b.commit) >= end:
		return fmt.Errorf("%w: commit %s, end %s", ErrOrder, max(b.last.LSN, b.commit), end)
	case end == 0 && b.events > 0 && b.first.LSN != b.last.LSN, b.staged > 0 && b.events > 0 && (b.first.LSN != b.commit || b.last.LSN != b.commit):
		return fmt.Errorf("%w: a part holds more than one transaction", ErrOrder)
	}
	// State that comes again and is staged twice, in order, is the same state.
	again := b.events > 0 && !l.open.last.IsZero() && b.first.Compare(l.open.last) <= 0
	if l.open.lsn != 0 && (b.transaction() != l.open.lsn || again) {
		if err := l.discard(); err != nil {
			return err
		}
	}
	if b.events > 0 && b.first.Compare(l.high) <= 0 {
		return fmt.Errorf("%w: below the last event", ErrOrder)
	}
	return l.admitState(b, end)
}

// admitState refuses a last part with state that is not staged, where that of the
// parts before is.
func (l *Log) admitState(b *Batch, end orgcast.LSN) error {
	if b.states > 0 && l.open.staged && end > l.open.lsn {
		return ErrPartialState
	}
	return nil
}

// grown is the segment's record after the batch.
func (l *Log) grown(b *Batch, committed time.Time) segment {
	s := segment{id: b.segment, opened: b.opened}
	l.mu.RLock()
	if n := len(l.segments); n > 0 && l.segments[n-1].id == b.segment {
		s = l.segments[n-1]
	}
	l.mu.RUnlock()
	return s.grow(b.first, b.last, b.events, b.bytes, committed)
}

// store makes the grown segment known to readers and to retention.
func (l *Log) store(s segment) {
	l.mu.Lock()
	n := len(l.segments)
	begun := n == 0 || l.segments[n-1].id != s.id
	if begun {
		l.segments = append(l.segments, s)
		l.rotate.Store(false)
	} else {
		l.segments[n-1] = s
	}
	l.mu.Unlock()
	if begun {
		l.poke()
	}
}

// apply writes the operations, once there is room, and tells how much they take of
// it; their fsync is the syncer's matter.
func (l *Log) apply(ops *pebble.Batch) (taken int, err error) {
	taken = pieces(ops.Len())
	l.room.take(taken)
	if l.pending.Add(1) == 1 {
		l.progress.Store(l.opts.Now().UnixNano())
	}
	if err := errors.Join(l.db.Apply(ops, pebble.NoSync), ops.Close()); err != nil {
		l.pending.Add(-1)
		l.room.give(taken)
		l.fail(err)
		return 0, err
	}
	return taken, nil
}

// Discard removes the parts of a transaction that got no last part. The writer
// calls it when its source begins anew. Append does the same by itself when the
// transaction comes again from an event that it has, or another one comes; but
// under other rules it may begin behind the parts, and look like the next of them.
func (l *Log) Discard() error {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if l.open.lsn == 0 {
		return nil
	}
	return l.discard()
}

func (l *Log) discard() error {
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	l.discards.Add(1)
	if err := l.discardAbove(l.Position()); err != nil {
		return err
	}
	if l.open.staged {
		if err := l.unstage(); err != nil {
			return err
		}
	}
	l.open = openTransaction{}
	return nil
}
