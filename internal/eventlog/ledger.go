package eventlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// ledger has the tallies of the segments that are written: of the last one, and of
// the one before it until the sweeper has stored it. A segment that has none there
// and none on disk is counted when its tally is asked for.
type ledger struct {
	mu     sync.Mutex
	last   segmentTally
	closed segmentTally
}

// segmentTally is one segment's; of none if segment is 0.
type segmentTally struct {
	segment uint32
	tally
}

// weight is an event of a batch, for the tally.
type weight struct {
	organization orgcast.OrganizationID
	bytes        uint64
}

// add counts what was appended to a segment. Of one that has events and no tally none
// is begun.
func (g *ledger) add(s *segment, weights []weight) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.last.segment != s.id {
		if s.events != uint64(len(weights)) {
			return
		}
		if g.last.segment != 0 {
			g.closed = g.last
		}
		g.last = segmentTally{segment: s.id}
	}
	for i := range weights {
		g.last.add(weights[i].organization, weights[i].bytes)
	}
}

// set puts the last segment's tally, as it was counted.
func (g *ledger) set(t segmentTally) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last, g.closed = t, segmentTally{}
}

// take takes deleted bytes from a tally that is here. If it is not, it tells so.
func (g *ledger) take(segment uint32, organization orgcast.OrganizationID, bytes uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range []*segmentTally{&g.last, &g.closed} {
		if t.segment == segment {
			t.take(organization, bytes)
			return true
		}
	}
	return false
}

// closing tells whether a tally waits to be stored.
func (g *ledger) closing() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed.segment != 0
}

// drop forgets the closed segment's tally, which is stored or retired.
func (g *ledger) drop(segment uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed.segment == segment {
		g.closed = segmentTally{}
	}
}

// of returns a copy of a segment's tally, if it is here.
func (g *ledger) of(segment uint32) (tally, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range []*segmentTally{&g.last, &g.closed} {
		if t.segment == segment {
			return tally{bytes: maps.Clone(t.bytes), sum: t.sum}, true
		}
	}
	return tally{}, false
}

// tallyOf is what a segment holds of each organization: from memory, from disk, or
// counted, once: a log that was written before there were tallies has none. The caller
// has sweep.
func (l *Log) tallyOf(id uint32) (tally, error) {
	if t, ok := l.ledger.of(id); ok {
		return t, nil
	}
	if t, ok, err := l.loadTally(id); err != nil || ok {
		return t, err
	}
	var t tally
	closed := l.isClosed(id)
	_, err := l.count(id, func(key []byte, _ orgcast.Cursor, size int) (bool, error) {
		t.add(organizationOfKey(key), uint64(size))
		return true, nil
	})
	if err != nil || !closed {
		return t, err
	}
	l.maintenance.Lock() // against a retirement, and Begin
	defer l.maintenance.Unlock()
	if !l.isClosed(id) {
		return t, nil
	}
	return t, l.storeTally(id, t)
}

// isClosed tells whether a segment is there and gets no more events.
func (l *Log) isClosed(id uint32) bool {
	return slices.ContainsFunc(l.closedSegments(), func(s segment) bool { return s.id == id })
}

// loadTally reads a stored tally.
func (l *Log) loadTally(id uint32) (t tally, ok bool, err error) {
	start := tallyKey(id)
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: start, UpperBound: prefixEnd(start)})
	if err != nil {
		return t, false, err
	}
	for some := it.First(); some && err == nil; some = it.Next() {
		key := it.Key()[len(start):]
		var v []byte
		switch v, err = it.ValueAndErr(); {
		case err != nil:
		case len(key) == 0:
			ok = true // the tally's own key, which comes first
		case len(v) != 8 || int(key[0]) != len(key)-1:
			err = fmt.Errorf("%w: malformed tally", errDamaged)
		default:
			t.add(orgcast.OrganizationID(key[1:]), binary.BigEndian.Uint64(v))
		}
	}
	return t, ok, errors.Join(err, it.Error(), it.Close())
}

// storeTally stores the tally of a segment that gets no more events, in the place of
// one that it had before: a segment can be the last one again.
func (l *Log) storeTally(id uint32, t tally) error {
	b := l.db.NewBatch()
	start := tallyKey(id)
	err := errors.Join(b.DeleteRange(start, prefixEnd(start), nil), b.Set(start, nil, nil))
	var key, value []byte
	for organization, n := range t.bytes {
		key, value = appendTallyKey(key[:0], id, organization), binary.BigEndian.AppendUint64(value[:0], n)
		if err = errors.Join(err, b.Set(key, value, nil)); err != nil {
			break
		}
	}
	if err != nil {
		return errors.Join(err, b.Close())
	}
	return l.commit(b)
}

// takeStored takes deleted bytes from a stored tally, with the batch that deletes.
func (l *Log) takeStored(b *pebble.Batch, c *cut) error {
	key := appendTallyKey(nil, c.segment, c.organization)
	v, ok, err := l.get(key)
	if err != nil || !ok {
		return err
	}
	if len(v) != 8 {
		return fmt.Errorf("%w: malformed tally", errDamaged)
	}
	n := binary.BigEndian.Uint64(v)
	if n <= c.bytes {
		return b.Delete(key, nil)
	}
	return b.Set(key, binary.BigEndian.AppendUint64(nil, n-c.bytes), nil)
}
