package eventlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// cut is an organization's oldest events in one segment, up to a cursor.
type cut struct {
	segment       uint32
	organization  orgcast.OrganizationID
	floor         orgcast.Cursor
	events, bytes uint64
}

// removal is what one batch deletes. Who removes has l.sweep, so that nothing that is
// measured here is deleted by somebody else.
type removal struct {
	begins, discards uint64 // of the log, when it was measured
	// floors are raised first, for those too who read already; one that is higher stays.
	floors map[orgcast.OrganizationID]orgcast.Cursor
	cuts   []cut
	// whole are closed segments in which all events lie below their organizations'
	// floors: they go without being read.
	whole []uint32
}

func (l *Log) newRemoval() *removal {
	return &removal{begins: l.begins.Load(), discards: l.discards.Load(), floors: map[orgcast.OrganizationID]orgcast.Cursor{}}
}

// measureEvery is after how many events a measurement looks whether it is wanted.
const measureEvery = 4096

// weigh finds an organization's oldest events in a segment, up to a cursor, which
// take no more than limit bytes. Nothing may be appended below upTo any more. all is
// false if there are more.
func (l *Log) weigh(ctx context.Context, it *pebble.Iterator, organization orgcast.OrganizationID, id uint32, upTo orgcast.Cursor, limit uint64) (c cut, all bool, err error) {
	it.SetBounds(appendEventKey(nil, id, organization, orgcast.Cursor{}), appendAfterKey(nil, id, organization, upTo))
	c, all = cut{segment: id, organization: organization}, true
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		at, wellFormed := cursorOfKey(it.Key())
		v, valueErr := it.ValueAndErr()
		switch size := uint64(len(it.Key()) + len(v)); {
		case valueErr != nil:
			err = valueErr
		case !wellFormed:
			err = fmt.Errorf("%w: malformed event key", errDamaged)
		case c.bytes+size > limit:
			return c, false, nil
		default:
			at.Epoch = upTo.Epoch
			c.floor, c.events, c.bytes = at, c.events+1, c.bytes+size
		}
		if c.events%measureEvery == 0 && err == nil {
			err = context.Cause(ctx)
		}
	}
	return c, all, errors.Join(err, it.Error())
}

// eventIterator is for weigh, which sets its bounds.
func (l *Log) eventIterator() (*pebble.Iterator, error) {
	return l.db.NewIter(&pebble.IterOptions{LowerBound: keyFirst, UpperBound: []byte{prefixEvent + 1}})
}

