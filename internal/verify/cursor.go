package verify

import (
	"fmt"
	"strconv"
	"strings"
)

// Place is a place in the order of all that is committed: the commit's LSN, and
// the event's index in its transaction (the change's ordinal times 8, plus 0 to
// 7). Places of one database are comparable in every epoch.
type Place struct {
	LSN   uint64
	Index uint64
}

// Compare orders places: -1, 0 or 1.
func (p Place) Compare(q Place) int {
	switch {
	case p == q:
		return 0
	case p.LSN < q.LSN || p.LSN == q.LSN && p.Index < q.Index:
		return -1
	}
	return 1
}

// Ordinal is the number of the change in its transaction, as decoded.
func (p Place) Ordinal() uint64 { return p.Index / 8 }

func (p Place) String() string { return fmt.Sprintf("%X/%X.%d", p.LSN>>32, uint32(p.LSN), p.Index) }

// Cursor is what a stream gives as `id:`.
type Cursor struct {
	Epoch string
	Place
}

// ParseCursor reads `<epoch>.<commit LSN>.<index>`, in base 36.
func ParseCursor(text string) (c Cursor, err error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || parts[0] == "" {
		return c, fmt.Errorf("cursor %.80q has no three parts", text)
	}
	c.Epoch = parts[0]
	if c.LSN, err = strconv.ParseUint(parts[1], 36, 64); err != nil {
		return c, fmt.Errorf("cursor %.80q: %w", text, err)
	}
	if c.Index, err = strconv.ParseUint(parts[2], 36, 64); err != nil {
		return c, fmt.Errorf("cursor %.80q: %w", text, err)
	}
	return c, nil
}
