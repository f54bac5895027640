package eventlog

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/oikion/orgcast"
)

// Identity says which WAL the log is a log of.
type Identity struct {
	// SystemID and Timeline are IDENTIFY_SYSTEM's.
	SystemID uint64
	Timeline int32
	Database string
	Slot     string
	// State is the fingerprint of what the state beside the events is made of: with
	// another one it needs another snapshot.
	State string
	// Rules are those by which the events were made: see [Log.ChangeRules].
	Rules string
	// Tables tell which tables the WAL told of, and how.
	Tables string
}

// encodeIdentity makes the value of 'i': system identifier, timeline, epoch and
// five length-prefixed strings.
func encodeIdentity(id Identity, epoch orgcast.Epoch) []byte {
	b := binary.BigEndian.AppendUint64(nil, id.SystemID)
	b = binary.BigEndian.AppendUint32(b, uint32(id.Timeline))
	b = binary.BigEndian.AppendUint32(b, uint32(epoch))
	for _, s := range [...]string{id.Database, id.Slot, id.State, id.Rules, id.Tables} {
		b = appendString(b, s)
	}
	return b
}

func decodeIdentity(v []byte) (Identity, orgcast.Epoch, error) {
	if len(v) < 16 {
		return Identity{}, 0, fmt.Errorf("%w: identity has %d bytes", errDamaged, len(v))
	}
	id := Identity{
		SystemID: binary.BigEndian.Uint64(v),
		Timeline: int32(binary.BigEndian.Uint32(v[8:])),
	}
	epoch := orgcast.Epoch(binary.BigEndian.Uint32(v[12:]))
	v = v[16:]
	for i, field := range [...]*string{&id.Database, &id.Slot, &id.State, &id.Rules, &id.Tables} {
		if i == 3 && len(v) == 0 { // of a log that was begun when it had three
			break
		}
		s, rest, ok := cutString(v)
		if !ok {
			return Identity{}, 0, fmt.Errorf("%w: identity is cut", errDamaged)
		}
		*field, v = string(s), rest
	}
	if len(v) > 0 {
		return Identity{}, 0, fmt.Errorf("%w: identity goes on for %d bytes", errDamaged, len(v))
	}
	return id, epoch, nil
}

func encodePosition(end orgcast.LSN, committed time.Time) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(end))
	return binary.BigEndian.AppendUint64(b, uint64(unixNano(committed)))
}

func decodePosition(v []byte) (orgcast.LSN, error) {
	if len(v) != 16 {
		return 0, fmt.Errorf("%w: position has %d bytes", errDamaged, len(v))
	}
	return orgcast.LSN(binary.BigEndian.Uint64(v)), nil
}

func encodeFloor(c orgcast.Cursor) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, cursorLen), uint64(c.LSN))
	return binary.BigEndian.AppendUint64(b, c.Index)
}

func decodeFloor(v []byte, epoch orgcast.Epoch) (orgcast.Cursor, error) {
	if len(v) != cursorLen {
		return orgcast.Cursor{}, fmt.Errorf("%w: floor has %d bytes", errDamaged, len(v))
	}
	return orgcast.Cursor{
		Epoch: epoch,
		LSN:   orgcast.LSN(binary.BigEndian.Uint64(v)),
		Index: binary.BigEndian.Uint64(v[8:]),
	}, nil
}

// unixNano is t.UnixNano, but zero for the zero time, for which that is undefined.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
