package eventlog

import (
	"encoding/binary"
	"errors"

	"github.com/oikion/orgcast"
)

const eventVersion = 1

var errEventValue = errors.New("event value is malformed")

func eventValueLen(e *orgcast.Event) int {
	n := 3 + stringLen(string(e.Audience.User)) + uvarintLen(len(e.Audience.Roles)) + len(e.Frame)
	for _, r := range e.Audience.Roles {
		n += stringLen(r)
	}
	return n
}

// appendEventValue appends what is stored of an event beside its key: version,
// kind, type, user and roles (length-prefixed), frame.
func appendEventValue(b []byte, e *orgcast.Event) []byte {
	b = append(b, eventVersion, byte(e.Kind), byte(e.Type))
	b = appendString(b, string(e.Audience.User))
	b = binary.AppendUvarint(b, uint64(len(e.Audience.Roles)))
	for _, r := range e.Audience.Roles {
		b = appendString(b, r)
	}
	return append(b, e.Frame...)
}

// decodeEventValue is the inverse. The frame points into v; the roles' slice is
// reused.
func decodeEventValue(v []byte, e *orgcast.Event) error {
	if len(v) < 3 || v[0] != eventVersion {
		return errEventValue
	}
	e.Kind, e.Type = orgcast.Kind(v[1]), orgcast.EventType(v[2])
	user, v, ok := cutString(v[3:])
	if !ok {
		return errEventValue
	}
	e.Audience.User = orgcast.UserID(user)
	n, v, ok := cutUvarint(v)
	// A role takes at least the byte of its length: a larger count is a lie
	// that must not be allocated for.
	if !ok || n > uint64(len(v)) {
		return errEventValue
	}
	e.Audience.Roles = e.Audience.Roles[:0]
	for range n {
		var role []byte
		if role, v, ok = cutString(v); !ok {
			return errEventValue
		}
		e.Audience.Roles = append(e.Audience.Roles, string(role))
	}
	e.Frame = v
	return nil
}

func uvarintLen(n int) int {
	l := 1
	for ; n >= 0x80; n >>= 7 {
		l++
	}
	return l
}

func stringLen(s string) int { return uvarintLen(len(s)) + len(s) }

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func cutString(v []byte) (s, rest []byte, ok bool) {
	n, v, ok := cutUvarint(v)
	if !ok || n > uint64(len(v)) {
		return nil, nil, false
	}
	return v[:n], v[n:], true
}

// cutUvarint takes the shortest form only, so that one event has one encoding.
func cutUvarint(v []byte) (n uint64, rest []byte, ok bool) {
	n, size := binary.Uvarint(v)
	if size <= 0 || (size > 1 && v[size-1] == 0) {
		return 0, nil, false
	}
	return n, v[size:], true
}
