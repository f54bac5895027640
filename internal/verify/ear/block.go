package ear

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// maxLine is more than any line may have: an event is truncated above 64 KiB.
const maxLine = 1 << 20

// block is what stands between two empty lines of a stream.
type block struct {
	id      string
	data    []byte
	retry   int64 // -1 if it has none
	comment bool
	broken  []string // what no stream may say
}

// reader reads blocks. It knows the lines of docs/PROTOCOL.md, and no others of
// those that EventSource would take.
type reader struct {
	lines *bufio.Reader
	line  []byte
}

var errLong = errors.New("a line has no end")

// next is the next block. What the end of the stream cuts is no block; but what
// was broken in it is told with the error.
func (r *reader) next() (block, error) {
	b := block{retry: -1}
	for first := true; ; first = false {
		line, err := r.read()
		if errors.Is(err, errLong) {
			b.broken = append(b.broken, fmt.Sprintf("a line of more than %d bytes: %.100q", maxLine, line))
		}
		if err != nil {
			return block{retry: -1, broken: b.broken}, err
		}
		if len(line) == 0 {
			if first {
				b.broken = append(b.broken, "an empty block")
			}
			b.shape()
			return b, nil
		}
		b.take(line)
	}
}

// read reads a line, without its end. It is good until the next.
func (r *reader) read() ([]byte, error) {
	r.line = r.line[:0]
	for {
		part, err := r.lines.ReadSlice('\n')
		if err == nil && len(r.line) == 0 {
			return part[:len(part)-1], nil
		}
		r.line = append(r.line, part...)
		switch {
		case len(r.line) > maxLine+1:
			return r.line[:100], errLong
		case err == nil:
			return r.line[:len(r.line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// take takes one line of the block.
func (b *block) take(line []byte) {
	bad := func(what string) { b.broken = append(b.broken, fmt.Sprintf("%s: %.200q", what, line)) }
	if !utf8.Valid(line) {
		bad("a line that is no UTF-8")
		return
	}
	for _, c := range line {
		if c < ' ' || c == 0x7f {
			bad("a line with a control character")
			return
		}
	}
	if line[0] == ':' {
		if b.comment {
			bad("a second comment")
		}
		b.comment = true
		return
	}
	name, value, ok := bytes.Cut(line, []byte(": "))
	if !ok || len(value) == 0 {
		bad("a line that no stream has")
		return
	}
	switch string(name) {
	case "id":
		if b.id != "" {
			bad("a second id")
		}
		b.id = string(value)
	case "data":
		if b.data != nil {
			bad("a second line of data")
		}
		b.data = bytes.Clone(value)
	case "retry":
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || n < 0 || value[0] == '+' || b.retry >= 0 {
			bad("a retry that is none, or a second one")
			return
		}
		b.retry = n
	default:
		bad("a line that no stream has")
	}
}

// shape says what is wrong with a whole block: it is a message, perhaps with an id
// and a retry, or a comment, perhaps with an id.
func (b *block) shape() {
	switch {
	case len(b.broken) > 0:
	case b.comment && (b.data != nil || b.retry >= 0):
		b.broken = append(b.broken, "a comment with data or retry")
	case !b.comment && b.data == nil:
		b.broken = append(b.broken, "a block without data or comment")
	}
}
