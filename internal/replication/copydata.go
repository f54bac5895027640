package replication

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/oikion/orgcast"
)

// The sizes of what comes and goes inside CopyData, in bytes.
const (
	walHeaderSize = 1 + 8 + 8 + 8      // 'w', start, end of WAL, clock
	keepaliveSize = 1 + 8 + 8 + 1      // 'k', end of WAL, clock, reply requested
	statusSize    = 1 + 8*4 + 1        // 'r', written, flushed, applied, clock, reply requested
	statusMessage = 1 + 4 + statusSize // 'd', length
)

// ErrMalformed tells that the server sent what the protocol does not know: a
// broken proxy, or a bug.
var ErrMalformed = errors.New("malformed replication message")

// copyData is one message of the server, taken apart.
type copyData struct {
	// frame is the pgoutput message; nil for a keepalive.
	frame []byte
	// start is the WAL position of the frame; 0 where it has none.
	start orgcast.LSN
	// end is the server's position in the WAL.
	end orgcast.LSN
	// replyRequested tells that a keepalive wants an answer at once.
	replyRequested bool
}

// parseCopyData takes a message apart. The frame aliases b.
func parseCopyData(b []byte) (copyData, error) {
	if len(b) == 0 {
		return copyData{}, fmt.Errorf("%w: empty", ErrMalformed)
	}
	switch b[0] {
	case 'w':
		if len(b) <= walHeaderSize {
			return copyData{}, fmt.Errorf("%w: XLogData of %d bytes", ErrMalformed, len(b))
		}
		return copyData{
			frame: b[walHeaderSize:],
			start: orgcast.LSN(binary.BigEndian.Uint64(b[1:])),
			end:   orgcast.LSN(binary.BigEndian.Uint64(b[9:])),
		}, nil
	case 'k':
		if len(b) != keepaliveSize {
			return copyData{}, fmt.Errorf("%w: keepalive of %d bytes", ErrMalformed, len(b))
		}
		return copyData{
			end:            orgcast.LSN(binary.BigEndian.Uint64(b[1:])),
			replyRequested: b[17] != 0,
		}, nil
	default:
		return copyData{}, fmt.Errorf("%w: unknown kind 0x%02x", ErrMalformed, b[0])
	}
}

// postgresEpoch is the zero of PostgreSQL's clock.
var postgresEpoch = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

// appendStatus appends a standby status update in its CopyData message.
// Written, flushed and applied are one: a server that is shutting down waits for
// the flushed one, and a zero there would make it fall back to the written one.
func appendStatus(b []byte, confirmed orgcast.LSN, now time.Time, replyRequested bool) []byte {
	b = append(b, 'd')
	b = binary.BigEndian.AppendUint32(b, 4+statusSize)
	b = append(b, 'r')
	for range 3 {
		b = binary.BigEndian.AppendUint64(b, uint64(confirmed))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(now.Sub(postgresEpoch).Microseconds()))
	if replyRequested {
		return append(b, 1)
	}
	return append(b, 0)
}
