package eventlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// readCheck is after how many events a reader looks whether it is wanted still.
const readCheck = 256

// Read calls fn for the organization's events, merged in cursor order with those
// for [orgcast.Everyone], with after < cursor <= upTo, until fn returns false.
// The event is good only during the call, and its fields must not be changed.
//
// It waits for one of [Options.Replays] places. The context should have a
// deadline of seconds: a reader keeps the files that it began with from being
// removed.
//
// ErrBelowFloor: some of the events are retired or purged; none was passed to fn. The
// events of an organization that the application deleted can be read for a while by who
// has read up to after already: who begins with after must hold it against
// [Log.FloorOf] first.
// ErrOtherEpoch, ErrEmpty, ErrClosed: likewise.
func (l *Log) Read(ctx context.Context, organization orgcast.OrganizationID, after, upTo orgcast.Cursor,
	fn func(e *orgcast.Event) bool) (err error) {
	if len(organization) > orgcast.MaxOrganizationID {
		return ErrTooLong
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.replays <- struct{}{}:
		defer func() { <-l.replays }()
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closing:
		return ErrClosed
	}
	if !l.enter() {
		return ErrClosed
	}
	defer l.readers.Done()

	begins := l.begins.Load()
	r := reader{log: l, after: after, upTo: upTo, fn: fn}
	if err := r.add(organization); err != nil {
		return err
	}
	if organization != orgcast.Everyone {
		if err := r.add(orgcast.Everyone); err != nil {
			return errors.Join(err, r.close())
		}
	}
	// The floor is looked at behind the opening of the iterators. They see what
	// there was when they were opened until they are closed, and a retirement or a
	// purge raises the floor before it removes: what is above the floor now, they see.
	segments, err := l.segmentsBetween(organization, after, upTo)
	if err == nil && l.begins.Load() != begins {
		err = ErrOtherEpoch // the iterators may see the epoch before
	}
	for i := 0; i < len(segments) && err == nil && !r.done; i++ {
		err = r.segment(ctx, segments[i])
	}
	return errors.Join(err, r.close())
}

// enter counts a reader, which Close waits for.
func (l *Log) enter() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return false
	}
	l.readers.Add(1)
	return true
}

// segmentsBetween lists the segments that may hold an organization's events with
// after < cursor <= upTo.
func (l *Log) segmentsBetween(organization orgcast.OrganizationID, after, upTo orgcast.Cursor) ([]uint32, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	switch {
	case !l.ready:
		return nil, ErrEmpty
	case after.Epoch != l.epoch || upTo.Epoch != l.epoch:
		return nil, ErrOtherEpoch
	case after.Compare(l.keptOf(organization)) < 0:
		return nil, ErrBelowFloor
	case upTo.Compare(after) <= 0:
		return nil, nil
	}
	var ids []uint32
	for i := range l.segments {
		if s := &l.segments[i]; s.last.Compare(after) > 0 && s.first.Compare(upTo) <= 0 {
			ids = append(ids, s.id)
		}
	}
	return ids, nil
}

// reader merges the events of at most two organizations.
type reader struct {
	log         *Log
	after, upTo orgcast.Cursor
	fn          func(e *orgcast.Event) bool
	lanes       [2]lane
	n           int // lanes
	seen        int
	done        bool
	lower       []byte
	upper       []byte
}

// lane is one organization's iterator.
type lane struct {
	it    *pebble.Iterator
	event orgcast.Event
	valid bool
}

func (r *reader) add(organization orgcast.OrganizationID) error {
	var it *pebble.Iterator
	var err error
	if r.n == 0 {
		it, err = r.log.db.NewIter(&pebble.IterOptions{LowerBound: keyFirst, UpperBound: []byte{prefixEvent + 1}})
	} else {
		it, err = r.lanes[0].it.Clone(pebble.CloneOptions{}) // the same view
	}
	if err != nil {
		return err
	}
	r.lanes[r.n] = lane{it: it, event: orgcast.Event{Organization: organization}}
	r.n++
	return nil
}

func (r *reader) close() error {
	var err error
	for i := range r.lanes[:r.n] {
		err = errors.Join(err, r.lanes[i].it.Close())
	}
	return err
}

func (r *reader) segment(ctx context.Context, id uint32) error {
	for i := range r.lanes[:r.n] {
		lane := &r.lanes[i]
		r.lower = appendAfterKey(r.lower[:0], id, lane.event.Organization, r.after)
		r.upper = appendAfterKey(r.upper[:0], id, lane.event.Organization, r.upTo)
		lane.it.SetBounds(r.lower, r.upper)
		if err := r.take(lane, lane.it.First()); err != nil {
			return err
		}
	}
	for {
		next := &r.lanes[0]
		if other := &r.lanes[1]; other.valid && (!next.valid || other.event.Cursor.Compare(next.event.Cursor) < 0) {
			next = other
		}
		if !next.valid {
			return nil
		}
		if r.seen++; r.seen%readCheck == 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-r.log.closing:
				return ErrClosed
			default:
			}
		}
		if !r.fn(&next.event) {
			r.done = true
			return nil
		}
		if err := r.take(next, next.it.Next()); err != nil {
			return err
		}
	}
}

// take decodes the event that the lane's iterator has moved to.
func (r *reader) take(lane *lane, valid bool) error {
	if lane.valid = valid; !valid {
		return lane.it.Error()
	}
	c, ok := cursorOfKey(lane.it.Key())
	if !ok {
		return fmt.Errorf("%w: malformed event key", errDamaged)
	}
	v, err := lane.it.ValueAndErr()
	if err != nil {
		return err
	}
	c.Epoch = r.after.Epoch
	lane.event.Cursor = c
	return decodeEventValue(v, &lane.event)
}
