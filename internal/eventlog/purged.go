package eventlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// maxFloors is how many organizations may have a floor of their own. Beyond it, the
// log's own floor rises over the lower half of them: some replays end earlier than they
// must, and are told so, and memory does not grow.
const maxFloors = 1 << 16

// FloorOf is the lowest cursor that the organization can be resumed from without
// a gap: the log's floor, or its own, where it was purged or lost its oldest events.
// Who begins to read asks it first: see [Log.Read].
func (l *Log) FloorOf(organization orgcast.OrganizationID) orgcast.Cursor {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.floorOf(organization)
}

// ResumeFloor is the lowest cursor that a client of the organization can come back with:
// its floor or, for who was told by other rules, what [Log.ChangeRules] was given. That
// may lie above the position.
func (l *Log) ResumeFloor(organization orgcast.OrganizationID) orgcast.Cursor {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if floor := l.floorOf(organization); floor.Compare(l.refetch) > 0 {
		return floor
	}
	return l.refetch
}

// floorOf is FloorOf with mu held.
func (l *Log) floorOf(organization orgcast.OrganizationID) orgcast.Cursor {
	if c, ok := l.purged[organization]; ok && c.Compare(l.floor) > 0 {
		return c
	}
	return l.floor
}

// loadPurged reads the organizations' floors.
func (l *Log) loadPurged() error {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixPurged}, UpperBound: []byte{prefixPurged + 1}})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var v []byte
		if v, err = it.ValueAndErr(); err != nil {
			break
		}
		var floor orgcast.Cursor
		if floor, err = decodeFloor(v, l.epoch); err == nil {
			l.purged[orgcast.OrganizationID(it.Key()[1:])] = floor
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// loadGarbage reads what is deleted and not rewritten.
func (l *Log) loadGarbage() error {
	for i := range l.segments {
		v, ok, err := l.get(garbageKey(l.segments[i].id))
		if err != nil || !ok {
			if err != nil {
				return err
			}
			continue
		}
		if len(v) != 8 {
			return fmt.Errorf("%w: garbage has %d bytes", errDamaged, len(v))
		}
		l.segments[i].garbage = binary.BigEndian.Uint64(v)
	}
	return nil
}

// outlived are the organizations whose own floor says nothing beside a floor of
// the whole log. mu is held.
func (l *Log) outlived(floor orgcast.Cursor) (gone []orgcast.OrganizationID) {
	for organization, c := range l.purged {
		if c.Compare(floor) <= 0 {
			gone = append(gone, organization)
		}
	}
	return gone
}

// fold raises the log's floor when too many organizations have one of their own.
// maintenance is held.
func (l *Log) fold() error {
	l.mu.RLock()
	n := len(l.purged)
	var floors []orgcast.Cursor
	if n > maxFloors {
		floors = slices.SortedFunc(maps.Values(l.purged), orgcast.Cursor.Compare)
	}
	l.mu.RUnlock()
	if floors == nil {
		return nil
	}
	floor := floors[n-maxFloors/2]
	old := l.closedSegments()
	below := slices.IndexFunc(old, func(s segment) bool { return s.last.Compare(floor) > 0 })
	if below < 0 {
		below = len(old)
	}
	if err := l.retire(old[:below], floor); err != nil {
		return err
	}
	if l.opts.Hooks.Folded != nil {
		l.mu.RLock()
		left := len(l.purged)
		l.mu.RUnlock()
		l.opts.Hooks.Folded(n - left)
	}
	return nil
}
