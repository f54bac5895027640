package publish

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/oikion/orgcast"
)

// Receipt is what is kept of a batch that was published over HTTP and has its
// place in the WAL: that it came, so that a copy of it is refused, and where its
// events are, so that the request can be answered again. It is shared and must
// not be altered.
type Receipt struct {
	ID [16]byte
	// Request is the batch's [Sealed.Idempotency]; zero: none.
	Request [32]byte
	// IssuedAt is when the batch was sealed, in milliseconds.
	IssuedAt time.Time
	// Total is how many events the batch has.
	Total int
	Parts []ReceiptPart
}

// ReceiptPart is one sealed message of a batch.
type ReceiptPart struct {
	// First is the index of its first event in the batch, Events how many it has.
	First, Events int
	// Told has a bit for each event that was sent: one whose user or organization
	// is no longer there at the message's place in the WAL is not.
	Told uint8
	// At is the cursor of its first event. The others follow it.
	At orgcast.Cursor
}

// after tells whether a batch came after another one: by its place in the WAL or,
// in different epochs, by when it was sealed, which a clock that was set may
// reverse.
func (r *Receipt) after(other *Receipt) bool {
	if len(r.Parts) > 0 && len(other.Parts) > 0 && r.Parts[0].At.Epoch == other.Parts[0].At.Epoch {
		return r.Parts[0].At.Compare(other.Parts[0].At) > 0
	}
	return r.IssuedAt.After(other.IssuedAt)
}

// With returns the receipt with one more part of the batch.
func (r *Receipt) With(p ReceiptPart) *Receipt {
	next := *r
	next.Parts = append(r.Parts[:len(r.Parts):len(r.Parts)], p)
	return &next
}

// Has tells whether the message that begins with an event has come.
func (r *Receipt) Has(first int) bool {
	for i := range r.Parts {
		if r.Parts[i].First == first {
			return true
		}
	}
	return false
}

// Complete tells whether all of the batch has come.
func (r *Receipt) Complete() bool {
	events := 0
	for i := range r.Parts {
		events += r.Parts[i].Events
	}
	return events == r.Total
}

// Last is the cursor of the part of the batch that came last.
func (r *Receipt) Last() (last orgcast.Cursor) {
	if n := len(r.Parts); n > 0 {
		last = r.Parts[n-1].At
	}
	return last
}

// Cursors are where the events are, in the order of the batch. An event that was
// not sent has the zero cursor.
func (r *Receipt) Cursors() []orgcast.Cursor {
	all := make([]orgcast.Cursor, r.Total)
	for _, p := range r.Parts {
		for i := range p.Events {
			if p.Told&(1<<i) != 0 {
				all[p.First+i] = orgcast.Cursor{Epoch: p.At.Epoch, LSN: p.At.LSN, Index: p.At.Index + uint64(i)}
			}
		}
	}
	return all
}

// The sizes of a stored receipt: of what is said once, and of each part.
const (
	receiptSize = 32 + 8 + 2
	partSize    = 2 + 1 + 1 + 4 + 8 + 8
)

var errReceipt = errors.New("read receipt: malformed entry")

// Append appends the receipt, but for its ID, in the form in which it is stored,
// all integers big endian: request (32 bytes), issued (8, Unix ms), total (2),
// and of each part first (2), events (1), told (1) and its cursor (4, 8, 8).
func (r *Receipt) Append(dst []byte) []byte {
	dst = append(dst, r.Request[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.IssuedAt.UnixMilli()))
	dst = binary.BigEndian.AppendUint16(dst, uint16(r.Total))
	for _, p := range r.Parts {
		dst = binary.BigEndian.AppendUint16(dst, uint16(p.First))
		dst = append(dst, byte(p.Events), p.Told)
		dst = binary.BigEndian.AppendUint32(dst, uint32(p.At.Epoch))
		dst = binary.BigEndian.AppendUint64(dst, uint64(p.At.LSN))
		dst = binary.BigEndian.AppendUint64(dst, p.At.Index)
	}
	return dst
}

// ParseReceipt reads what [Receipt.Append] wrote.
func ParseReceipt(id, value []byte) (*Receipt, error) {
	if len(id) != 16 || len(value) < receiptSize || (len(value)-receiptSize)%partSize != 0 {
		return nil, errReceipt
	}
	r := &Receipt{ID: [16]byte(id), Request: [32]byte(value[:32])}
	r.IssuedAt = time.UnixMilli(int64(binary.BigEndian.Uint64(value[32:]))).UTC()
	r.Total = int(binary.BigEndian.Uint16(value[40:]))
	r.Parts = make([]ReceiptPart, 0, (len(value)-receiptSize)/partSize)
	for b := value[receiptSize:]; len(b) > 0; b = b[partSize:] {
		p := ReceiptPart{First: int(binary.BigEndian.Uint16(b)), Events: int(b[2]), Told: b[3], At: orgcast.Cursor{
			Epoch: orgcast.Epoch(binary.BigEndian.Uint32(b[4:])), LSN: orgcast.LSN(binary.BigEndian.Uint64(b[8:])), Index: binary.BigEndian.Uint64(b[16:]),
		}}
		if p.Events < 1 || p.Events > orgcast.SubIndexes || p.First+p.Events > r.Total || r.Has(p.First) {
			return nil, errReceipt
		}
		r.Parts = append(r.Parts, p)
	}
	return r, nil
}
