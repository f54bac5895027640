package eventlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// ending is what a batch says of an organization: its transaction deletes it, or makes
// one of its name.
type ending struct {
	organization orgcast.OrganizationID
	anew         bool
}

// purge is what waits to be deleted of one organization.
type purge struct {
	through orgcast.LSN // or up to its floor, if that is higher
	// kept is its floor as those have it who read it already: what lies above is there
	// still. Who comes now is held against the floor.
	kept  orgcast.Cursor
	since time.Time // our clock; zero: since before the start
}

// hide puts into the batch what it says of organizations: their floors rise to the
// position, below which nobody begins to read them any more, and what they have waits
// to be deleted: up to the floor if the organization is there again, else up to end.
func (l *Log) hide(b *Batch, end orgcast.LSN) (hidden map[orgcast.OrganizationID]orgcast.LSN, err error) {
	for _, e := range b.endings {
		through := end
		if e.anew {
			through = l.Position()
			if _, now := hidden[e.organization]; !now && !l.former(e.organization) {
				continue
			}
		}
		if hidden == nil {
			hidden = map[orgcast.OrganizationID]orgcast.LSN{}
		}
		hidden[e.organization] = through
	}
	floor := encodeFloor(orgcast.Position(l.epoch, l.Position()))
	for organization, through := range hidden {
		err = errors.Join(err,
			b.ops().Set(purgedKey(organization), floor, nil),
			b.ops().Set(pendingKey(organization), binary.BigEndian.AppendUint64(nil, uint64(through)), nil))
	}
	return hidden, err
}

// former tells whether the log may hold events of an organization that was deleted.
func (l *Log) former(organization orgcast.OrganizationID) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	_, floor := l.purged[organization]
	_, waits := l.purging[organization]
	return floor || waits
}

// hid raises the floors of what was hidden, for readers that come. The position is
// still that before the batch.
func (l *Log) hid(hidden map[orgcast.OrganizationID]orgcast.LSN) {
	if len(hidden) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.opts.Now()
	for organization, through := range hidden {
		p, waits := l.purging[organization]
		if !waits {
			p.since = now // or one that ends again and again would wait for ever
		}
		p.through, p.kept = through, l.keptOf(organization)
		l.purging[organization] = p
		l.purged[organization] = orgcast.Position(l.epoch, l.Position())
	}
}

// keptOf is the lowest cursor from which whoever reads the organization already reads
// on without a gap. mu is held.
func (l *Log) keptOf(organization orgcast.OrganizationID) orgcast.Cursor {
	p, waits := l.purging[organization]
	switch {
	case !waits:
		return l.floorOf(organization)
	case p.kept.Compare(l.floor) < 0:
		return l.floor
	}
	return p.kept
}

// waiting are those whose events wait to be deleted, for so long at least.
func (l *Log) waiting(least time.Duration) map[orgcast.OrganizationID]orgcast.LSN {
	now := l.opts.Now()
	l.mu.RLock()
	defer l.mu.RUnlock()
	some := map[orgcast.OrganizationID]orgcast.LSN{}
	for organization, p := range l.purging {
		if now.Sub(p.since) >= least {
			some[organization] = p.through
		}
	}
	return some
}

// purgedThrough forgets those whose events are deleted, unless they were purged again
// meanwhile.
func (l *Log) purgedThrough(begins uint64, done map[orgcast.OrganizationID]orgcast.LSN) error {
	l.write.Lock()
	defer l.write.Unlock()
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	if err := l.usable(); err != nil || l.begins.Load() != begins {
		return err
	}
	b := l.db.NewBatch()
	l.mu.Lock()
	var err error
	for organization, through := range done {
		if now, ok := l.purging[organization]; ok && now.through == through {
			delete(l.purging, organization)
			err = errors.Join(err, b.Delete(pendingKey(organization), nil))
		}
	}
	l.mu.Unlock()
	if err != nil {
		return errors.Join(err, b.Close())
	}
	return l.commit(b)
}

// namePending names, in a log of before who waits had a name, all that have a floor: a
// purge that was killed may have left events below it.
func (l *Log) namePending() error {
	_, ok, err := l.get(keyNamed)
	if err != nil || ok {
		return err
	}
	b := l.db.NewBatch()
	err = b.Set(keyNamed, nil, nil)
	for organization := range l.purged {
		err = errors.Join(err, b.Set(pendingKey(organization), make([]byte, 8), nil))
	}
	if err != nil {
		return errors.Join(err, b.Close())
	}
	return l.commit(b)
}

// loadPending reads who waits, and finishes the deletion: since the process was
// started anew nobody reads his removal any more. The tables are rewritten soon.
func (l *Log) loadPending() error {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixPending}, UpperBound: []byte{prefixPending + 1}})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var v []byte
		if v, err = it.ValueAndErr(); err == nil && len(v) != 8 {
			err = fmt.Errorf("%w: a purge has %d bytes", errDamaged, len(v))
		}
		if err == nil {
			organization := orgcast.OrganizationID(it.Key()[1:])
			l.purging[organization] = purge{through: orgcast.LSN(binary.BigEndian.Uint64(v)), kept: l.floorOf(organization)}
		}
	}
	if err := errors.Join(err, it.Error(), it.Close()); err != nil {
		return err
	}
	return l.purgeThrough(context.Background(), l.waiting(0))
}