// measureBelow adds to a removal what lies below the floors of organizations.
func (l *Log) measureBelow(ctx context.Context, r *removal, floors map[orgcast.OrganizationID]orgcast.Cursor) (err error) {
	it, err := l.eventIterator()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for _, id := range l.segmentIDs() {
		for organization, floor := range floors {
			c, _, err := l.weigh(ctx, it, organization, id, floor, 1<<63)
			if err != nil {
				return err
			}
			if c.events > 0 {
				r.cuts = append(r.cuts, c)
			}
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes what was measured, in one batch with the floors and the counts that
// it changes. Appends wait for its fsync. What a retirement was first with is passed
// over; after Begin there is nothing to remove.
func (l *Log) remove(r *removal) (events, bytes uint64, err error) {
	l.write.Lock()
	locked := true
	defer func() {
		if locked {
			l.write.Unlock()
		}
	}()
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	if err := l.usable(); err != nil || l.begins.Load() != r.begins {
		return 0, 0, err
	}
	b := l.db.NewBatch()
	l.mu.Lock()
	for organization, floor := range r.floors {
		if p, waits := l.purging[organization]; waits && floor.Compare(p.kept) > 0 {
			p.kept = floor
			l.purging[organization] = p
		}
		if floor.Compare(l.floorOf(organization)) <= 0 {
			continue
		}
		l.purged[organization] = floor // for readers that come, before anything is deleted
		err = errors.Join(err, b.Set(purgedKey(organization), encodeFloor(floor), nil))
	}
	segments := slices.Clone(l.segments)
	l.mu.Unlock()
	whole := r.whole
	if l.discards.Load() != r.discards {
		whole = nil // it may have got events that were not measured
	}
	find := func(id uint32) int { return slices.IndexFunc(segments, func(s segment) bool { return s.id == id }) }
	changed := map[int]bool{}
	for i := range r.cuts {
		c := &r.cuts[i]
		at := find(c.segment)
		if at < 0 {
			continue
		}
		changed[at] = true
		segments[at].events -= c.events
		segments[at].bytes -= c.bytes
		segments[at].garbage += c.bytes
		events, bytes = events+c.events, bytes+c.bytes
		err = errors.Join(err, l.cutOff(b, c))
	}
	var gone []uint32
	for at := range segments {
		s := &segments[at]
		switch empty := changed[at] && s.events == 0 && at < len(segments)-1; {
		case empty || slices.Contains(whole, s.id):
			events, bytes = events+s.events, bytes+s.bytes
			gone = append(gone, s.id)
			err = errors.Join(err, forgetSegment(b, s.id))
		case changed[at]:
			garbage := binary.BigEndian.AppendUint64(nil, s.garbage)
			err = errors.Join(err, b.Set(segmentKey(s.id), s.encode(), nil), b.Set(garbageKey(s.id), garbage, nil))
		}
	}
	if err != nil {
		return 0, 0, errors.Join(err, b.Close())
	}
	if err := l.commit(b); err != nil {
		return 0, 0, err
	}
	segments = slices.DeleteFunc(segments, func(s segment) bool { return slices.Contains(gone, s.id) })
	l.mu.Lock()
	l.segments = segments
	l.mu.Unlock()
	l.write.Unlock()
	locked = false
	for _, id := range gone {
		l.ledger.drop(id)
		start := appendSegmentStart(nil, id)
		// Killed before it, Open does it, or it goes with what is older.
		if err := l.db.Excise(context.Background(), pebble.KeyRange{Start: start, End: prefixEnd(start)}); err != nil {
			return events, bytes, fmt.Errorf("remove segment: %w", err)
		}
	}
	return events, bytes, nil
}

// cutOff puts the deletion of a cut into a batch.
func (l *Log) cutOff(b *pebble.Batch, c *cut) error {
	start, end := appendEventKey(nil, c.segment, c.organization, orgcast.Cursor{}), appendAfterKey(nil, c.segment, c.organization, c.floor)
	err := b.DeleteRange(start, end, nil)
	if !l.ledger.take(c.segment, c.organization, c.bytes) {
		err = errors.Join(err, l.takeStored(b, c))
	}
	return err
}

// rewrite rewrites the tables of a segment, so that what was deleted is in none.
func (l *Log) rewrite(ctx context.Context, id uint32) error {
	start, begins, before := appendSegmentStart(nil, id), l.begins.Load(), l.garbageOf(id)
	if err := l.db.Compact(ctx, start, prefixEnd(start), false); err != nil {
		return fmt.Errorf("rewrite tables: %w", errors.Join(err, context.Cause(ctx)))
	}
	l.write.Lock()
	defer l.write.Unlock()
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	if err := l.usable(); err != nil || l.begins.Load() != begins {
		return err
	}
	left := l.garbageOf(id) - before
	b := l.db.NewBatch()
	if err := b.Set(garbageKey(id), binary.BigEndian.AppendUint64(nil, left), nil); err != nil {
		return errors.Join(err, b.Close())
	}
	l.mu.Lock()
	l.segments = slices.Clone(l.segments)
	if at := slices.IndexFunc(l.segments, func(s segment) bool { return s.id == id }); at >= 0 {
		l.segments[at].garbage = left
		l.mu.Unlock()
		return l.commit(b)
	}
	l.mu.Unlock()
	return b.Close()
}

func (l *Log) garbageOf(id uint32) uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for i := range l.segments {
		if l.segments[i].id == id {
			return l.segments[i].garbage
		}
	}
	return 0
}
