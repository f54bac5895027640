package publish

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/oikion/orgcast"
)

const (
	// keepSeal is how long after it was sealed a batch is remembered at least. A
	// copy is too old for [Open] after MaxDelay; the rest is what the database's
	// clock may be put back by.
	keepSeal = 3 * MaxDelay
	// KeepRequest is how long a request with an Idempotency-Key is done only once.
	KeepRequest = 24 * time.Hour
	// MaxReceipts is how many batches are remembered at one time, in about 70 MB
	// of memory. Nothing is published beyond it, because a copy of it could
	// not be told from it.
	MaxReceipts = 1 << 18
)

// keep is how long after it was sealed a batch is remembered.
func (r *Receipt) keep() time.Duration {
	if r.Request != ([32]byte{}) {
		return KeepRequest
	}
	return keepSeal
}

// over tells whether r may be forgotten. One from far in the future was sealed
// and committed by clocks that were wrong then.
func (r *Receipt) over(now time.Time) bool {
	return now.Sub(r.IssuedAt).Abs() > r.keep()
}

// Receipts are the batches that are remembered, as of the last transaction. They
// are written by the feed and read by all.
type Receipts struct {
	mu        sync.RWMutex
	byID      map[[16]byte]*Receipt
	byRequest map[[32]byte]*Receipt
	// brief and long hold the IDs of those without and with an Idempotency-Key,
	// oldest first.
	brief, long [][16]byte
	changed     chan struct{} // nil: nobody waits
}

// NewReceipts returns receipts of nothing.
func NewReceipts() *Receipts {
	return &Receipts{byID: map[[16]byte]*Receipt{}, byRequest: map[[32]byte]*Receipt{}}
}

// Batch finds a batch by its ID; nil: it did not come, or is forgotten.
func (r *Receipts) Batch(id [16]byte) *Receipt {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byID[id]
}

// Request finds the batch of a request that is not to be done again; nil: there
// is none.
func (r *Receipts) Request(request [32]byte, now time.Time) *Receipt {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if batch := r.byRequest[request]; batch != nil && !batch.over(now) {
		return batch
	}
	return nil
}

// Len is how many batches are remembered.
func (r *Receipts) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.byID)
}

// Full tells whether more batches can't be remembered.
func (r *Receipts) Full(now time.Time) bool {
	return r.Len() >= MaxReceipts && len(r.Over(now, 1)) == 0
}

// Over returns the IDs of up to most batches that may be forgotten.
func (r *Receipts) Over(now time.Time, most int) (ids [][16]byte) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, queue := range [][][16]byte{r.brief, r.long} {
		for _, id := range queue {
			batch := r.byID[id]
			if batch == nil {
				continue // forgotten already
			}
			if len(ids) == most || !batch.over(now) {
				break
			}
			ids = append(ids, id)
		}
	}
	return ids
}

// Changed is closed at the next change.
func (r *Receipts) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.changed
}

// Apply applies what a transaction changed.
func (r *Receipts) Apply(changes []orgcast.StateChange) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	any := false
	for i := range changes {
		if c := &changes[i]; c.Space == orgcast.SpaceReceipts {
			any = true
			if err := r.set(c.Key, c.Value); err != nil {
				return err
			}
		}
	}
	if any {
		r.ring()
	}
	return nil
}

func (r *Receipts) ring() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// Replace loads the receipts anew: load puts every stored entry. Other spaces are
// not theirs.
func (r *Receipts) Replace(load func(put func(space orgcast.Space, key, value []byte) error) error) error {
	next := NewReceipts()
	if err := load(func(space orgcast.Space, key, value []byte) error {
		if space != orgcast.SpaceReceipts {
			return nil
		}
		return next.set(key, value)
	}); err != nil {
		return err
	}
	for _, queue := range [][][16]byte{next.brief, next.long} {
		slices.SortFunc(queue, func(a, b [16]byte) int {
			return cmp.Or(next.byID[a].IssuedAt.Compare(next.byID[b].IssuedAt), slices.Compare(a[:], b[:]))
		})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID, r.byRequest, r.brief, r.long = next.byID, next.byRequest, next.brief, next.long
	r.ring()
	return nil
}

// set sets or, with a nil value, unsets one entry.
func (r *Receipts) set(key, value []byte) error {
	if value == nil {
		if len(key) == len(Receipt{}.ID) {
			r.forget([16]byte(key))
		}
		return nil
	}
	batch, err := ParseReceipt(key, value)
	if err != nil {
		return err
	}
	_, known := r.byID[batch.ID]
	r.byID[batch.ID] = batch
	switch {
	case batch.Request != [32]byte{}:
		// An old one may not be forgotten yet, and is loaded in any order.
		if other := r.byRequest[batch.Request]; other == nil || !other.after(batch) {
			r.byRequest[batch.Request] = batch
		}
		if !known {
			r.long = append(r.long, batch.ID)
		}
	case !known:
		r.brief = append(r.brief, batch.ID)
	}
	return nil
}

func (r *Receipts) forget(id [16]byte) {
	batch := r.byID[id]
	if batch == nil {
		return
	}
	delete(r.byID, id)
	if r.byRequest[batch.Request] == batch {
		delete(r.byRequest, batch.Request)
	}
	r.brief, r.long = r.trimmed(r.brief), r.trimmed(r.long)
}

// trimmed is the queue without what was forgotten at its head.
func (r *Receipts) trimmed(queue [][16]byte) [][16]byte {
	for len(queue) > 0 && r.byID[queue[0]] == nil {
		queue = queue[1:]
	}
	return queue
}
