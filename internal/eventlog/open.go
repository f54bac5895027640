package eventlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// Open opens the log in dir and creates it if there is none. A log that is
// damaged is renamed to <dir>.damaged and an empty one begun, which
// [Log.Recovered] tells: its events can be told apart from lost ones no more,
// and a lost removal of a member would let him in again. A log that can't be
// opened now (locked, no permission, no space, an I/O error) is left alone.
func Open(dir string, o Options) (*Log, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	l, err := open(dir, o)
	if err == nil || !damaged(err) {
		return l, full(err)
	}
	if o.Hooks.Damaged != nil {
		o.Hooks.Damaged(err)
	}
	if moveErr := setAside(o.FS, dir); moveErr != nil {
		return nil, orgcast.WithHint("set damaged log aside", errors.Join(moveErr, err),
			"move the data directory away by hand; it must not be a mount point itself")
	}
	why := err
	if l, err = open(dir, o); err != nil {
		return nil, full(err)
	}
	l.recovered = why
	return l, nil
}

// full makes the system's own word for it ErrNoSpace: a disk without a single
// byte is not looked at, but met.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return orgcast.WithHint("open log", fmt.Errorf("%w: %w", ErrNoSpace, err), "free disk space")
	}
	return err
}

// open opens the log as it is.
func open(dir string, o Options) (*Log, error) {
	lock, err := prepareDirectory(o.FS, dir)
	if err != nil {
		return nil, err
	}
	l := &Log{
		dir:       dir,
		opts:      o,
		lock:      lock,
		unsynced:  unsynced{wake: make(chan struct{}, 1)},
		room:      make(room, roomPieces),
		replays:   make(chan struct{}, o.Replays),
		wake:      make(chan struct{}, 1),
		sweep:     make(chan struct{}, 1),
		stirred:   make(chan struct{}, 1),
		purged:    map[orgcast.OrganizationID]orgcast.Cursor{},
		purging:   map[orgcast.OrganizationID]purge{},
		closing:   make(chan struct{}),
		rewritten: make(chan struct{}, 1),
	}
	l.batch = &Batch{log: l}
	// Before Pebble: on a full disk its Open never returns.
	if err := l.checkSpaceAtOpen(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if err := l.checkWitness(); err != nil {
		return nil, errors.Join(orgcast.WithHint("open log", err, openHint(err)), lock.Close())
	}
	l.db, err = pebble.Open(dir, l.pebbleOptions(lock))
	if err != nil {
		return nil, errors.Join(orgcast.WithHint("open log", err, openHint(err)), lock.Close())
	}
	if err := l.load(); err != nil {
		return nil, errors.Join(orgcast.WithHint("open log", err, openHint(err)), l.closeFiles())
	}
	if err := errors.Join(l.holdReserve(), l.bearWitness()); err != nil {
		l.trouble(err)
	}
	l.loaded.Store(true)
	l.workers.Go(l.syncer)
	l.workers.Go(l.keeper)
	l.workers.Go(l.sweeper)
	return l, nil
}

// damaged tells damage, which another start would find again, from failures that
// the operator can end.
func damaged(err error) bool {
	if errors.Is(err, errDamaged) {
		return true
	}
	if errors.Is(err, ErrLocked) || errors.Is(err, ErrForeign) || errors.Is(err, ErrNewer) || errors.Is(err, ErrNoSpace) {
		return false
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok && errno != syscall.ENOENT {
		return false
	}
	return pebble.IsCorruptionError(err) || errors.Is(err, pebble.ErrDBNotPristine) ||
		errors.Is(err, fs.ErrNotExist) ||
		// Pebble marks neither a table that is cut nor one that is missing.
		strings.Contains(err.Error(), "object size mismatch") || strings.Contains(err.Error(), "does not exist")
}

func openHint(err error) string {
	switch {
	case damaged(err):
		return "check the disk; the log is set aside and begun anew from a snapshot"
	case strings.Contains(err.Error(), "format major version"):
		return "run the program that wrote the log, or move the directory away and start with an empty one"
	}
	return "check the disk and the rights on the data directory, then start again"
}

// load reads what the log knows of itself and holds it against what is there.
func (l *Log) load() error {
	v, ok, err := l.get(keyIdentity)
	if err != nil {
		return err
	}
	if !ok { // empty, or killed within Begin, which wipes first
		return l.namePending()
	}
	if l.identity, l.epoch, err = decodeIdentity(v); err != nil {
		return err
	}
	if v, err = l.must(keyPosition, "position"); err != nil {
		return err
	}
	end, err := decodePosition(v)
	if err != nil {
		return err
	}
	if v, err = l.must(keyFloor, "floor"); err != nil {
		return err
	}
	if l.floor, err = decodeFloor(v, l.epoch); err != nil {
		return err
	}
	if v, ok, err = l.get(keyRefetch); err != nil {
		return err
	}
	if ok {
		if l.refetch, err = decodeFloor(v, l.epoch); err != nil {
			return err
		}
	}
	l.position.Store(uint64(end))
	if err := l.loadSegments(); err != nil {
		return err
	}
	if err := l.finishStaged(); err != nil {
		return err
	}
	if err := l.verify(); err != nil {
		return err
	}
	if err := l.exciseOrphans(); err != nil {
		return err
	}
	if err := l.discardAbove(end); err != nil {
		return err
	}
	if err := errors.Join(l.loadPurged(), l.loadGarbage()); err != nil {
		return err
	}
	if err := l.namePending(); err != nil {
		return err
	}
	if err := l.loadPending(); err != nil {
		return err
	}
	l.durable.Store(uint64(end))
	l.ready = true
	return nil
}

// verifiedSegments is how many of the newest segments are counted at Open: those
// that a lost table or write-ahead log can have been part of. About 0.1 s each.
const verifiedSegments = 2

// verify reads the state once, so that every block's checksum is looked at, and
// counts the newest segments: Pebble opens without a word when its MANIFEST is an
// older one, and tables are then missing in the middle.
func (l *Log) verify() error {
	if err := l.State(func(orgcast.Space, []byte, []byte) error { return nil }); err != nil {
		return err
	}
	for _, s := range l.segments[max(0, len(l.segments)-verifiedSegments):] {
		if s.last.LSN >= l.Position() {
			continue // discardAbove, killed in the middle, may have begun on it; it counts anew
		}
		t := segmentTally{segment: s.id}
		found, err := l.count(s.id, func(key []byte, _ orgcast.Cursor, size int) (bool, error) {
			t.add(organizationOfKey(key), uint64(size))
			return true, nil
		})
		if err != nil {
			return err
		}
		l.ledger.set(t) // the last one's stays
		// A purge takes events out, and leaves the bounds.
		if found.events != s.events || s.events > 0 && (found.first.Compare(s.first) < 0 || found.last.Compare(s.last) > 0) {
			return fmt.Errorf("%w: segment %d has %d events of %d", errDamaged, s.id, found.events, s.events)
		}
	}
	return nil
}

func (l *Log) loadSegments() error {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixSegment}, UpperBound: []byte{prefixSegment + 1}})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var v []byte
		if v, err = it.ValueAndErr(); err != nil {
			break
		}
		var s segment
		if s, err = decodeSegment(it.Key(), v, l.epoch); err != nil {
			break
		}
		l.segments = append(l.segments, s)
		l.high = s.last
	}
	return errors.Join(err, it.Close())
}

// exciseOrphans removes what a kill between a retirement's record and its Excise
// left.
func (l *Log) exciseOrphans() error {
	end := []byte{prefixEvent + 1}
	if len(l.segments) > 0 {
		end = appendSegmentStart(nil, l.segments[0].id)
	}
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: keyFirst, UpperBound: end})
	if err != nil {
		return err
	}
	some := it.First()
	if err := errors.Join(it.Error(), it.Close()); err != nil || !some {
		return err
	}
	return l.db.Excise(context.Background(), pebble.KeyRange{Start: keyFirst, End: end})
}

func (l *Log) get(key []byte) ([]byte, bool, error) {
	v, closer, err := l.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return append([]byte(nil), v...), true, closer.Close()
}

func (l *Log) must(key []byte, what string) ([]byte, error) {
	v, ok, err := l.get(key)
	if err == nil && !ok {
		err = fmt.Errorf("%w: %s is missing", errDamaged, what)
	}
	return v, err
}
