package eventlog

import (
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// Append applies what the batch holds, and empties the batch, also on an error.
// It is readable at return; durable later, in order. It blocks only while
// [maxInFlight] batches wait for their fsync, or Pebble holds writes back.
//
// end is the WAL position that is reached: behind the commit record of the
// batch's last transaction. Zero says that the batch is a part of one
// transaction, and not its last: its events are written, the position stays, and
// state in it is [ErrPartialState]. A batch that holds nothing moves the position
// only; with the position that is reached already it does nothing.
//
// committed is the commit time of the last transaction, the zero time if there is
// none.
func (l *Log) Append(b *Batch, end orgcast.LSN, committed time.Time) error {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.admit(b, end); err != nil {
		b.reset()
		return err
	}
	if b.Len() == 0 && (end == 0 || end == l.Position()) {
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
	switch {
	case end == 0:
		l.open = openTransaction{lsn: b.last.LSN, last: b.last}
	case end > l.open.lsn:
		l.open = openTransaction{}
	}
	ops := b.take()
	if err := l.apply(ops); err != nil {
		return err
	}
	if events {
		l.store(grown)
	}
	if end != 0 {
		l.position.Store(uint64(end))
	}
	// Last, so that nothing is durable that is not yet the position.
	l.inFlight <- applied{ops: ops, end: end}
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
	switch {
	case !ready:
		return ErrEmpty
	case end != 0 && end < position:
		return fmt.Errorf("%w: end %s, position %s", ErrBelowPosition, end, position)
	case end == 0 && b.states > 0:
		return ErrPartialState
	case b.events == 0:
		return nil
	case b.first.Epoch != epoch:
		return fmt.Errorf("%w: other epoch", ErrOrder)
	case b.first.LSN < position:
		return fmt.Errorf("%w: commit %s, position %s", ErrBelowPosition, b.first.LSN, position)
	case end != 0 && b.last.LSN >= end:
		return fmt.Errorf("%w: commit %s, end %s", ErrOrder, b.last.LSN, end)
	case end == 0 && b.first.LSN != b.last.LSN:
		return fmt.Errorf("%w: a part holds more than one transaction", ErrOrder)
	}
	if l.open.lsn != 0 && (b.first.LSN != l.open.lsn || b.first.Compare(l.open.last) <= 0) {
		if err := l.discard(); err != nil {
			return err
		}
	}
	if b.first.Compare(l.high) <= 0 {
		return fmt.Errorf("%w: below the last event", ErrOrder)
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

// apply writes the operations; their fsync is the syncer's matter.
func (l *Log) apply(ops *pebble.Batch) error {
	if l.pending.Add(1) == 1 {
		l.progress.Store(l.opts.Now().UnixNano())
	}
	if err := l.db.ApplyNoSyncWait(ops, pebble.Sync); err != nil {
		l.pending.Add(-1)
		l.fail(err)
		return err
	}
	return nil
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
	if err := l.discardAbove(l.Position()); err != nil {
		return err
	}
	l.open = openTransaction{}
	return nil
}
