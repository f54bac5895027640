package publish

import (
	"fmt"
	"strings"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
	"github.com/oikion/orgcast/internal/sse"
)

// The bounds of what a member may hold; lengths are in bytes of UTF-8, of
// objects in the form in which they are sent.
const (
	maxID       = orgcast.MaxOrganizationID
	maxTitle    = 500
	maxMessage  = 10_000
	maxCategory = 100
	maxResource = 2*maxID + 1 // <type>:<id>
	maxUsers    = 1_000
	maxColumns  = 1_000
	maxObject   = 32 << 10
	maxDepth    = 32
)

// field is one member of a payload: how it is read and how it is written. One
// table of them per type serves both, so that the two can't differ. Exactly one
// of text, columns, users and object is set: where the value is.
type field struct {
	name string
	// optional may be absent; its zero value is not written.
	optional bool
	// nullable may be null, which is its zero value.
	nullable bool
	// min and max bound a text's bytes, or how many a list has.
	min, max int
	// id is a text without control characters.
	id bool
	// labels are all that a text may be.
	labels []string

	text    *string
	columns *[]string
	users   *[]orgcast.UserID
	object  *codec.Raw
}

func id(name string, to *string) field {
	return field{name: name, id: true, min: 1, max: maxID, text: to}
}

func user(name string, to *orgcast.UserID) field { return id(name, (*string)(to)) }

func organization(to *orgcast.OrganizationID) field { return id("organizationId", (*string)(to)) }

func text(name string, to *string, least, most int) field {
	return field{name: name, min: least, max: most, text: to}
}

func label(name string, to *string, labels ...string) field {
	return field{name: name, labels: labels, text: to}
}

func columns(name string, to *[]string) field {
	return field{name: name, max: maxColumns, columns: to}
}

func users(name string, to *[]orgcast.UserID) field {
	return field{name: name, min: 1, max: maxUsers, users: to}
}

func object(name string, to *codec.Raw) field { return field{name: name, object: to} }

func (f field) orAbsent() field { f.optional = true; return f }
func (f field) orNull() field   { f.nullable = true; return f }

// want says what the member must be.
func (f *field) want() (s string) {
	switch {
	case f.labels != nil:
		s = "one of " + strings.Join(f.labels, ", ")
	case f.id:
		s = fmt.Sprintf("a text of %d to %d bytes without control characters", f.min, f.max)
	case f.text != nil:
		s = fmt.Sprintf("a text of %d to %d bytes", f.min, f.max)
	case f.object != nil:
		s = fmt.Sprintf("an object of at most %d bytes, at most %d levels deep", maxObject, maxDepth)
	case f.columns != nil:
		s = fmt.Sprintf("a list of at most %d names of 1 to %d bytes without control characters", f.max, maxID)
	default:
		s = fmt.Sprintf("a list of %d to %d ids of 1 to %d bytes without control characters", f.min, f.max, maxID)
	}
	if f.nullable {
		s += ", or null"
	}
	return s
}

// read takes the member's value, which the codec has walked through already;
// nil is an absent one. It returns what is wrong, or "".
func (f *field) read(raw codec.Raw) string {
	if raw == nil {
		if f.optional {
			return ""
		}
		return "is missing"
	}
	if f.nullable && string(raw) == "null" {
		return ""
	}
	if !f.take(raw) {
		return "must be " + f.want()
	}
	return ""
}

// take stores a value; whether it is one that the field can have.
func (f *field) take(raw codec.Raw) bool {
	switch {
	case f.text != nil:
		return raw[0] == '"' && codec.Loose(raw, f.text) == nil && f.allows(*f.text)
	case f.object != nil:
		*f.object = sse.AppendJSON(make([]byte, 0, len(raw)), raw)
		return raw[0] == '{' && len(*f.object) <= maxObject && depth(*f.object) <= maxDepth
	}
	list, ok := names(raw, f.max)
	if !ok || len(list) < f.min {
		return false
	}
	if f.columns != nil {
		*f.columns = list
		return true
	}
	*f.users = make([]orgcast.UserID, len(list))
	for i, user := range list {
		(*f.users)[i] = orgcast.UserID(user)
	}
	return true
}

func (f *field) allows(s string) bool {
	for _, l := range f.labels {
		if s == l {
			return true
		}
	}
	return f.labels == nil && len(s) >= f.min && len(s) <= f.max && (!f.id || printable(s))
}

// names reads a list of ids or names of columns.
func names(raw codec.Raw, most int) ([]string, bool) {
	var list []*string // encoding/json would make "" of a null
	if raw[0] != '[' || codec.Loose(raw, &list) != nil || len(list) > most {
		return nil, false
	}
	out := make([]string, len(list))
	for i, s := range list {
		if s == nil || *s == "" || len(*s) > maxID || !printable(*s) {
			return nil, false
		}
		out[i] = *s
	}
	return out, true
}

// printable tells that a text has no control characters: no identifier has, and
// PostgreSQL can't store a NUL.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// depth is how deep the objects and arrays of a valid JSON text lie in each
// other.
func depth(text []byte) (deepest int) {
	open, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			open++
			deepest = max(deepest, open)
		case c == '}' || c == ']':
			open--
		}
	}
	return deepest
}
