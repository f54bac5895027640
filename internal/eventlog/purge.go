package eventlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

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
// are deleted in one batch; then the tables that held them are rewritten, which takes
// seconds for each GB of them. Only then does it return. Killed or cancelled in
// between, the next Open finishes the deletion, and the rewriting is done within
// [Options.RewriteAfter] of it; in a recycled write-ahead file it is left until that is
// overwritten. A call that is repeated rewrites the tables again.
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
	through, err := l.raise(organization)
	if err != nil {
		return Purged{}, err
	}
	p.Floor = l.FloorOf(organization)
	if err := l.lockSweep(ctx); err != nil {
		return p, err
	}
	defer l.unlockSweep()
	r := l.newRemoval()
	if err := l.measureBelow(ctx, r, map[orgcast.OrganizationID]orgcast.Cursor{organization: p.Floor}); err != nil {
		return p, fmt.Errorf("delete events: %w", err)
	}
	if p.Events, p.Bytes, err = l.remove(r); err != nil {
		return p, fmt.Errorf("delete events: %w", err)
	}
	if l.opts.Hooks.Purged != nil {
		l.opts.Hooks.Purged(int64(p.Events), int64(p.Bytes))
	}
	for _, id := range l.segmentIDs() {
		if l.garbageOf(id) > 0 {
			err = l.rewrite(ctx, id)
		} else {
			start, end := appendEventKey(nil, id, organization, orgcast.Cursor{}), appendAfterKey(nil, id, organization, p.Floor)
			if err = l.db.Compact(ctx, start, end, false); err != nil {
				err = fmt.Errorf("rewrite tables: %w", errors.Join(err, context.Cause(ctx)))
			}
		}
		if err != nil {
			return p, err
		}
	}
	return p, l.purgedThrough(r.begins, map[orgcast.OrganizationID]orgcast.LSN{organization: through})
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
// that come, and stores it, with what is to be deleted. The parts of a transaction
// that is not complete lie above: they may be removed and come again.
func (l *Log) raise(organization orgcast.OrganizationID) (through orgcast.LSN, err error) {
	l.write.Lock()
	defer l.write.Unlock()
	l.maintenance.Lock() // a retirement deletes floors
	defer l.maintenance.Unlock()
	if err := l.usable(); err != nil {
		return 0, err
	}
	l.mu.Lock()
	if !l.ready {
		l.mu.Unlock()
		return 0, ErrEmpty
	}
	through = l.Position()
	floor := orgcast.Position(l.epoch, through)
	l.purged[organization] = floor
	l.purging[organization] = purge{through, floor, l.opts.Now()}
	l.mu.Unlock()
	b := l.db.NewBatch()
	err = errors.Join(
		b.Set(purgedKey(organization), encodeFloor(floor), nil),
		b.Set(pendingKey(organization), binary.BigEndian.AppendUint64(nil, uint64(through)), nil))
	if err != nil {
		return 0, errors.Join(err, b.Close())
	}
	if err := l.commit(b); err != nil {
		return 0, fmt.Errorf("store floor: %w", err)
	}
	return through, nil
}

func (l *Log) segmentIDs() (ids []uint32) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for i := range l.segments {
		ids = append(ids, l.segments[i].id)
	}
	return ids
}
