package eventlog

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/oikion/orgcast"
)

// segment is one span of append order. Its record is rewritten in every batch
// that adds to it, so that record and events are never apart.
type segment struct {
	id          uint32
	first, last orgcast.Cursor // of its events
	opened      int64          // our clock, Unix ns
	committed   int64          // last commit time that was told, Unix ns; 0: none
	events      uint64
	bytes       uint64 // keys and values before compression
	// garbage is what was deleted from it and lies in its tables still, in bytes
	// before compression; it is stored under a key of its own.
	garbage uint64
}

const segmentLen = 8 * 8

func (s *segment) encode() []byte {
	b := make([]byte, 0, segmentLen)
	for _, n := range [...]uint64{
		uint64(s.first.LSN), s.first.Index, uint64(s.last.LSN), s.last.Index,
		uint64(s.opened), uint64(s.committed), s.events, s.bytes,
	} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func decodeSegment(key, v []byte, epoch orgcast.Epoch) (segment, error) {
	id, ok := segmentOfKey(key)
	if !ok || len(key) != segmentPrefixLen || len(v) != segmentLen {
		return segment{}, fmt.Errorf("%w: segment record has %d bytes", errDamaged, len(v))
	}
	at := func(i int) uint64 { return binary.BigEndian.Uint64(v[8*i:]) }
	return segment{
		id:        id,
		first:     orgcast.Cursor{Epoch: epoch, LSN: orgcast.LSN(at(0)), Index: at(1)},
		last:      orgcast.Cursor{Epoch: epoch, LSN: orgcast.LSN(at(2)), Index: at(3)},
		opened:    int64(at(4)),
		committed: int64(at(5)),
		events:    at(6),
		bytes:     at(7),
	}, nil
}

// grow is the record after a batch of events from first to last.
func (s segment) grow(first, last orgcast.Cursor, events, bytes int, committed time.Time) segment {
	if s.events == 0 {
		s.first = first
	}
	s.last = last
	s.events += uint64(events)
	s.bytes += uint64(bytes)
	if at := unixNano(committed); at != 0 {
		s.committed = at
	}
	return s
}

// newest is the age of the newest event: its commit's, or if that was never told,
// the segment's own.
func (s *segment) newest() int64 {
	if s.committed == 0 {
		return s.opened
	}
	return s.committed
}

// full tells whether the next batch should begin another segment. A clock that
// stepped back makes a segment longer, nothing else.
func (s *segment) full(now time.Time, o *Options) bool {
	return s.bytes >= o.segmentBytes() || now.Sub(time.Unix(0, s.opened)) >= o.SegmentAge
}
