package eventlog

import (
	"encoding/binary"

	"github.com/oikion/orgcast"
)

// The first byte of every key. doc.go has the table.
const (
	prefixEvent   = 'e'
	prefixGarbage = 'g'
	prefixTally   = 'h'
	prefixPurged  = 'o'
	prefixPending = 'q'
	prefixSegment = 's'
	prefixState   = 't'
	prefixStaged  = 'u'
)

var (
	keyFloor    = []byte{'f'}
	keyIdentity = []byte{'i'}
	keyPosition = []byte{'p'}
	keyRefetch  = []byte{'r'} // see [Log.ChangeRules]
	// keyStaged is the mark: what is staged counts.
	keyStaged = []byte{prefixStaged}

	// keyNamed says that what 'o' has a floor of, and 'q' does not name, is deleted
	// below it. It stands above keyEnd: Begin leaves it.
	keyNamed = []byte{prefixStaged + 1}

	// All else that the log holds lies in [keyFirst, keyEnd).
	keyFirst = []byte{prefixEvent}
	keyEnd   = []byte{prefixStaged + 1}
)

const (
	segmentPrefixLen = 1 + 4
	cursorLen        = 8 + 8
)

func eventKeyLen(org orgcast.OrganizationID) int {
	return segmentPrefixLen + 1 + len(org) + cursorLen
}

// appendSegmentStart appends the key that all events of a segment begin with.
func appendSegmentStart(b []byte, segment uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, prefixEvent), segment)
}

// appendEventKey appends an event's key. The organization must not be longer than
// 255 bytes.
func appendEventKey(b []byte, segment uint32, org orgcast.OrganizationID, c orgcast.Cursor) []byte {
	b = appendSegmentStart(b, segment)
	b = append(b, byte(len(org)))
	b = append(b, org...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.LSN))
	return binary.BigEndian.AppendUint64(b, c.Index)
}

// appendAfterKey appends the smallest key above the event's: keys of one
// organization in one segment are of one length.
func appendAfterKey(b []byte, segment uint32, org orgcast.OrganizationID, c orgcast.Cursor) []byte {
	return append(appendEventKey(b, segment, org, c), 0)
}

// cursorOfKey reads the cursor, without its epoch, from an event's key.
func cursorOfKey(key []byte) (orgcast.Cursor, bool) {
	if len(key) < segmentPrefixLen+1+cursorLen || key[0] != prefixEvent ||
		len(key) != segmentPrefixLen+1+int(key[segmentPrefixLen])+cursorLen {
		return orgcast.Cursor{}, false
	}
	tail := key[len(key)-cursorLen:]
	return orgcast.Cursor{
		LSN:   orgcast.LSN(binary.BigEndian.Uint64(tail)),
		Index: binary.BigEndian.Uint64(tail[8:]),
	}, true
}

// organizationOfKey reads the organization from the well-formed key of an event. It
// must be copied to be kept.
func organizationOfKey(key []byte) orgcast.OrganizationID {
	return orgcast.OrganizationID(key[segmentPrefixLen+1 : len(key)-cursorLen])
}

// segmentOfKey reads the segment from the key of an event or of a segment record.
func segmentOfKey(key []byte) (uint32, bool) {
	if len(key) < segmentPrefixLen {
		return 0, false
	}
	return binary.BigEndian.Uint32(key[1:]), true
}

func segmentKey(segment uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{prefixSegment}, segment)
}

func garbageKey(segment uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{prefixGarbage}, segment)
}

// tallyKey is the key of a closed segment's tally, and leads those of its
// organizations.
func tallyKey(segment uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{prefixTally}, segment)
}

func appendTallyKey(b []byte, segment uint32, organization orgcast.OrganizationID) []byte {
	b = binary.BigEndian.AppendUint32(append(b, prefixTally), segment)
	return append(append(b, byte(len(organization))), organization...)
}

func pendingKey(organization orgcast.OrganizationID) []byte {
	return append([]byte{prefixPending}, organization...)
}

func purgedKey(organization orgcast.OrganizationID) []byte {
	return append([]byte{prefixPurged}, organization...)
}

func appendStateKey(b []byte, space orgcast.Space, key []byte) []byte {
	return append(append(b, prefixState, byte(space)), key...)
}

const stagedKeyLen = 1 + 8

// appendStagedKey appends the key of the nth change of state that is staged.
func appendStagedKey(b []byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, prefixStaged), n)
}

// prefixEnd is the smallest key above all that begin with p. The first byte of p
// is never 0xff.
func prefixEnd(p []byte) []byte {
	end := append([]byte(nil), p...)
	for i := len(end) - 1; ; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
}
