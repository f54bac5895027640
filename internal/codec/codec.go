package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

// MaxSize is the largest text that is read, in bytes; MaxDepth is how deep its
// objects and arrays may lie in each other.
const (
	MaxSize  = 1 << 20
	MaxDepth = 64
)

// What can be wrong with a text. Errors say which member is meant, never what
// its value is.
var (
	ErrTooLarge  = errors.New("too large")
	ErrTooDeep   = errors.New("nested too deep")
	ErrMalformed = errors.New("malformed")
	ErrTrailing  = errors.New("text after the value")
	ErrUnknown   = errors.New("unknown member")
	ErrDuplicate = errors.New("duplicate member")
	ErrType      = errors.New("value of a wrong type")
)

// Marshal returns v as JSON.
func Marshal(v any) ([]byte, error) { return json.Marshal(v) }

// Raw is a JSON text that is passed on or read later.
type Raw = json.RawMessage

// Delim is a bracket or brace among the tokens of [Tokens].
type Delim = json.Delim

// Valid tells whether data is one JSON value.
func Valid(data []byte) bool { return json.Valid(data) }

// Tokens reads JSON token by token, for who must see each member.
func Tokens(data []byte) *json.Decoder { return json.NewDecoder(bytes.NewReader(data)) }

// Loose reads JSON that others wrote, as leniently as encoding/json does: for
// what is trusted by its seal or its place, not by its form.
func Loose(data []byte, v any) error { return json.Unmarshal(data, v) }

// Line writes v as one line of JSON, with `<`, `>` and `&` as they are.
func Line(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Unmarshal reads one JSON object (or, if v points to a slice, one array) into
// what v points to. Members that a struct does not have, differ in case from
// those it has, or come twice, and text behind the value are errors, at any
// depth; after an error *v means nothing.
func Unmarshal(data []byte, v any) error {
	if len(data) > MaxSize {
		return fmt.Errorf("read JSON: %w: %d bytes, more than %d", ErrTooLarge, len(data), MaxSize)
	}
	if !utf8.Valid(data) {
		return fmt.Errorf("read JSON: %w: no UTF-8", ErrMalformed)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // so that no number is too large for the walk
	if err := walk(d, reflect.TypeOf(v), 0); err != nil {
		return fmt.Errorf("read JSON: %w", err)
	}
	if rest := bytes.TrimLeft(data[d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return fmt.Errorf("read JSON: %w", ErrTrailing)
	}
	if err := json.Unmarshal(data, v); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return fmt.Errorf("read JSON: %w: %q is no %s", ErrType, wrong.Field, wrong.Type)
		}
		return fmt.Errorf("read JSON: %w", ErrMalformed)
	}
	return nil
}

// walk goes through one value, which is to become a t; a nil t is anything.
func walk(d *json.Decoder, t reflect.Type, depth int) error {
	token, err := d.Token()
	if err != nil {
		return ErrMalformed
	}
	if _, opens := token.(json.Delim); opens && depth == MaxDepth {
		return ErrTooDeep
	}
	t = target(t)
	switch token {
	case json.Delim('{'):
		return walkObject(d, t, depth)
	case json.Delim('['):
		var element reflect.Type
		if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
			element = t.Elem()
		}
		for d.More() {
			if err := walk(d, element, depth+1); err != nil {
				return err
			}
		}
		return end(d)
	}
	if depth == 0 {
		return fmt.Errorf("%w: neither an object nor an array", ErrType)
	}
	return nil
}

func walkObject(d *json.Decoder, t reflect.Type, depth int) error {
	var fields map[string]reflect.Type
	var element reflect.Type
	switch {
	case t == nil:
	case t.Kind() == reflect.Struct:
		fields = fieldsOf(t)
	case t.Kind() == reflect.Map:
		element = t.Elem()
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return ErrMalformed
		}
		if seen[name] {
			return fmt.Errorf("%w %.64q", ErrDuplicate, name)
		}
		seen[name] = true
		of := element
		if fields != nil {
			if of, ok = fields[name]; !ok {
				return fmt.Errorf("%w %.64q", ErrUnknown, name)
			}
		}
		if err := walk(d, of, depth+1); err != nil {
			return err
		}
	}
	return end(d)
}

func end(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return ErrMalformed
	}
	return nil
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// target is what is behind t's pointers; nil where t reads itself, or is
// anything.
func target(t reflect.Type) reflect.Type {
	for t != nil {
		if t.Implements(unmarshaler) || reflect.PointerTo(t).Implements(unmarshaler) || t.Kind() == reflect.Interface {
			return nil
		}
		if t.Kind() != reflect.Pointer {
			return t
		}
		t = t.Elem()
	}
	return nil
}

// fieldsOf lists a struct's members as encoding/json names them.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported(), f.Anonymous && name == "":
			continue // an embedded struct's own fields are listed as well
		case name == "":
			name = f.Name
		}
		fields[name] = f.Type
	}
	return fields
}
