package eventlog

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/oikion/orgcast"
)

// The sweeper does what takes long, beside the appends: it gives up the oldest events
// of organizations that are over their share (trim.go), and deletes those of
// organizations that the application deleted. From the commit on that deletes it nobody
// begins to read an organization's events. But those whom that commit removes may be
// behind: they read up to their own removal. And to delete few events from a table
// costs as much as to rewrite the table. So the events lie until RewriteAfter has
// passed, and all that has waited for half of it is deleted together.

// maxPending is how many purged organizations wait at most: beyond it they wait no
// longer.
const maxPending = 8192

// leaveAfter is how long they wait at least when the log needs room: nobody who is
// further behind is still coming.
const leaveAfter = time.Minute

// removeAtOnce is how many organizations' events are deleted in one batch.
const removeAtOnce = 1024

// sweeper sweeps when it is stirred.
func (l *Log) sweeper() {
	for {
		select {
		case <-l.closing:
			return
		case <-l.stirred:
		}
		if !l.enter() {
			return // Close waits for a sweep as for a reader: it takes its turns at write
		}
		err := l.sweepOnce()
		l.readers.Done()
		if err != nil && !l.isClosing() {
			l.trouble(err)
		}
	}
}

// stir makes the sweeper look now.
func (l *Log) stir() {
	select {
	case l.stirred <- struct{}{}:
	default: // it will look already
	}
}

func (l *Log) isClosing() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}

// sweepOnce does what is due.
func (l *Log) sweepOnce() error {
	ctx, end := l.untilClosed(context.Background())
	defer end()
	if err := l.lockSweep(ctx); err != nil {
		return err
	}
	defer l.unlockSweep()
	if err := l.usable(); err != nil {
		return nil // told by Failed, or over
	}
	if err := l.storeClosed(); err != nil {
		return err
	}
	if l.over.Swap(false) {
		if err := l.trim(ctx); err != nil {
			return err
		}
	}
	if least, due := l.due(); due {
		return l.purgePending(ctx, least)
	}
	return nil
}

// lockSweep waits for the right to remove events, which one has at a time.
func (l *Log) lockSweep(ctx context.Context) error {
	select {
	case l.sweep <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *Log) unlockSweep() { <-l.sweep }

// storeClosed stores the tally of the segment that was closed last.
func (l *Log) storeClosed() error {
	l.maintenance.Lock() // against Discard, after which it is not closed any more
	defer l.maintenance.Unlock()
	l.ledger.mu.Lock()
	id := l.ledger.closed.segment
	l.ledger.mu.Unlock()
	t, ok := l.ledger.of(id)
	if id == 0 || !ok {
		return nil
	}
	if err := l.storeTally(id, t); err != nil {
		return err
	}
	l.ledger.drop(id)
	return nil
}

// due tells whether somebody has waited long enough to be deleted, and how long those
// have waited at least that go with him.
func (l *Log) due() (least time.Duration, due bool) {
	l.mu.RLock()
	waits := len(l.purging)
	l.mu.RUnlock()
	if waits > maxPending {
		return 0, true
	}
	return l.opts.RewriteAfter / 2, len(l.waiting(l.opts.RewriteAfter)) > 0
}

// purgePending deletes the events of the purged organizations that have waited for so
// long at least, and rewrites the tables that held any.
func (l *Log) purgePending(ctx context.Context, least time.Duration) error {
	begins := l.begins.Load()
	pending := l.waiting(least)
	if err := l.purgeThrough(ctx, pending); err != nil {
		return err
	}
	for _, id := range l.segmentIDs() {
		if l.garbageOf(id) == 0 {
			continue
		}
		if err := l.rewrite(ctx, id); err != nil {
			return err
		}
	}
	return l.purgedThrough(begins, pending)
}

// purgeThrough deletes what organizations have up to the ends of the transactions that
// purged them, or up to their floors.
func (l *Log) purgeThrough(ctx context.Context, through map[orgcast.OrganizationID]orgcast.LSN) error {
	for some := range slices.Chunk(slices.Collect(maps.Keys(through)), removeAtOnce) {
		if err := l.purgeSome(ctx, some, through); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) purgeSome(ctx context.Context, some []orgcast.OrganizationID, through map[orgcast.OrganizationID]orgcast.LSN) error {
	r := l.newRemoval()
	l.mu.RLock()
	for _, organization := range some {
		r.floors[organization] = l.floorOf(organization)
		if at := orgcast.Position(l.epoch, through[organization]); at.Compare(r.floors[organization]) > 0 {
			r.floors[organization] = at
		}
	}
	l.mu.RUnlock()
	if err := l.measureBelow(ctx, r, r.floors); err != nil {
		return err
	}
	events, bytes, err := l.remove(r)
	if err == nil && l.opts.Hooks.Purged != nil && events > 0 {
		l.opts.Hooks.Purged(int64(events), int64(bytes))
	}
	return err
}
