package truth

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Canonical is a JSON text in the one form that facts have: members sorted by the
// bytes of their names, no spaces, of characters only `"`, `\` and those below
// U+0020 escaped, numbers as they stand. A member that comes twice is an error.
func Canonical(text string) (string, error) {
	var c canon
	if err := c.whole([]byte(text)); err != nil {
		return "", err
	}
	return string(c.out), nil
}

// canon reads one JSON text and writes the canonical one, in a single pass: an
// object's members are written as they come, and put into order behind the last.
type canon struct {
	in  []byte
	at  int
	out []byte

	members []span // of the objects that are open, the inner ones last
	spare   []byte
	depth   int
}

// span is where a member and its name stand in out.
type span struct{ from, name, to int }

const deepest = 200 // no event nests deeper

var errEnd = errors.New("the text ends")

func (c *canon) whole(text []byte) error {
	c.in, c.at, c.out, c.members, c.depth = text, 0, c.out[:0], c.members[:0], 0
	if err := c.value(); err != nil {
		return err
	}
	if c.space(); c.at != len(c.in) {
		return c.wrong("something behind the end")
	}
	return nil
}

func (c *canon) wrong(what string) error {
	return fmt.Errorf("byte %d of the JSON: %s", c.at, what)
}

func (c *canon) space() {
	for c.at < len(c.in) {
		switch c.in[c.at] {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return
		}
	}
}

// next is the byte that begins the next token, without taking it; 0 at the end.
func (c *canon) next() byte {
	c.space()
	if c.at == len(c.in) {
		return 0
	}
	return c.in[c.at]
}

func (c *canon) value() error {
	switch b := c.next(); {
	case b == 0:
		return errEnd
	case b == '"':
		return c.str()
	case b == '{' || b == '[':
		if c.depth++; c.depth > deepest {
			return c.wrong("too deep")
		}
		defer func() { c.depth-- }()
		if b == '{' {
			return c.object()
		}
		return c.array()
	case b == '-' || b >= '0' && b <= '9':
		return c.number()
	}
	for _, word := range []string{"null", "true", "false"} {
		if bytes.HasPrefix(c.in[c.at:], []byte(word)) {
			c.at += len(word)
			c.out = append(c.out, word...)
			return nil
		}
	}
	return c.wrong("no value")
}

func (c *canon) array() error {
	c.at++
	c.out = append(c.out, '[')
	for first := true; ; first = false {
		switch b := c.next(); {
		case b == ']':
			c.at++
			c.out = append(c.out, ']')
			return nil
		case first:
		case b != ',':
			return c.wrong("no comma in an array")
		default:
			c.at++
			c.out = append(c.out, ',')
			if c.next() == ']' {
				return c.wrong("a comma and no value")
			}
		}
		if err := c.value(); err != nil {
			return err
		}
	}
}

func (c *canon) object() error {
	c.at++
	c.out = append(c.out, '{')
	start, base := len(c.out), len(c.members)
	sorted := true
	for first := true; ; first = false {
		switch b := c.next(); {
		case b == '}' && first:
			c.at++
			c.out = append(c.out, '}')
			return nil
		case b == '}':
			c.at++
			err := c.order(start, base, sorted)
			c.members = c.members[:base]
			c.out = append(c.out, '}')
			return err
		case first:
		case b != ',':
			return c.wrong("no comma in an object")
		default:
			c.at++
			c.out = append(c.out, ',')
		}
		if c.next() != '"' {
			return c.wrong("no name of a member")
		}
		m := span{from: len(c.out)}
		if err := c.str(); err != nil {
			return err
		}
		m.name = len(c.out)
		if c.next() != ':' {
			return c.wrong("no colon")
		}
		c.at++
		c.out = append(c.out, ':')
		if err := c.value(); err != nil {
			return err
		}
		m.to = len(c.out)
		if n := len(c.members); n > base {
			sorted = sorted && bytes.Compare(c.text(c.members[n-1]), c.text(m)) < 0
		}
		c.members = append(c.members, m)
	}
}

// text is a member's name, canonical: its order is that of its bytes up to the
// closing quotation mark, which must not count.
func (c *canon) text(m span) []byte { return c.out[m.from+1 : m.name-1] }

// order puts the members written since start into order.
func (c *canon) order(start, base int, sorted bool) error {
	if sorted {
		return nil
	}
	members := c.members[base:]
	slices.SortFunc(members, func(a, b span) int { return bytes.Compare(c.text(a), c.text(b)) })
	c.spare = c.spare[:0]
	for i, m := range members {
		if i > 0 {
			if bytes.Equal(c.text(members[i-1]), c.text(m)) {
				return c.wrong(fmt.Sprintf("the member %.80q comes twice", c.text(m)))
			}
			c.spare = append(c.spare, ',')
		}
		c.spare = append(c.spare, c.out[m.from:m.to]...)
	}
	c.out = append(c.out[:start], c.spare...)
	return nil
}

