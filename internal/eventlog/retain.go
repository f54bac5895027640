package eventlog

import (
	"context"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// keeper holds the log within its bounds.
func (l *Log) keeper() {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.closing:
			return
		case <-tick.C:
			l.tellTrouble()
		case <-l.wake:
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

// keep looks at damage, free space, age and size, and retires what must go.
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
	l.mu.RLock()
	// The newest may be written; one with an unfinished transaction too.
	old := l.segments[:max(0, len(l.segments)-1)]
	for len(old) > 0 && old[len(old)-1].last.LSN >= l.Position() {
		old = old[:len(old)-1]
	}
	old = append([]segment(nil), old...)
	l.mu.RUnlock()
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
	if n, err = l.overSize(old, n); err != nil || n == 0 {
		return err
	}
	return l.retire(old[:n])
}

// overSize is how many of the oldest must go, n at least, for the log to be
// within MaxBytes.
func (l *Log) overSize(old []segment, n int) (int, error) {
	m := l.db.Metrics()
	// What is on its way out already must not push more out: obsolete files, and
	// those that an open reader still holds.
	used := int64(m.DiskSpaceUsage() - m.WAL.ObsoletePhysicalSize -
		m.Table.Local.ObsoleteSize - m.Table.Local.ZombieSize)
	for i := range old {
		if i >= n && used <= l.opts.MaxBytes {
			return i, nil
		}
		start := appendSegmentStart(nil, old[i].id)
		size, err := l.db.EstimateDiskUsage(start, prefixEnd(start))
		if err != nil {
			return 0, err
		}
		if size == 0 { // not in tables yet, but in the write-ahead log
			size = old[i].bytes
		}
		used -= int64(size)
	}
	return len(old), nil
}

// retire gives the segments up. First the floor, for readers that come; then the
// records, durably; then the files. Killed in between, Open finishes it.
func (l *Log) retire(old []segment) error {
	floor := old[len(old)-1].last
	b := l.db.NewBatch()
	var events, size uint64
	for i := range old {
		events, size = events+old[i].events, size+old[i].bytes
		if err := b.Delete(segmentKey(old[i].id), nil); err != nil {
			return err
		}
	}
	if err := b.Set(keyFloor, encodeFloor(floor), nil); err != nil {
		return err
	}
	l.mu.Lock()
	gone, left := l.outlived(floor)
	for _, organization := range gone {
		if err := b.Delete(purgedKey(organization), nil); err != nil {
			l.mu.Unlock()
			return err
		}
	}
	l.floor, l.purged = floor, left
	l.segments = append([]segment(nil), l.segments[len(old):]...)
	l.mu.Unlock()
	if err := l.commit(b); err != nil {
		return err
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
