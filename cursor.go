package orgcast

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
)

// Epoch names one LSN space. A new one is drawn when the LSNs that were handed
// out no longer mean anything (another system identifier, a lost slot, a lost
// log). Epochs are compared for equality only.
type Epoch uint32

// SubIndexes is how many events one change can become: the low digits of a
// cursor's index.
const SubIndexes = 8

// Cursor is the place of one event in the order of all events: the commit LSN
// of its transaction, and the ordinal of its WAL change in that transaction
// times [SubIndexes], plus 0–7 for the events made of one change. It is a
// function of the WAL alone, so that every node and every redelivery gives one
// event the same cursor, and no rule alters it.
//
// Its text is "<epoch>.<LSN>.<index>", each in canonical lower-case base 36.
type Cursor struct {
	Epoch Epoch
	LSN   LSN
	Index uint64
}

// ErrMalformedCursor is returned by [ParseCursor] for everything that
// [Cursor.String] does not print.
var ErrMalformedCursor = errors.New("malformed cursor")

// maxCursorText is the longest text of a cursor: 7 + 13 + 13 digits, two dots.
const maxCursorText = 35

// Position is the cursor that lies after every event committed before end and
// before every event committed at or after it: the form in which "everything up
// to here" is told to a client. A commit record is longer than one byte, so no
// event stands at end-1.
func Position(epoch Epoch, end LSN) Cursor {
	if end == 0 {
		return Cursor{Epoch: epoch}
	}
	return Cursor{Epoch: epoch, LSN: end - 1}
}

// Compare orders two cursors of one epoch.
func (c Cursor) Compare(d Cursor) int {
	if c.LSN != d.LSN {
		return cmp.Compare(c.LSN, d.LSN)
	}
	return cmp.Compare(c.Index, d.Index)
}

// IsZero tells whether c is no place at all.
func (c Cursor) IsZero() bool { return c == Cursor{} }

// Append appends the cursor's text to b.
func (c Cursor) Append(b []byte) []byte {
	b = strconv.AppendUint(b, uint64(c.Epoch), 36)
	b = append(b, '.')
	b = strconv.AppendUint(b, uint64(c.LSN), 36)
	b = append(b, '.')
	return strconv.AppendUint(b, c.Index, 36)
}

// String prints the cursor.
func (c Cursor) String() string {
	return string(c.Append(make([]byte, 0, maxCursorText)))
}

// ParseCursor reads a cursor that a client sent. Only the canonical text is
// taken, so that what was parsed can be printed again but never echoed.
func ParseCursor(s string) (Cursor, error) {
	if len(s) > maxCursorText {
		return Cursor{}, ErrMalformedCursor
	}
	epoch, rest, _ := strings.Cut(s, ".")
	lsn, index, ok := strings.Cut(rest, ".")
	if !ok {
		return Cursor{}, ErrMalformedCursor
	}
	e, okEpoch := parseBase36(epoch, 32)
	l, okLSN := parseBase36(lsn, 64)
	i, okIndex := parseBase36(index, 64)
	if !okEpoch || !okLSN || !okIndex {
		return Cursor{}, ErrMalformedCursor
	}
	return Cursor{Epoch: Epoch(e), LSN: LSN(l), Index: i}, nil
}

func parseBase36(s string, bits int) (uint64, bool) {
	if s == "" || (len(s) > 1 && s[0] == '0') {
		return 0, false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(s, 36, bits)
	return n, err == nil
}
