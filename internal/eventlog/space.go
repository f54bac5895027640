package eventlog

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/oikion/orgcast"
)

// space is what is known of the disk. The reserve is a file that is given back
// when the disk is almost full: Pebble needs some room to remove anything.
type space struct {
	free    atomic.Int64 // bytes; -1 if the file system does not tell
	looked  atomic.Int64 // when that was, by our clock
	reserve atomic.Bool
}

// lookEvery is how old the figure may be for an append to go on it: a neighbour
// fills a disk faster than the keeper looks, and on a full one Pebble hangs, or
// takes the process with it. A look is one system call, of a microsecond.
const lookEvery = time.Millisecond

// leastFree is what must be free for segments to be given up: removing them writes
// a little first, and Pebble does not survive it if that fails.
const leastFree = 64 << 10

// health is an error while less than minFree is free.
func (s *space) health(minFree int64) error {
	if free := s.free.Load(); free >= 0 && free < minFree {
		return noSpace(free, minFree)
	}
	return nil
}

func noSpace(free, minFree int64) error {
	return orgcast.WithHint("check disk", fmt.Errorf("%w: %d bytes of %d", ErrNoSpace, free, minFree),
		"free disk space, or lower the log's maximum size or its minimum of free space")
}

// measure asks for the free space. Negative: not to be known, or not wanted.
func (l *Log) measure() (int64, error) {
	free := int64(-1)
	if l.opts.MinFree > 0 {
		switch usage, err := l.opts.FS.GetDiskUsage(l.dir); {
		case err == nil:
			free = int64(min(usage.AvailBytes, 1<<62))
		case !errors.Is(err, vfs.ErrUnsupported):
			return 0, fmt.Errorf("check disk: %w", err)
		}
	}
	l.space.free.Store(free)
	l.space.looked.Store(l.opts.Now().UnixNano())
	return free, nil
}

// hasSpace refuses what would be written to a disk that is nearly full.
func (l *Log) hasSpace() error {
	if l.opts.Now().UnixNano()-l.space.looked.Load() >= int64(lookEvery) {
		if _, err := l.measure(); err != nil {
			return err
		}
	}
	err := l.space.health(l.opts.MinFree)
	if err != nil {
		l.poke() // the reserve is for what Pebble does in the background
	}
	return err
}

// checkSpaceAtOpen refuses a disk on which Pebble's Open might hang.
func (l *Log) checkSpaceAtOpen() error {
	free, err := l.measure()
	if err != nil {
		return orgcast.WithHint("open log", err, "check the disk")
	}
	if free >= 0 && free < l.opts.MinFree {
		if err := l.giveReserve(); err != nil {
			return orgcast.WithHint("open log", err, "free disk space")
		}
		if _, err := l.measure(); err != nil {
			return orgcast.WithHint("open log", err, "check the disk")
		}
	}
	return l.space.health(l.opts.MinFree)
}

// look measures, gives the reserve back or takes it again, and tells whether
// segments must be given up: a little before nothing is appended any more, so that
// a log which shares its disk with others loses its oldest and goes on.
func (l *Log) look() (low bool, err error) {
	free, err := l.measure()
	if err != nil || free < 0 {
		return false, err
	}
	switch {
	case free < l.opts.reserveBytes():
		if err = l.giveReserve(); err == nil {
			free, err = l.measure()
		}
	case free >= l.opts.MinFree+2*l.opts.reserveBytes():
		err = l.holdReserve()
	}
	if err != nil {
		l.trouble(err) // and go on: giving segments up is what helps
	}
	return free < l.opts.MinFree+l.opts.MinFree/8 && free >= leastFree, nil
}

func (l *Log) reserveName() string { return l.opts.FS.PathJoin(l.dir, reserveFile) }

func (l *Log) giveReserve() error {
	l.space.reserve.Store(false)
	if err := l.opts.FS.Remove(l.reserveName()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("give reserve back: %w", err)
	}
	return nil
}

// holdReserve allocates the reserve if there is room for it. Where the file
// system can't allocate, the file is empty and holds nothing back.
func (l *Log) holdReserve() error {
	free := l.space.free.Load()
	if free < 0 || l.space.reserve.Load() || free < l.opts.MinFree+l.opts.reserveBytes() {
		return nil
	}
	f, err := l.opts.FS.Create(l.reserveName(), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("hold reserve: %w", err)
	}
	if err := errors.Join(f.Preallocate(0, l.opts.reserveBytes()), f.Close()); err != nil {
		return fmt.Errorf("hold reserve: %w", err)
	}
	l.space.reserve.Store(true)
	return nil
}
