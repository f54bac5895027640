package eventlog

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/oikion/orgcast"
)

// When the log is above MaxBytes, the organizations that are over their share lose
// their own oldest events first, so that one's import does not take the others' replay.
// A share is the max-min fair one of MaxBytes less one part in trimPart, in bytes
// before compression: the level at which those above it, cut down to it, make the log
// fit. Each loses no more than what it has above the level, from its own oldest on, and
// gets a floor of its own. A part is given up at a time, because to free a little costs
// as much as to free a lot: the tables are rewritten that have the most to give. Where
// a segment holds nothing that stays, it goes without being rewritten.
//
// If more than maxTrimmed are over their share, or what they have is not enough, the
// oldest segment goes, for everybody.

// trimPart is which part of MaxBytes is given up at a time: two parts of it are used
// at most beside what must stay.
const trimPart = 8

// trim brings the log within MaxBytes. The caller has l.sweep.
func (l *Log) trim(ctx context.Context) error {
	if l.used() <= l.opts.MaxBytes {
		return nil
	}
	if err := l.purgeThrough(ctx, l.waiting(leaveAfter)); err != nil {
		return err
	}
	need, err := l.need()
	if err != nil {
		return err
	}
	if need > 0 {
		if err := l.trimBytes(ctx, need); err != nil {
			return err
		}
	}
	if err := l.rewriteMost(ctx); err != nil {
		return err
	}
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	if err := l.usable(); err != nil {
		return nil // told by Failed, or over
	}
	return l.retireOver(l.closedSegments())
}

// need is how many bytes before compression must be deleted. What was deleted and is
// not rewritten does not count.
func (l *Log) need() (uint64, error) {
	var disk, bytes, garbage float64
	for _, s := range l.closedSegments() {
		size, err := l.sizeOf(&s)
		if err != nil {
			return 0, err
		}
		disk, bytes, garbage = disk+float64(size), bytes+float64(s.bytes+s.garbage), garbage+float64(s.garbage)
	}
	if bytes == 0 || disk == 0 {
		return 0, nil
	}
	ratio := disk / bytes
	over := float64(l.used()) - ratio*garbage - float64(l.opts.MaxBytes-l.opts.MaxBytes/trimPart)
	return uint64(max(over, 0) / ratio), nil
}

// trimBytes deletes need bytes, before compression, of those over their share.
func (l *Log) trimBytes(ctx context.Context, need uint64) error {
	r := l.newRemoval()
	var all tally
	for _, id := range l.segmentIDs() {
		t, err := l.tallyOf(id)
		if err != nil {
			return err
		}
		for organization, bytes := range t.bytes {
			all.add(organization, bytes)
		}
	}
	over := all.overShare(need)
	if len(over) == 0 {
		return nil // the oldest segment goes
	}
	if err := l.cutsOf(ctx, r, over); err != nil {
		return err
	}
	events, bytes, err := l.remove(r)
	if err == nil && l.opts.Hooks.Trimmed != nil && events > 0 {
		l.opts.Hooks.Trimmed(len(r.floors), int64(events), int64(bytes))
	}
	return err
}

// cutsOf finds the oldest events of each that it has over its share.
func (l *Log) cutsOf(ctx context.Context, r *removal, over []excess) (err error) {
	old := l.closedSegments()
	left := make(map[orgcast.OrganizationID]uint64, len(over))
	for _, e := range over {
		left[e.organization] = e.bytes
	}
	for len(old) > 0 {
		t, err := l.tallyOf(old[0].id)
		if err != nil {
			return err
		}
		if !t.within(&old[0], left) {
			break
		}
		for organization, bytes := range t.bytes {
			left[organization] -= bytes
			r.floors[organization] = old[0].last
		}
		r.whole = append(r.whole, old[0].id)
		old = old[1:]
	}
	it, err := l.eventIterator()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for _, e := range over {
		for i, all := 0, true; i < len(old) && all; i++ {
			var c cut
			if c, all, err = l.weigh(ctx, it, e.organization, old[i].id, old[i].last, left[e.organization]); err != nil {
				return err
			}
			if c.events > 0 {
				left[e.organization] -= c.bytes
				r.floors[e.organization] = c.floor
				r.cuts = append(r.cuts, c)
			}
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// within tells whether all of a segment is what organizations may lose.
func (t *tally) within(s *segment, left map[orgcast.OrganizationID]uint64) bool {
	for organization, bytes := range t.bytes {
		if bytes > left[organization] {
			return false
		}
	}
	return t.sum == s.bytes
}

// rewriteMost rewrites the segments that have the most to give, until half of the part
// that was deleted is free.
func (l *Log) rewriteMost(ctx context.Context) error {
	l.mu.RLock()
	dirty := slices.DeleteFunc(slices.Clone(l.segments), func(s segment) bool { return s.garbage == 0 })
	l.mu.RUnlock()
	share := func(s *segment) float64 { return float64(s.garbage) / float64(s.garbage+s.bytes) }
	slices.SortFunc(dirty, func(a, b segment) int { return cmp.Compare(share(&b), share(&a)) })
	for i := range dirty {
		if l.used() <= l.opts.MaxBytes-l.opts.MaxBytes/(2*trimPart) {
			return nil
		}
		if err := l.rewrite(ctx, dirty[i].id); err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
	}
	return nil
}