func (c *canon) number() error {
	from := c.at
	digits := func() bool {
		n := c.at
		for c.at < len(c.in) && c.in[c.at] >= '0' && c.in[c.at] <= '9' {
			c.at++
		}
		return c.at > n
	}
	is := func(set string) bool {
		if c.at < len(c.in) && bytes.IndexByte([]byte(set), c.in[c.at]) >= 0 {
			c.at++
			return true
		}
		return false
	}
	is("-")
	whole := c.at
	ok := digits() && (c.in[whole] != '0' || c.at == whole+1)
	if ok && is(".") {
		ok = digits()
	}
	if ok && is("eE") {
		is("+-")
		ok = digits()
	}
	if !ok {
		return c.wrong("no number")
	}
	c.out = append(c.out, c.in[from:c.at]...)
	return nil
}

func (c *canon) str() error {
	c.at++
	c.out = append(c.out, '"')
	for {
		from := c.at
		for c.at < len(c.in) && c.in[c.at] != '"' && c.in[c.at] != '\\' && c.in[c.at] >= 0x20 {
			c.at++
		}
		if plain := c.in[from:c.at]; utf8.Valid(plain) {
			c.out = append(c.out, plain...)
		} else {
			return c.wrong("no UTF-8")
		}
		switch {
		case c.at == len(c.in):
			return errEnd
		case c.in[c.at] == '"':
			c.at++
			c.out = append(c.out, '"')
			return nil
		case c.in[c.at] != '\\':
			return c.wrong("a control character in a string")
		}
		if err := c.escape(); err != nil {
			return err
		}
	}
}

// escape reads one escaped character.
func (c *canon) escape() error {
	if c.at+1 >= len(c.in) {
		return errEnd
	}
	kind := c.in[c.at+1]
	c.at += 2
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), kind); i >= 0 {
		c.out = appendChar(c.out, rune("\"\\/\b\f\n\r\t"[i]))
		return nil
	}
	if kind != 'u' {
		return c.wrong("an unknown escape")
	}
	r, err := c.hex()
	if err != nil {
		return err
	}
	if utf16.IsSurrogate(r) {
		// One half alone is what every reader makes of it.
		half := r
		r = utf8.RuneError
		if rest := c.in[c.at:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
			at := c.at
			c.at += 2
			other, err := c.hex()
			if err != nil {
				return err
			}
			if r = utf16.DecodeRune(half, other); r == utf8.RuneError {
				c.at = at
			}
		}
	}
	c.out = appendChar(c.out, r)
	return nil
}

func (c *canon) hex() (rune, error) {
	if c.at+4 > len(c.in) {
		return 0, errEnd
	}
	n, err := strconv.ParseUint(string(c.in[c.at:c.at+4]), 16, 16)
	if err != nil {
		return 0, c.wrong("no hexadecimal digits")
	}
	c.at += 4
	return rune(n), nil
}

// appendChar appends one character of a string, escaped if it must be.
func appendChar(out []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(out, '\\', byte(r))
	case r < 0x20:
		const digits = "0123456789abcdef"
		return append(out, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
	}
	return utf8.AppendRune(out, r)
}

// quote is a text as a canonical JSON string.
func quote(s string) string {
	out := make([]byte, 0, len(s)+2)
	out = append(out, '"')
	from := 0
	for i := range len(s) {
		if b := s[i]; b < 0x20 || b == '"' || b == '\\' {
			out = append(out, s[from:i]...)
			out = appendChar(out, rune(b))
			from = i + 1
		}
	}
	out = append(out, s[from:]...)
	return string(append(out, '"'))
}

// object is a JSON object that is being made: names, and values that are
// canonical already.
type object []member

type member struct{ name, value string } // both as they stand in the text

func (o *object) add(name, value string) { *o = append(*o, member{quote(name), value}) }

func (o object) String() string {
	inside := func(m member) string { return m.name[1 : len(m.name)-1] }
	slices.SortFunc(o, func(a, b member) int { return strings.Compare(inside(a), inside(b)) })
	n := 2
	for _, m := range o {
		n += len(m.name) + len(m.value) + 2
	}
	out := append(make([]byte, 0, n), '{')
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, m.name...)
		out = append(out, ':')
		out = append(out, m.value...)
	}
	return string(append(out, '}'))
}

// list is a canonical JSON array of texts.
func list(texts []string) string {
	out := []byte{'['}
	for i, t := range texts {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, quote(t)...)
	}
	return string(append(out, ']'))
}
