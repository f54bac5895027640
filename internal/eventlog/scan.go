package eventlog

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// discardBatch bounds a batch of deletes.
const discardBatch = 1 << 20

// count reads a whole segment. If keep is not nil, it is given the size of each event
// beside its key, and one for which it is false is not counted.
func (l *Log) count(id uint32, keep func(key []byte, c orgcast.Cursor, size int) (bool, error)) (segment, error) {
	start := appendSegmentStart(nil, id)
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: start, UpperBound: prefixEnd(start)})
	if err != nil {
		return segment{}, err
	}
	s := segment{id: id}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		c, ok := cursorOfKey(it.Key())
		if !ok {
			err = fmt.Errorf("%w: malformed event key", errDamaged)
			break
		}
		var v []byte
		if v, err = it.ValueAndErr(); err != nil {
			break
		}
		if keep != nil {
			kept, keepErr := keep(it.Key(), c, len(it.Key())+len(v))
			if err = keepErr; err != nil || !kept {
				continue
			}
		}
		c.Epoch = l.epoch
		if s.events == 0 || c.Compare(s.first) < 0 {
			s.first = c
		}
		if s.events == 0 || c.Compare(s.last) > 0 {
			s.last = c
		}
		s.events++
		s.bytes += uint64(len(it.Key()) + len(v))
	}
	return s, errors.Join(err, it.Close())
}

// discardAbove removes the events at or above the position. It is safe to be
// killed at any point: the records, which tell that there is something to remove,
// are rewritten last.
func (l *Log) discardAbove(position orgcast.LSN) error {
	l.mu.RLock()
	segments := append([]segment(nil), l.segments...)
	floor := l.floor
	l.mu.RUnlock()
	b := l.db.NewBatch()
	flush := func() error {
		full := b
		b = l.db.NewBatch()
		return l.commit(full)
	}
	defer func() { _ = b.Close() }() // an empty one, or one that is given up
	records := l.db.NewBatch()
	changed, last := false, segmentTally{}
	for i := len(segments) - 1; i >= 0 && segments[i].last.LSN >= position; i-- {
		changed = true
		s := &segments[i]
		last = segmentTally{segment: s.id}
		kept, err := l.count(s.id, func(key []byte, c orgcast.Cursor, size int) (bool, error) {
			if c.LSN < position {
				last.add(organizationOfKey(key), uint64(size))
				return true, nil
			}
			if err := b.Delete(key, nil); err != nil {
				return false, err
			}
			if b.Len() >= discardBatch {
				return false, flush()
			}
			return false, nil
		})
		if err != nil {
			return errors.Join(err, records.Close())
		}
		kept.opened, kept.committed, kept.garbage = s.opened, s.committed, s.garbage
		if *s = kept; s.events > 0 {
			err = records.Set(segmentKey(s.id), s.encode(), nil)
		} else {
			err = errors.Join(records.Delete(segmentKey(s.id), nil), records.Delete(garbageKey(s.id), nil))
			segments, last = segments[:i], segmentTally{}
		}
		// Its tally, if it was closed already, is made anew when it is closed again.
		start := tallyKey(s.id)
		err = errors.Join(err, records.DeleteRange(start, prefixEnd(start), nil))
		if err != nil {
			return errors.Join(err, records.Close())
		}
	}
	if !changed {
		return records.Close()
	}
	if n := len(segments); n > 0 && last.segment == 0 { // it is the last again
		start := tallyKey(segments[n-1].id)
		if err := records.DeleteRange(start, prefixEnd(start), nil); err != nil {
			return errors.Join(err, records.Close())
		}
	}
	if err := flush(); err != nil {
		return errors.Join(err, records.Close())
	}
	if err := l.commit(records); err != nil {
		return err
	}
	l.high = floor
	if n := len(segments); n > 0 {
		l.high = segments[n-1].last
	}
	l.mu.Lock()
	l.segments = segments
	l.mu.Unlock()
	l.ledger.set(last)
	return nil
}
