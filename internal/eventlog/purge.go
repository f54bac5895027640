package eventlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// Purged is what [Log.Purge] removed.
type Purged struct {
	// Floor is the lowest cursor that the organization can be resumed from now.
	Floor orgcast.Cursor
	// Events and Bytes, before compression, are what was removed by this call.
	Events, Bytes uint64
}

// Purge removes an organization's events, up to the position, from the log. They
// can't be read any more as soon as the floor is stored, which is first; then they
// are deleted, a segment at a time, while appends wait; then the tables that held
// them are rewritten, which takes seconds for each GB of them. Only then does it
// return. Killed in between, Open finishes the deletion; what is left in tables or
// in a recycled write-ahead file goes when these are rewritten, and at the latest
// with retention. A call that is repeated rewrites them again.
//
// A reader that began before the call may get to its end. What is for
// [orgcast.Everyone] is nobody's own: ErrNotOne. The state beside the events is
// the database's, and follows it.
func (l *Log) Purge(ctx context.Context, organization orgcast.OrganizationID) (p Purged, err error) {
	switch {
	case organization == orgcast.Everyone:
		return Purged{}, ErrNotOne
	case len(organization) > orgcast.MaxOrganizationID:
		return Purged{}, ErrTooLong
	}
	if !l.enter() {
		return Purged{}, ErrClosed
	}
	defer l.readers.Done()
	ctx, end := l.untilClosed(ctx)
	defer end()
	if p.Floor, err = l.raise(organization); err != nil {
		return Purged{}, err
	}
	if l.opts.Hooks.Purged != nil {
		defer func() { l.opts.Hooks.Purged(int64(p.Events), int64(p.Bytes)) }()
	}
	ids := l.segmentIDs()
	for _, id := range ids {
		if err := context.Cause(ctx); err != nil {
			return p, err
		}
		events, bytes, err := l.erase(organization, p.Floor, id)
		if err != nil {
			return p, fmt.Errorf("delete events: %w", err)
		}
		p.Events, p.Bytes = p.Events+events, p.Bytes+bytes
	}
	for _, id := range ids {
		start, end := purgedSpan(organization, p.Floor, id)
		if err := l.db.Compact(ctx, start, end, false); err != nil {
			return p, fmt.Errorf("rewrite tables: %w", errors.Join(err, context.Cause(ctx)))
		}
	}
	return p, nil
}

// untilClosed is ctx, which ends when the log is closed, too.
func (l *Log) untilClosed(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-l.closing:
			cancel(ErrClosed)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(nil)
		watching.Wait()
	}
}

// raise sets the organization's floor to what is complete in the log, for readers
// that come, and stores it. The parts of a transaction that is not complete lie
// above: they may be removed and come again.
func (l *Log) raise(organization orgcast.OrganizationID) (orgcast.Cursor, error) {
	l.write.Lock()
	defer l.write.Unlock()
	l.maintenance.Lock() // a retirement deletes floors
	defer l.maintenance.Unlock()
	if err := l.usable(); err != nil {
		return orgcast.Cursor{}, err
	}
	l.mu.Lock()
	if !l.ready {
		l.mu.Unlock()
		return orgcast.Cursor{}, ErrEmpty
	}
	floor := orgcast.Position(l.epoch, l.Position())
	purged := maps.Clone(l.purged)
	if purged == nil {
		purged = map[orgcast.OrganizationID]orgcast.Cursor{}
	}
	purged[organization] = floor
	l.purged = purged
	l.mu.Unlock()
	b := l.db.NewBatch()
	if err := b.Set(purgedKey(organization), encodeFloor(floor), nil); err != nil {
		return orgcast.Cursor{}, err
	}
	if err := l.commit(b); err != nil {
		return orgcast.Cursor{}, fmt.Errorf("store floor: %w", err)
	}
	return floor, nil
}

// erase deletes the organization's events up to its floor from one segment, and
// takes them out of the segment's count. Its bounds stay: retention goes by them.
func (l *Log) erase(organization orgcast.OrganizationID, floor orgcast.Cursor, id uint32) (events, bytes uint64, err error) {
	l.write.Lock()
	defer l.write.Unlock()
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	if err := l.usable(); err != nil {
		return 0, 0, err
	}
	l.mu.RLock()
	segments := slices.Clone(l.segments)
	other := l.epoch != floor.Epoch
	l.mu.RUnlock()
	at := slices.IndexFunc(segments, func(s segment) bool { return s.id == id })
	if at < 0 || other { // retired, or begun anew
		return 0, 0, nil
	}
	start, end := purgedSpan(organization, floor, id)
	if events, bytes, err = l.weigh(start, end); err != nil || events == 0 {
		return 0, 0, err
	}
	s := &segments[at]
	s.events, s.bytes = s.events-events, s.bytes-bytes
	b := l.db.NewBatch()
	if err := errors.Join(b.DeleteRange(start, end, nil), b.Set(segmentKey(id), s.encode(), nil)); err != nil {
		return 0, 0, err
	}
	if err := l.commit(b); err != nil {
		return 0, 0, err
	}
	l.mu.Lock()
	l.segments = segments
	l.mu.Unlock()
	return events, bytes, nil
}

// weigh counts the events between two keys.
func (l *Log) weigh(start, end []byte) (events, bytes uint64, err error) {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: start, UpperBound: end})
	if err != nil {
		return 0, 0, err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var v []byte
		if v, err = it.ValueAndErr(); err == nil {
			events, bytes = events+1, bytes+uint64(len(it.Key())+len(v))
		}
	}
	return events, bytes, errors.Join(err, it.Error(), it.Close())
}

// purgedSpan is where an organization's events up to its floor lie in a segment.
func purgedSpan(organization orgcast.OrganizationID, floor orgcast.Cursor, id uint32) (start, end []byte) {
	return appendEventKey(nil, id, organization, orgcast.Cursor{}), appendAfterKey(nil, id, organization, floor)
}

func (l *Log) segmentIDs() (ids []uint32) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for i := range l.segments {
		ids = append(ids, l.segments[i].id)
	}
	return ids
}
