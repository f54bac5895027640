package truth

import (
	"errors"
	"fmt"
	"strconv"
)

// Event is an event as the wire tells it.
type Event struct {
	ID           string
	Type         string
	Organization string
	Source       string
	Millis       int64
	Payload      string // canonical
	Truncated    bool   // the payload has keys alone
}

// OfEvent reads an event's data: what stands behind `data: `. A line that has
// what no event has, or lacks what every event has, is an error.
func OfEvent(data string) (Event, error) {
	var e Event
	var c canon
	if err := c.whole([]byte(data)); err != nil {
		return e, err
	}
	// The canonical text has its members in one order only.
	r := fields{text: string(c.out)}
	for r.next() {
		var err error
		switch r.name {
		case `"id"`:
			e.ID, err = r.string()
		case `"type"`:
			e.Type, err = r.string()
		case `"organizationId"`:
			e.Organization, err = r.string()
		case `"source"`:
			e.Source, err = r.string()
		case `"timestamp"`:
			e.Millis, err = strconv.ParseInt(r.value, 10, 64)
		case `"version"`:
			if r.value != `"1.0.0"` {
				err = errors.New("it is not 1.0.0")
			}
		case `"payload"`:
			if e.Payload = r.value; e.Payload[0] != '{' {
				err = errors.New("it is no object")
			}
		case `"truncated"`:
			if e.Truncated = r.value == "true"; !e.Truncated {
				err = errors.New("it is not true")
			}
		default:
			err = errors.New("no event has it")
		}
		if err != nil {
			return e, fmt.Errorf("member %.80s: %w", r.name, err)
		}
		r.count++
	}
	if want := 7; e.Truncated && r.count != want+1 || !e.Truncated && r.count != want {
		return e, fmt.Errorf("%d members of 7", r.count)
	}
	return e, nil
}

// fields goes through the members of a canonical object.
type fields struct {
	text        string
	at          int
	name, value string // as they stand
	count       int
}

func (f *fields) next() bool {
	if f.at == 0 && (len(f.text) < 3 || f.text[0] != '{') {
		return false
	}
	if f.at >= len(f.text)-1 {
		return false
	}
	f.at++ // { or ,
	from := f.at
	f.at = skip(f.text, f.at)
	f.name = f.text[from:f.at]
	f.at++ // :
	from = f.at
	f.at = skip(f.text, f.at)
	f.value = f.text[from:f.at]
	return f.at < len(f.text)
}

// skip is where the value that begins at i of a canonical text ends.
func skip(text string, i int) int {
	for depth := 0; i < len(text); {
		switch b := text[i]; b {
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',', ':':
			if depth == 0 {
				return i
			}
		}
		i++
		if depth == 0 && i < len(text) && (text[i] == ',' || text[i] == ':' || text[i] == '}' || text[i] == ']') {
			return i
		}
	}
	return i
}

func (f *fields) string() (string, error) { return unquote(f.value) }

// unquote reads a canonical string.
func unquote(value string) (string, error) {
	if value == "" || value[0] != '"' {
		return "", errors.New("it is no text")
	}
	for i := range len(value) {
		if value[i] == '\\' {
			// What a canonical text escapes, Go does alike.
			return strconv.Unquote(value)
		}
	}
	return value[1 : len(value)-1], nil
}
