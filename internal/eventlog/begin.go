package eventlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// snapshotBatch is the size of the batches in which a snapshot is stored.
const snapshotBatch = 1 << 20

// Begin wipes the log and starts an epoch: its state is what fill puts, its
// position and floor are at, the snapshot's consistent point. It is durable at
// return. After an error, or a crash in the middle, the log is empty.
func (l *Log) Begin(ctx context.Context, id Identity, epoch orgcast.Epoch, at orgcast.LSN,
	fill func(put func(orgcast.StateChange) error) error) error {
	l.write.Lock()
	defer l.write.Unlock()
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	l.batch.reset()
	l.drain()
	if err := l.wipe(ctx); err != nil {
		return fmt.Errorf("wipe log: %w", err)
	}
	if err := l.fill(ctx, fill); err != nil {
		return fmt.Errorf("store snapshot: %w", err)
	}
	floor := orgcast.Position(epoch, at)
	// The identity comes last: with it, everything before it is on disk.
	b := l.db.NewBatch()
	err := errors.Join(
		b.Set(keyIdentity, encodeIdentity(id, epoch), nil),
		b.Set(keyPosition, encodePosition(at, l.opts.Now()), nil),
		b.Set(keyFloor, encodeFloor(floor), nil),
	)
	if err != nil {
		return err
	}
	if err := l.commit(b); err != nil {
		return fmt.Errorf("store identity: %w", err)
	}
	l.mu.Lock()
	l.identity, l.epoch, l.floor, l.ready = id, epoch, floor, true
	l.mu.Unlock()
	l.high = floor
	l.position.Store(uint64(at))
	l.durable.Store(uint64(at))
	return nil
}

// wipe forgets the identity, durably, and then all the rest.
func (l *Log) wipe(ctx context.Context) error {
	l.begins.Add(1)
	l.mu.Lock()
	l.ready, l.identity, l.epoch = false, Identity{}, 0
	l.floor, l.refetch, l.segments = orgcast.Cursor{}, orgcast.Cursor{}, nil
	l.purged, l.purging = map[orgcast.OrganizationID]orgcast.Cursor{}, map[orgcast.OrganizationID]purge{}
	l.mu.Unlock()
	l.ledger.set(segmentTally{})
	l.open, l.high = openTransaction{}, orgcast.Cursor{}
	l.position.Store(0)
	l.durable.Store(0)
	b := l.db.NewBatch()
	if err := b.Delete(keyIdentity, nil); err != nil {
		return err
	}
	if err := l.commit(b); err != nil {
		return err
	}
	return l.db.Excise(ctx, pebble.KeyRange{Start: keyFirst, End: keyEnd})
}

func (l *Log) fill(ctx context.Context, fill func(put func(orgcast.StateChange) error) error) error {
	b := l.db.NewBatch()
	// A committed batch is closed by commit; this one is the last.
	defer func() { _ = b.Close() }()
	flush := func() error {
		full := b
		b = l.db.NewBatch()
		return l.commit(full)
	}
	err := fill(func(c orgcast.StateChange) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := putState(b, c); err != nil {
			return err
		}
		if b.Len() >= snapshotBatch {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return flush()
}

// SetTimeline notes the timeline that the server is on now. It is durable at
// return.
func (l *Log) SetTimeline(tli int32) error {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	id, epoch, ok := l.Identity()
	if !ok {
		return ErrEmpty
	}
	id.Timeline = tli
	b := l.db.NewBatch()
	if err := b.Set(keyIdentity, encodeIdentity(id, epoch), nil); err != nil {
		return err
	}
	if err := l.commit(b); err != nil {
		return fmt.Errorf("store timeline: %w", err)
	}
	l.mu.Lock()
	l.identity = id
	l.mu.Unlock()
	return nil
}
