package eventlog

import (
	"context"
	"slices"
	"time"

	"github.com/oikion/orgcast"
)

// The sweeper does what takes long, beside the appends: it gives up the oldest events
// of organizations that are over their share (trim.go), and deletes those of
// organizations that the application deleted. A purged organization's events can't be
// read from the commit on that deletes it. But to delete few events from a table costs
// as much as to rewrite the table; and those whom that commit removes still read their
// own removal. So the events lie until RewriteAfter has passed, those of the deleting
// transaction with them, and all that waits is deleted together.

// maxPending is how many purged organizations wait at most: beyond it they wait no
// longer.
const maxPending = 8192

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
	if l.due() {
		return l.purgePending(ctx)
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

// due tells whether what was purged has waited long enough.
func (l *Log) due() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.purging) > 0 &&
		(len(l.purging) > maxPending || l.opts.Now().Sub(time.Unix(0, l.waiting)) >= l.opts.RewriteAfter)
}

// purgePending deletes the events of the purged organizations that wait, and rewrites
// the tables that held any.
func (l *Log) purgePending(ctx context.Context) error {
	begins := l.begins.Load()
	l.mu.Lock()
	pending := make(map[orgcast.OrganizationID]orgcast.LSN, len(l.purging))
	names := make([]orgcast.OrganizationID, 0, len(l.purging))
	for organization, through := range l.purging {
		pending[organization], names = through, append(names, organization)
	}
	l.waiting = l.opts.Now().UnixNano() // those that come now
	l.mu.Unlock()
	for some := range slices.Chunk(names, removeAtOnce) {
		if err := l.purgeThrough(ctx, some, pending); err != nil {
			return err
		}
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
// purged them. A nil through is their floors alone.
func (l *Log) purgeThrough(ctx context.Context, organizations []orgcast.OrganizationID, through map[orgcast.OrganizationID]orgcast.LSN) error {
	r := l.newRemoval()
	floors := map[orgcast.OrganizationID]orgcast.Cursor{}
	l.mu.RLock()
	for _, organization := range organizations {
		floor := l.floorOf(organization)
		if at := orgcast.Position(l.epoch, through[organization]); at.Compare(floor) > 0 {
			floor = at
			r.floors[organization] = floor
		}
		floors[organization] = floor
	}
	l.mu.RUnlock()
	if err := l.measureBelow(ctx, r, floors); err != nil {
		return err
	}
	events, bytes, err := l.remove(r)
	if err == nil && l.opts.Hooks.Purged != nil && events > 0 {
		l.opts.Hooks.Purged(int64(events), int64(bytes))
	}
	return err
}
