package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// ChangeRules notes in the identity by which rules events are made from the position
// on, and removes those that were made by others: they may show what must not be
// shown any more. It is for a log that nobody reads or writes yet.
//
// Floors rise, so that no cursor is resumed over what is not there. If the rules
// narrow what was shown, a cursor behind which its organization has nothing is as
// good as before: each organization's floor is its newest event. Otherwise there may
// be more between any cursor and the position than was stored, and that is the floor
// of all. A process that was killed has told of more than it stored, up to told at most:
// who comes with what he was told is given no more than who comes from below.
//
// Killed at any point, it has happened whole or not at all.
func (l *Log) ChangeRules(ctx context.Context, rules, tables string, told orgcast.LSN, narrows bool) error {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	l.batch.reset()
	l.drain()
	if l.open.lsn != 0 { // its parts come again
		if err := l.discard(); err != nil {
			return err
		}
	}
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	id, epoch, ok := l.Identity()
	if !ok {
		return ErrEmpty
	}
	id.Rules, id.Tables = rules, tables
	floor := orgcast.Position(epoch, l.Position())
	refetch := orgcast.Position(epoch, told)
	l.mu.RLock()
	if narrows || l.refetch.Compare(refetch) > 0 {
		refetch = l.refetch
	}
	l.mu.RUnlock()
	floors := map[orgcast.OrganizationID]orgcast.Cursor{}
	if narrows {
		newest, err := l.newest()
		if err != nil {
			return fmt.Errorf("read newest events: %w", err)
		}
		if len(newest) <= maxFloors {
			floor, floors = l.Floor(), newest
		}
		if at, ok := newest[orgcast.Everyone]; ok && at.Compare(floor) > 0 {
			floor = at
		}
		delete(floors, orgcast.Everyone)
	}
	b := l.db.NewBatch()
	err := errors.Join(
		b.Set(keyIdentity, encodeIdentity(id, epoch), nil),
		b.Set(keyFloor, encodeFloor(floor), nil),
		b.Set(keyRefetch, encodeFloor(refetch), nil),
		b.DeleteRange([]byte{prefixPurged}, []byte{prefixPurged + 1}, nil),
		b.DeleteRange([]byte{prefixPending}, []byte{prefixPending + 1}, nil),
	)
	l.mu.RLock()
	segments := slices.Clone(l.segments)
	l.mu.RUnlock()
	var events, bytes uint64
	for i := range segments { // each by itself: a table never crosses a segment's border
		events, bytes = events+segments[i].events, bytes+segments[i].bytes
		start := appendSegmentStart(nil, segments[i].id)
		err = errors.Join(err, forgetSegment(b, segments[i].id), b.DeleteRange(start, prefixEnd(start), nil))
	}
	for organization, at := range floors {
		err = errors.Join(err, b.Set(purgedKey(organization), encodeFloor(at), nil))
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.floor, l.refetch, l.purged = floor, refetch, floors // for readers that come, before anything is deleted
	l.purging = map[orgcast.OrganizationID]purge{}
	l.mu.Unlock()
	if err := l.commit(b); err != nil {
		return fmt.Errorf("store rules: %w", err)
	}
	l.begins.Add(1) // who is about to remove something has nothing to remove
	l.mu.Lock()
	l.identity, l.segments = id, nil
	l.mu.Unlock()
	l.ledger.set(segmentTally{})
	if l.opts.Hooks.Retired != nil {
		l.opts.Hooks.Retired(int64(events), int64(bytes))
	}
	// It is deleted; this takes it out of the files.
	for i := range segments {
		start := appendSegmentStart(nil, segments[i].id)
		if err := l.db.Compact(ctx, start, prefixEnd(start), false); err != nil {
			return fmt.Errorf("rewrite tables: %w", err)
		}
	}
	return nil
}

// newest is the cursor of each organization's newest event, or its own floor if that
// is higher. It reads one event of each organization and segment.
func (l *Log) newest() (map[orgcast.OrganizationID]orgcast.Cursor, error) {
	l.mu.RLock()
	newest, epoch := map[orgcast.OrganizationID]orgcast.Cursor{}, l.epoch
	for organization, at := range l.purged {
		newest[organization] = at
	}
	segments := slices.Clone(l.segments)
	l.mu.RUnlock()
	for _, s := range segments {
		start := appendSegmentStart(nil, s.id)
		it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: start, UpperBound: prefixEnd(start)})
		if err != nil {
			return nil, err
		}
		for ok := it.First(); ok; {
			if _, whole := cursorOfKey(it.Key()); !whole {
				return nil, errors.Join(fmt.Errorf("%w: malformed event key", errDamaged), it.Close())
			}
			organization := organizationOfKey(it.Key())
			next := appendEventKey(nil, s.id, organization, orgcast.Cursor{LSN: 1<<64 - 1, Index: 1<<64 - 1})
			it.SeekLT(next)
			at, _ := cursorOfKey(it.Key())
			if at.Epoch = epoch; at.Compare(newest[organization]) > 0 || newest[organization].Epoch != epoch {
				newest[organization] = at
			}
			ok = it.SeekGE(next)
		}
		if err := errors.Join(it.Error(), it.Close()); err != nil {
			return nil, err
		}
	}
	return newest, nil
}
