package replication

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/oikion/orgcast"
)

func xlogData(start, end orgcast.LSN, frame string) []byte {
	b := []byte{'w'}
	b = binary.BigEndian.AppendUint64(b, uint64(start))
	b = binary.BigEndian.AppendUint64(b, uint64(end))
	b = binary.BigEndian.AppendUint64(b, 0)
	return append(b, frame...)
}

func keepalive(end orgcast.LSN, reply byte) []byte {
	b := []byte{'k'}
	b = binary.BigEndian.AppendUint64(b, uint64(end))
	b = binary.BigEndian.AppendUint64(b, 0)
	return append(b, reply)
}

// FuzzCopyData holds the parser against pglogrepl's, which refuses less: a frame
// without a message, and bytes behind a keepalive.
func FuzzCopyData(f *testing.F) {
	f.Add(xlogData(1, 2, "B"))
	f.Add(xlogData(0, 1<<63, "Insert\x00"))
	f.Add(xlogData(1, 2, ""))
	f.Add(keepalive(77, 1))
	f.Add(keepalive(77, 0)[:17])
	f.Add(append(keepalive(77, 0), 0))
	f.Add([]byte{})
	f.Add([]byte{'r'})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseCopyData(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("error %v is not ErrMalformed", err)
			}
			if len(b) > walHeaderSize && b[0] == 'w' || len(b) == keepaliveSize && b[0] == 'k' {
				t.Fatalf("whole message refused: %v", err)
			}
			return
		}
		if got.frame == nil {
			want, err := pglogrepl.ParsePrimaryKeepaliveMessage(b[1:])
			if err != nil || orgcast.LSN(want.ServerWALEnd) != got.end || want.ReplyRequested != got.replyRequested {
				t.Fatalf("got %+v, pglogrepl %+v, %v", got, want, err)
			}
			return
		}
		want, err := pglogrepl.ParseXLogData(b[1:])
		if err != nil || orgcast.LSN(want.WALStart) != got.start || orgcast.LSN(want.ServerWALEnd) != got.end || !bytes.Equal(want.WALData, got.frame) {
			t.Fatalf("got %+v, pglogrepl %+v, %v", got, want, err)
		}
	})
}

func TestStatusConfirmsOnePositionAsWrittenFlushedAndApplied(t *testing.T) {
	now := postgresEpoch.Add(3 * time.Second)
	got := appendStatus(nil, 0x0102030405060708, now, true)
	want := []byte{'d', 0, 0, 0, 38, 'r'}
	for range 3 {
		want = append(want, 1, 2, 3, 4, 5, 6, 7, 8)
	}
	want = binary.BigEndian.AppendUint64(want, 3_000_000)
	want = append(want, 1)
	if !bytes.Equal(got, want) {
		t.Fatalf("got  %x\nwant %x", got, want)
	}
	if got := appendStatus(nil, 1, now, false); got[len(got)-1] != 0 || len(got) != statusMessage {
		t.Fatalf("status of %d bytes ends in %d, want %d and 0", len(got), got[len(got)-1], statusMessage)
	}
}
