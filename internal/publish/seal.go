package publish

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/oikion/orgcast"
)

// The prefixes of the logical messages that carry events.
const (
	// Prefix is that of an event published by SQL.
	Prefix = "orgcast"
	// PrefixSealed is that of events published over HTTP.
	PrefixSealed = "orgcast.sealed"
)

// MaxSealed is the largest sealed message, in bytes: the payloads that one
// message can have, their envelopes and the head.
const MaxSealed = orgcast.SubIndexes * (MaxPayload + 4<<10)

// MaxDelay is how far the commit of a sealed message may lie from when it was
// sealed, either way. A message goes to the database at once; the rest is what
// the two machines' clocks may differ by. It is the commit's time that counts,
// not the reader's: after an outage a message may be days old when it is read,
// and it is as good as on the first day. What is bounded is for how long a copy
// of a message, from whoever can read the WAL, could be sent again: the reader
// must remember the IDs of this long and refuse one that comes twice.
const MaxDelay = 5 * time.Minute

// Secret makes and proves seals. It prints as nothing.
type Secret [32]byte

// Format keeps the secret out of logs, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(secret)") } // a fmt.State keeps its own error

// Sealed is one logical message: a batch that was published over HTTP, or a
// part of one. A WAL change has room for [orgcast.SubIndexes] events in the
// cursor, so a larger batch goes out as several messages of one transaction.
type Sealed struct {
	// ID is the batch's own: [NewID].
	ID [16]byte
	// Key is the id of the API key.
	Key string
	// Idempotency is what [IdempotencyID] returned; zero: none.
	Idempotency [32]byte
	// IssuedAt is when the batch was sealed, in milliseconds.
	IssuedAt time.Time
	// First is the index of the first draft in the batch, Total how many the
	// batch has: with Total of them, it is complete.
	First, Total int
	Drafts       []Draft
}

// NewID returns an ID for a batch.
func NewID() (id [16]byte) {
	_, _ = rand.Read(id[:]) // never fails: it ends the process instead
	return id
}

// What can be wrong with a sealed message. ErrSeal is all that is told of one
// whose seal does not fit, whatever else is wrong with it.
var (
	ErrSeal    = errors.New("open sealed message: its seal does not fit")
	ErrVersion = errors.New("open sealed message: its version is not known here")
	ErrDelay   = errors.New("open sealed message: committed too far from when it was sealed")
	ErrContent = errors.New("open sealed message: malformed behind a good seal")
	ErrBatch   = errors.New("seal batch: it can't be sealed")
)

const (
	sealVersion = 1
	// headSize is that of all before the key's id: version, ID, idempotency,
	// time, first, total, length of the key's id.
	headSize = 1 + 16 + 32 + 8 + 2 + 2 + 1
)

// Seal returns the contents of the logical messages that carry a batch, to be
// emitted in this order, in one transaction, as bytea. b.First and b.Total are
// Seal's own matter.
func Seal(secret *Secret, b *Sealed) ([][]byte, error) {
	ms := b.IssuedAt.UnixMilli()
	switch {
	case len(b.Drafts) == 0 || len(b.Drafts) > LimitHTTP.Events:
		return nil, fmt.Errorf("%w: %d events", ErrBatch, len(b.Drafts))
	case b.Key == "" || len(b.Key) > 255:
		return nil, fmt.Errorf("%w: a key's id of %d bytes", ErrBatch, len(b.Key))
	case ms < 0:
		return nil, fmt.Errorf("%w: a time before 1970", ErrBatch)
	}
	var out [][]byte
	for first := 0; first < len(b.Drafts); first += orgcast.SubIndexes {
		m := append(make([]byte, 0, 1024), sealVersion)
		m = append(m, b.ID[:]...)
		m = append(m, b.Idempotency[:]...)
		m = binary.BigEndian.AppendUint64(m, uint64(ms))
		m = binary.BigEndian.AppendUint16(m, uint16(first))
		m = binary.BigEndian.AppendUint16(m, uint16(len(b.Drafts)))
		m = append(m, byte(len(b.Key)))
		m = append(m, b.Key...)
		m = append(m, '[')
		for i := first; i < min(first+orgcast.SubIndexes, len(b.Drafts)); i++ {
			if i > first {
				m = append(m, ',')
			}
			m = appendDraft(m, &b.Drafts[i])
		}
		m = append(m, ']')
		m = append(m, sealOf(secret, m)...)
		if len(m) > MaxSealed {
			return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrBatch, len(m), MaxSealed)
		}
		out = append(out, m)
	}
	return out, nil
}

// sealOf is the seal of a message. Its first bytes make it useless as any other
// proof that the same secret might give.
func sealOf(secret *Secret, message []byte) []byte {
	h := hmac.New(sha256.New, secret[:])
	h.Write([]byte("orgcast sealed message\x00"))
	h.Write(message)
	return h.Sum(nil)
}

// Open reads a sealed message that was committed at the given time. Nothing of
// it is looked at before its seal fits.
func Open(secret *Secret, content []byte, committed time.Time) (*Sealed, error) {
	if len(content) > MaxSealed || len(content) < headSize+sha256.Size {
		return nil, ErrSeal
	}
	m, seal := content[:len(content)-sha256.Size], content[len(content)-sha256.Size:]
	if !hmac.Equal(seal, sealOf(secret, m)) {
		return nil, ErrSeal
	}
	if m[0] != sealVersion {
		return nil, ErrVersion
	}
	s := &Sealed{ID: [16]byte(m[1:17]), Idempotency: [32]byte(m[17:49])}
	s.IssuedAt = time.UnixMilli(int64(binary.BigEndian.Uint64(m[49:57]))).UTC()
	s.First, s.Total = int(binary.BigEndian.Uint16(m[57:59])), int(binary.BigEndian.Uint16(m[59:61]))
	key := int(m[61])
	if len(m) < headSize+key {
		return nil, ErrContent
	}
	s.Key = string(m[headSize : headSize+key])
	if committed.Sub(s.IssuedAt).Abs() > MaxDelay {
		return nil, ErrDelay
	}
	drafts, problems := Read(m[headSize+key:], Limit{Bytes: MaxSealed, Events: orgcast.SubIndexes})
	if len(problems) > 0 {
		return nil, fmt.Errorf("%w: %v", ErrContent, problems[0])
	}
	if s.First+len(drafts) > s.Total {
		return nil, ErrContent
	}
	for i := range drafts {
		drafts[i].index += s.First
	}
	s.Drafts = drafts
	return s, nil
}

// IdempotencyID names a request that is to be done once, however often it is
// sent: the same API key, Idempotency-Key and body. Each part is led by its
// length, so that no two requests are written the same.
func IdempotencyID(key, idempotencyKey string, body []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte("orgcast idempotency\x00"))
	var length [8]byte
	for _, part := range [][]byte{[]byte(key), []byte(idempotencyKey), body} {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	return [32]byte(h.Sum(nil))
}
