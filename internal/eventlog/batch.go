package eventlog

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// Batch collects what the next Append applies. There is one, reused by the one
// writer; events and state are copied into it. What is wrong with them is told
// by Append, before anything is written.
type Batch struct {
	log     *Log
	pebble  *pebble.Batch
	segment uint32
	opened  int64
	events  int
	states  int
	staged  uint64
	commit  orgcast.LSN // of the transaction whose state is staged
	bytes   int         // of the events' keys and values
	first   orgcast.Cursor
	last    orgcast.Cursor
	weights []weight // of the events
	endings []ending // see Purge and Anew
	err     error
}

// Batch returns the log's one batch.
func (l *Log) Batch() *Batch { return l.batch }

// Event adds a copy of e. Cursors must ascend.
func (b *Batch) Event(e *orgcast.Event) {
	if b.err != nil {
		return
	}
	if len(e.Organization) > orgcast.MaxOrganizationID {
		b.err = fmt.Errorf("%w: %d bytes", ErrTooLong, len(e.Organization))
		return
	}
	if b.events == 0 {
		b.first = e.Cursor
		b.segment, b.opened = b.log.nextSegment()
	} else if e.Cursor.Epoch != b.first.Epoch || e.Cursor.Compare(b.last) <= 0 {
		b.err = ErrOrder
		return
	}
	b.last = e.Cursor
	keyLen, valueLen := eventKeyLen(e.Organization), eventValueLen(e)
	op := b.ops().SetDeferred(keyLen, valueLen)
	appendEventKey(op.Key[:0], b.segment, e.Organization, e.Cursor)
	appendEventValue(op.Value[:0], e)
	if err := op.Finish(); err != nil {
		b.err = err
		return
	}
	b.events++
	b.bytes += keyLen + valueLen
	b.weights = append(b.weights, weight{e.Organization, uint64(keyLen + valueLen)})
}

// Purge hides, when the batch is appended, what the log holds of an organization
// below the position from who comes then: the transaction deletes it. Who reads it
// already reads on, up to the transaction's own events, which remove him; all of it is
// deleted by and by (see sweep.go). Of a transaction in parts it belongs to the last
// one.
func (b *Batch) Purge(organization orgcast.OrganizationID) { b.end(organization, false) }

// Anew says that the transaction makes an organization. If the log holds anything of
// one with its name that was deleted before, that is purged.
func (b *Batch) Anew(organization orgcast.OrganizationID) { b.end(organization, true) }

// end passes over what can't be an organization, of which there are no events.
func (b *Batch) end(organization orgcast.OrganizationID, anew bool) {
	if organization != orgcast.Everyone && len(organization) <= orgcast.MaxOrganizationID {
		b.endings = append(b.endings, ending{organization, anew})
	}
}

// State adds a copy of c. Changes apply in the order in which they are added.
func (b *Batch) State(c orgcast.StateChange) {
	if b.err == nil {
		b.err = putState(b.ops(), c)
		b.states++
	}
}

// Stage adds a copy of c, which counts when the transaction's last part is
// appended: a transaction that comes in parts stages all its state, so that it is
// nowhere held in memory. commit is the transaction's LSN.
func (b *Batch) Stage(commit orgcast.LSN, c orgcast.StateChange) {
	if b.err != nil {
		return
	}
	b.commit = commit
	op := b.ops().SetDeferred(stagedKeyLen, stagedValueLen(&c))
	appendStagedKey(op.Key[:0], b.log.stage+b.staged)
	appendStagedValue(op.Value[:0], &c)
	if b.err = op.Finish(); b.err == nil {
		b.staged++
	}
}

// Len is how many events and state changes the batch holds.
func (b *Batch) Len() int { return b.events + b.states + int(b.staged) }

// transaction is the LSN of the batch's first transaction.
func (b *Batch) transaction() orgcast.LSN {
	if b.events > 0 {
		return b.first.LSN
	}
	return b.commit
}

// Size is how many bytes the batch holds. A batch of 256 events or 1 MiB is as
// fast as they get; a much larger one should be appended in parts.
func (b *Batch) Size() int {
	if b.pebble == nil {
		return 0
	}
	return b.pebble.Len()
}

func (b *Batch) ops() *pebble.Batch {
	if b.pebble == nil {
		b.pebble = b.log.db.NewBatch()
	}
	return b.pebble
}

// take hands over the operations and leaves the batch empty.
func (b *Batch) take() *pebble.Batch {
	ops := b.ops()
	b.clear()
	return ops
}

// clear empties the batch, but for the room for weights.
func (b *Batch) clear() {
	clear(b.weights)
	*b = Batch{log: b.log, weights: b.weights[:0]}
}

// reset empties the batch.
func (b *Batch) reset() {
	if b.pebble != nil {
		// Never applied, so that closing it can only give its memory back.
		_ = b.pebble.Close()
	}
	b.clear()
}

// nextSegment is where the next batch's events go: the last segment, or one that
// Append will begin. A border may lie anywhere, since segments are found by
// cursor.
func (l *Log) nextSegment() (id uint32, opened int64) {
	now := l.opts.Now()
	l.mu.RLock()
	defer l.mu.RUnlock()
	if len(l.segments) == 0 {
		return 1, now.UnixNano()
	}
	last := &l.segments[len(l.segments)-1]
	if l.rotate.Load() || last.full(now, &l.opts) {
		return last.id + 1, now.UnixNano()
	}
	return last.id, last.opened
}
