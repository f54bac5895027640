package eventlog

import (
	"encoding/binary"
	"errors"

	"github.com/oikion/orgcast"
)

// The versions of an event's value. One that is for named users has the second,
// every other one the first: what a log held before there were such is read on.
const (
	eventVersion      = 1
	eventVersionUsers = 2
)

var errEventValue = errors.New("event value is malformed")

func eventValueLen(e *orgcast.Event) int {
	n := 3 + stringLen(string(e.Audience.User)) + uvarintLen(len(e.Audience.Roles)) + len(e.Frame)
	for _, r := range e.Audience.Roles {
		n += stringLen(r)
	}
	if len(e.Audience.Users) > 0 {
		n += uvarintLen(len(e.Audience.Users))
	}
	for _, u := range e.Audience.Users {
		n += stringLen(string(u))
	}
	return n
}

// appendEventValue appends what is stored of an event beside its key: version,
// kind, type, user, roles, in version 2 the users (each text led by its length,
// each list by its count), frame.
func appendEventValue(b []byte, e *orgcast.Event) []byte {
	version := byte(eventVersion)
	if len(e.Audience.Users) > 0 {
		version = eventVersionUsers
	}
	b = append(b, version, byte(e.Kind), byte(e.Type))
	b = appendString(b, string(e.Audience.User))
	b = binary.AppendUvarint(b, uint64(len(e.Audience.Roles)))
	for _, r := range e.Audience.Roles {
		b = appendString(b, r)
	}
	if version == eventVersionUsers {
		b = binary.AppendUvarint(b, uint64(len(e.Audience.Users)))
		for _, u := range e.Audience.Users {
			b = appendString(b, string(u))
		}
	}
	return append(b, e.Frame...)
}

// decodeEventValue is the inverse. The frame points into v; the slices of users
// and roles are reused.
func decodeEventValue(v []byte, e *orgcast.Event) error {
	if len(v) < 3 || v[0] != eventVersion && v[0] != eventVersionUsers {
		return errEventValue
	}
	version := v[0]
	e.Kind, e.Type = orgcast.Kind(v[1]), orgcast.EventType(v[2])
	user, v, ok := cutString(v[3:])
	if !ok {
		return errEventValue
	}
	e.Audience.User = orgcast.UserID(user)
	e.Audience.Users = e.Audience.Users[:0]
	if e.Audience.Roles, v, ok = cutList(e.Audience.Roles[:0], v); !ok {
		return errEventValue
	}
	if version == eventVersionUsers {
		// An empty list would be an event for nobody read as one for all.
		if e.Audience.Users, v, ok = cutList(e.Audience.Users, v); !ok || len(e.Audience.Users) == 0 {
			return errEventValue
		}
	}
	e.Frame = v
	return nil
}

// cutList cuts a list of texts that its count leads, and appends them to list.
func cutList[T ~string](list []T, v []byte) (_ []T, rest []byte, ok bool) {
	n, v, ok := cutUvarint(v)
	// A text takes at least the byte of its length: a larger count is a lie that
	// must not be allocated for.
	if !ok || n > uint64(len(v)) {
		return list, nil, false
	}
	for range n {
		var text []byte
		if text, v, ok = cutString(v); !ok {
			return list, nil, false
		}
		list = append(list, T(text))
	}
	return list, v, true
}

func uvarintLen(n int) int {
	l := 1
	for ; n >= 0x80; n >>= 7 {
		l++
	}
	return l
}

func stringLen[T ~string | ~[]byte](s T) int { return uvarintLen(len(s)) + len(s) }

func appendString[T ~string | ~[]byte](b []byte, s T) []byte {
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
