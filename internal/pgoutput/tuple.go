package pgoutput

import (
	"encoding/binary"
	"slices"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/plant"
)

// tuple reads a row of columns values into values, which grows once to the
// widest table seen. Texts alias the frame.
func (r *reader) tuple(columns int, values []orgcast.Value) []orgcast.Value {
	values = values[:0]
	countAt := r.at
	count := int(r.uint16())
	if r.err != nil {
		return values
	}
	if count != columns {
		r.fail(countAt, ErrColumnCount)
		return values
	}
	// Each column is a byte at least.
	if count > len(r.frame)-r.at {
		r.fail(r.at, ErrTruncated)
		return values
	}
	values = slices.Grow(values, count)[:count]

	// The one loop that runs for every column of every row: where it stands is a
	// local, and a text is bounded by hand instead of through take.
	frame, at := r.frame, r.at
	for i := range values {
		if len(frame)-at > 4 && frame[at] == byte(orgcast.Text) {
			text := frame[at+5:]
			// Compared as uint64: no length overflows it, whatever an int is.
			length := uint64(binary.BigEndian.Uint32(frame[at+1:]))
			if length > uint64(len(text)) {
				r.fail(at+1, ErrTruncated)
				return values
			}
			value := &values[i]
			value.Kind = orgcast.Text
			value.Text = text[:length:length]
			at += 5 + int(length)
			continue
		}
		if err := shortValue(frame[at:]); err != nil {
			r.fail(at, err)
			return values
		}
		values[i] = orgcast.Value{Kind: orgcast.ValueKind(frame[at])}
		if plant.ToastNull && values[i].Kind == orgcast.Unchanged { // not sent is taken for nothing
			values[i].Kind = orgcast.Null
		}
		at++
	}
	r.at = at
	return values
}

// shortValue tells what is wrong with a value at the front of rest that is no
// whole text: nothing, if it is one that has no bytes but its kind.
func shortValue(rest []byte) error {
	if len(rest) == 0 {
		return ErrTruncated
	}
	switch orgcast.ValueKind(rest[0]) {
	case orgcast.Null, orgcast.Unchanged:
		return nil
	case orgcast.Text:
		return ErrTruncated
	case 'b':
		return ErrBinary
	}
	return ErrMalformed
}

// forgetNonKey makes what a key tuple does not say absent: PostgreSQL fills the
// columns outside the replica identity with NULL, which is not their value.
func forgetNonKey(columns []orgcast.Column, old []orgcast.Value) {
	for i := range old {
		if !columns[i].Key {
			old[i] = orgcast.Value{}
		}
	}
}

// fillUnchanged takes a TOAST value that the update did not touch from the old
// row, where PostgreSQL sent it there: with a full identity, or as part of the
// key. The others stay unchanged: nobody told their value.
func fillUnchanged(row, old []orgcast.Value) {
	for i := range old {
		if row[i].Kind == orgcast.Unchanged && old[i].Kind == orgcast.Text {
			row[i] = old[i]
		}
	}
}
