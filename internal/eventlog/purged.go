package eventlog

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// FloorOf is the lowest cursor that the organization can be resumed from without
// a gap: the log's floor, or where the organization was purged.
func (l *Log) FloorOf(organization orgcast.OrganizationID) orgcast.Cursor {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.floorOf(organization)
}

// floorOf is FloorOf with mu held.
func (l *Log) floorOf(organization orgcast.OrganizationID) orgcast.Cursor {
	if c, ok := l.purged[organization]; ok && c.Compare(l.floor) > 0 {
		return c
	}
	return l.floor
}

// loadPurged reads the organizations' floors, and finishes what a kill within
// Purge left.
func (l *Log) loadPurged() error {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixPurged}, UpperBound: []byte{prefixPurged + 1}})
	if err != nil {
		return err
	}
	purged := map[orgcast.OrganizationID]orgcast.Cursor{}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var v []byte
		if v, err = it.ValueAndErr(); err != nil {
			break
		}
		var floor orgcast.Cursor
		if floor, err = decodeFloor(v, l.epoch); err == nil {
			purged[orgcast.OrganizationID(it.Key()[1:])] = floor
		}
	}
	if err := errors.Join(err, it.Error(), it.Close()); err != nil {
		return err
	}
	l.purged = purged
	for organization, floor := range purged {
		for _, id := range l.segmentIDs() {
			if _, _, err := l.erase(organization, floor, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// outlived are the organizations whose own floor says nothing beside a floor of
// the whole log, and what is left without them. mu is held.
func (l *Log) outlived(floor orgcast.Cursor) (gone []orgcast.OrganizationID, left map[orgcast.OrganizationID]orgcast.Cursor) {
	left = map[orgcast.OrganizationID]orgcast.Cursor{}
	for organization, c := range l.purged {
		if c.Compare(floor) > 0 {
			left[organization] = c
		} else {
			gone = append(gone, organization)
		}
	}
	return gone, left
}
