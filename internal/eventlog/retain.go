package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// keeper holds the log within its bounds.
func (l *Log) keeper() {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	behind := false // is the witness
	for {
		due := true
		select {
		case <-l.closing:
			return
		case <-tick.C:
			l.tellTrouble()
		case <-l.wake:
		case <-l.rewritten:
			behind, due = true, false
		}
		// What room a full disk has is for other things.
		if behind && l.space.health(l.opts.MinFree) == nil {
			err := l.bearWitness()
			if behind = err != nil; err != nil {
				l.trouble(err)
			}
		}
		if !due {
			continue
		}
		if err := l.keep(); err != nil {
			l.trouble(err)
		}
	}
}

// poke makes the keeper look now.
func (l *Log) poke() {
	select {
	case l.wake <- struct{}{}:
	default: // it will look already
	}
}

// keep looks at damage, free space, age and size, and retires what must go. For
// size it is the sweeper who looks first whose it is: see trim.go.
func (l *Log) keep() error {
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	if err := l.usable(); err != nil {
		return nil // told by Failed, or over
	}
	low, err := l.look()
	if err != nil {
		return err
	}
	if err := l.fold(); err != nil {
		return err
	}
	if err := l.keepOld(l.closedSegments(), low); err != nil {
		return err
	}
	if _, due := l.due(); due || l.over.Load() || l.ledger.closing() {
		l.stir()
	}
	return nil
}

// keepOld retires of the closed segments what must go.
func (l *Log) keepOld(old []segment, low bool) error {
	if len(old) == 0 {
		return nil
	}
	n := l.bad.through(old)
	oldest := l.opts.Now().Add(-l.opts.MaxAge).UnixNano()
	for n < len(old) && old[n].newest() < oldest {
		n++
	}
	if low && n == 0 {
		n = 1 // one at a time: the space comes back behind our back
	}
	if n > 0 {
		if err := l.retire(old[:n], old[n-1].last); err != nil {
			return err
		}
		old = old[n:]
	}
	switch used := l.used(); {
	case used > l.opts.MaxBytes+l.opts.MaxBytes/trimPart: // the sweeper does not keep up
		return l.retireOver(old)
	case used > l.opts.MaxBytes:
		l.over.Store(true)
	}
	return nil
}

// closedSegments are those that get no more events. The newest may be written; one
// with an unfinished transaction too.
func (l *Log) closedSegments() []segment {
	l.mu.RLock()
	defer l.mu.RUnlock()
	old := l.segments[:max(0, len(l.segments)-1)]
	for len(old) > 0 && old[len(old)-1].last.LSN >= l.Position() {
		old = old[:len(old)-1]
	}
	return append([]segment(nil), old...)
}

// used is what the log takes on disk. What is on its way out already must not push
// more out: obsolete files, those that an open reader still holds, and, as the price of
// going, the tables that are being written in their place.
func (l *Log) used() int64 {
	m := l.db.Metrics()
	return int64(m.DiskSpaceUsage()-m.WAL.ObsoletePhysicalSize-
		m.Table.Local.ObsoleteSize-m.Table.Local.ZombieSize) - m.Compact.InProgressBytes
}

// retireOver retires as many of the oldest as must go for the log to be within
// MaxBytes.
func (l *Log) retireOver(old []segment) error {
	used, n := l.used(), 0
	for ; n < len(old) && used > l.opts.MaxBytes; n++ {
		size, err := l.sizeOf(&old[n])
		if err != nil {
			return err
		}
		used -= size
	}
	if n == 0 {
		return nil
	}
	return l.retire(old[:n], old[n-1].last)
}

// sizeOf is what a segment takes on disk.
func (l *Log) sizeOf(s *segment) (int64, error) {
	start := appendSegmentStart(nil, s.id)
	size, err := l.db.EstimateDiskUsage(start, prefixEnd(start))
	if size == 0 { // not in tables yet, but in the write-ahead log
		size = s.bytes
	}
	return int64(size), err
}

// retire gives the oldest segments up, and everything below floor, which is at least
// their end. First the floor, for readers that come; then the records, durably; then
// the files. Killed in between, Open finishes it.
func (l *Log) retire(old []segment, floor orgcast.Cursor) error {
	if at := l.Floor(); at.Compare(floor) > 0 {
		floor = at
	}
	b := l.db.NewBatch()
	var events, size uint64
	for i := range old {
		events, size = events+old[i].events, size+old[i].bytes
		if err := forgetSegment(b, old[i].id); err != nil {
			return err
		}
	}
	if err := b.Set(keyFloor, encodeFloor(floor), nil); err != nil {
		return err
	}
	l.mu.Lock()
	for _, organization := range l.outlived(floor) {
		if err := b.Delete(purgedKey(organization), nil); err != nil {
			l.mu.Unlock()
			return err
		}
		delete(l.purged, organization)
	}
	l.floor = floor
	l.segments = append([]segment(nil), l.segments[len(old):]...)
	l.mu.Unlock()
	if err := l.commit(b); err != nil {
		return err
	}
	if len(old) == 0 {
		return nil
	}
	for i := range old {
		l.ledger.drop(old[i].id)
	}
	if l.opts.Hooks.Retired != nil {
		l.opts.Hooks.Retired(int64(events), int64(size))
	}
	span := pebble.KeyRange{Start: keyFirst, End: prefixEnd(appendSegmentStart(nil, old[len(old)-1].id))}
	if err := l.db.Excise(context.Background(), span); err != nil {
		return fmt.Errorf("remove retired segments: %w", err)
	}
	return nil
}

// forgetSegment deletes all that is known of a segment beside its events.
func forgetSegment(b *pebble.Batch, id uint32) error {
	start := tallyKey(id)
	return errors.Join(b.Delete(segmentKey(id), nil), b.Delete(garbageKey(id), nil), b.DeleteRange(start, prefixEnd(start), nil))
}
