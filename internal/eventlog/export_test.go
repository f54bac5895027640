package eventlog

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// Keep looks at the bounds now, as the keeper does, remembers the MANIFEST and sweeps
// what is due.
func (l *Log) Keep() error { return errors.Join(l.bearWitness(), l.keep(), l.sweepOnce()) }

// KeptOf is where an organization begins for who reads it already.
func (l *Log) KeptOf(organization orgcast.OrganizationID) orgcast.Cursor {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.keptOf(organization)
}

// Trim gives up so many bytes, before compression, of those over their share, as if the
// log was above its bound, and rewrites what that leaves.
func (l *Log) Trim(need uint64) error {
	ctx := context.Background()
	if err := l.lockSweep(ctx); err != nil {
		return err
	}
	defer l.unlockSweep()
	if err := errors.Join(l.purgeThrough(ctx, l.waiting(leaveAfter)), l.trimBytes(ctx, need)); err != nil {
		return err
	}
	for _, id := range l.segmentIDs() {
		if err := l.rewrite(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// Unfair takes away what the log did not write before an organization had a share.
func (l *Log) Unfair() error {
	b := l.db.NewBatch()
	err := b.Delete(keyNamed, nil)
	for _, prefix := range []byte{prefixGarbage, prefixTally, prefixPending} {
		err = errors.Join(err, b.DeleteRange([]byte{prefix}, []byte{prefix + 1}, nil))
	}
	if err != nil {
		return errors.Join(err, b.Close())
	}
	return b.Commit(pebble.Sync)
}

// Has is how many bytes the tallies say that each organization has, and how many of the
// segments have one that is stored.
func (l *Log) Has() (bytes map[orgcast.OrganizationID]uint64, stored int, err error) {
	if err := l.lockSweep(context.Background()); err != nil {
		return nil, 0, err
	}
	defer l.unlockSweep()
	var all tally
	for _, id := range l.segmentIDs() {
		_, ok, loadErr := l.loadTally(id)
		t, tallyErr := l.tallyOf(id)
		if err := errors.Join(loadErr, tallyErr); err != nil {
			return nil, 0, err
		}
		if ok {
			stored++
		}
		for organization, n := range t.bytes {
			all.add(organization, n)
		}
	}
	return all.bytes, stored, nil
}

// EventSize is what an event takes, before compression.
func EventSize(e *orgcast.Event) uint64 {
	return uint64(eventKeyLen(e.Organization) + eventValueLen(e))
}

// TellTrouble is the keeper's tick.
func (l *Log) TellTrouble() { l.tellTrouble() }

// Trouble is what a background error does.
func (l *Log) Trouble(err error) { l.trouble(err) }

// Fatalf is what Pebble calls when it can't go on.
func (l *Log) Fatalf(format string, args ...any) { pebbleLogger{l}.Fatalf(format, args...) }

// FlushMemtables moves everything into tables.
func (l *Log) FlushMemtables() error { return l.db.Flush() }

// Flush moves everything into tables, and compacts them.
func (l *Log) Flush() error {
	if err := l.db.Flush(); err != nil {
		return err
	}
	return l.db.Compact(context.Background(), []byte{0}, []byte{0xff}, false)
}

// Lose deletes an event behind the log's back, as an older MANIFEST does.
func (l *Log) Lose(segment uint32, e *orgcast.Event) error {
	return l.db.Delete(appendEventKey(nil, segment, e.Organization, e.Cursor), pebble.Sync)
}

// ForgetSegment deletes a segment's record only: a kill within a retirement.
func (l *Log) ForgetSegment(segment uint32) error {
	return l.db.Delete(segmentKey(segment), pebble.Sync)
}

// EventKeys counts the events of all segments, also of those without a record.
func (l *Log) EventKeys() (n int, err error) {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: keyFirst, UpperBound: []byte{prefixEvent + 1}})
	if err != nil {
		return 0, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	return n, it.Close()
}

// StagedKeys counts what is staged, with the mark.
func (l *Log) StagedKeys() (n int, err error) {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: keyStaged, UpperBound: keyEnd})
	if err != nil {
		return 0, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	return n, it.Close()
}

// Tables lists the first and last key of every table.
func (l *Log) Tables() (bounds [][2][]byte, err error) {
	levels, err := l.db.SSTables()
	for _, level := range levels {
		for _, table := range level {
			bounds = append(bounds, [2][]byte{table.Smallest.UserKey, table.Largest.UserKey})
		}
	}
	return bounds, err
}

// PurgedKeys counts the floors of organizations.
func (l *Log) PurgedKeys() (n int, err error) {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixPurged}, UpperBound: []byte{prefixPurged + 1}})
	if err != nil {
		return 0, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	return n, it.Close()
}

// RaiseFloors raises floors of organizations, and deletes nothing.
func (l *Log) RaiseFloors(floors map[orgcast.OrganizationID]orgcast.Cursor) error {
	if err := l.lockSweep(context.Background()); err != nil {
		return err
	}
	defer l.unlockSweep()
	r := l.newRemoval()
	r.floors = floors
	_, _, err := l.remove(r)
	return err
}

// MaxFloors is how many organizations may have a floor of their own.
const MaxFloors = maxFloors
