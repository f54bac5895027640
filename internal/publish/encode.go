package publish

import (
	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/sse"
)

// AppendPayload appends d's payload as it goes on the wire, from its typed
// values: its members stand in the contract's order, on one line.
func AppendPayload(dst []byte, d *Draft) []byte {
	dst = append(dst, '{')
	first := true
	for _, f := range d.Payload.fields() {
		if f.absent() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, '"')
		dst = append(dst, f.name...)
		dst = append(dst, `":`...)
		dst = f.append(dst)
	}
	return append(dst, '}')
}

// appendDraft appends d in the form that [Read] reads.
func appendDraft(dst []byte, d *Draft) []byte {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, d.Type.String()...)
	dst = append(dst, `","organizationId":`...)
	dst = sse.AppendString(dst, string(d.Organization))
	dst = append(dst, `,"payload":`...)
	dst = AppendPayload(dst, d)
	return append(dst, '}')
}

// absent tells whether an optional member is not there.
func (f *field) absent() bool {
	return f.optional && f.zero()
}

func (f *field) zero() bool {
	switch {
	case f.text != nil:
		return *f.text == ""
	case f.object != nil:
		return *f.object == nil
	case f.columns != nil:
		return *f.columns == nil
	}
	return *f.users == nil
}

func (f *field) append(dst []byte) []byte {
	switch {
	case f.nullable && f.zero():
		return append(dst, "null"...)
	case f.text != nil:
		return sse.AppendString(dst, *f.text)
	case f.object != nil:
		return sse.AppendJSON(dst, *f.object)
	case f.columns != nil:
		return appendList(dst, *f.columns)
	}
	return appendList(dst, *f.users)
}

func appendList[T string | orgcast.UserID](dst []byte, list []T) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = sse.AppendString(dst, string(s))
	}
	return append(dst, ']')
}
