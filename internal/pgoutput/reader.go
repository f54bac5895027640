package pgoutput

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/oikion/orgcast"
)

// reader reads one frame from its front. Its first failure stays: what is read
// after it is zero, so a message's fields are read in one go and err is looked
// at once, before any of them is used.
type reader struct {
	frame []byte
	at    int
	err   error
	errAt int
}

// fail records why the frame is refused, at the byte where it went wrong.
func (r *reader) fail(at int, err error) {
	if r.err == nil {
		r.err, r.errAt = err, at
	}
}

// take returns the next n bytes, or nil if they are not there. Its capacity
// ends with it, so that an append to it never writes into the frame.
func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	// Compared by subtraction: r.at+n could overflow where int has 32 bits.
	if n < 0 || n > len(r.frame)-r.at {
		r.fail(r.at, ErrTruncated)
		return nil
	}
	start := r.at
	r.at += n
	return r.frame[start:r.at:r.at]
}

func (r *reader) uint8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) lsn() orgcast.LSN { return orgcast.LSN(r.uint64()) }

// unixMicroOfEpoch is PostgreSQL's epoch, 2000-01-01 00:00 UTC.
const unixMicroOfEpoch = 946_684_800_000_000

func (r *reader) time() time.Time {
	return time.UnixMicro(int64(r.uint64()) + unixMicroOfEpoch).UTC()
}

// text is a string that ends with a zero byte, without it. It aliases the
// frame.
func (r *reader) text() []byte {
	if r.err != nil {
		return nil
	}
	n := bytes.IndexByte(r.frame[r.at:], 0)
	if n < 0 {
		r.fail(r.at, ErrTruncated)
		return nil
	}
	text := r.take(n)
	r.at++
	return text
}

// end refuses bytes behind the message.
func (r *reader) end() {
	if r.at != len(r.frame) {
		r.fail(r.at, ErrTrailing)
	}
}
