package sse

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
)

// MaxLine is the longest line, in bytes, that a [Reader] takes.
const MaxLine = 1 << 20

// ErrLineTooLong is returned by [Reader.Next] for a line above [MaxLine].
var ErrLineTooLong = errors.New("read event stream: line too long")

// Message is one block of an event stream, as the WHATWG's parser sees it.
type Message struct {
	// ID is the last event id as of this message; it stays from one message to
	// the next.
	ID string
	// Data is the message's data; nil for a block that only moves the id.
	Data []byte
	// RetryMS is the reconnection time that the block sets; 0: none.
	RetryMS int
}

// Reader reads an event stream as EventSource does, but for the byte order mark
// and lone CR line ends, which orgcast never sends.
type Reader struct {
	lines *bufio.Scanner
	id    string
}

// NewReader returns a reader of r.
func NewReader(r io.Reader) *Reader {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4096), MaxLine)
	return &Reader{lines: s}
}

// Next returns the next block that is not only comments. A block that the end
// of the stream cuts is discarded, id included, with io.EOF.
func (r *Reader) Next() (Message, error) {
	var m Message
	id, any := r.id, false
	for r.lines.Scan() {
		line := r.lines.Bytes()
		if len(line) == 0 {
			if !any {
				continue
			}
			r.id, m.ID = id, id
			return m, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "data":
			if m.Data != nil {
				m.Data = append(m.Data, '\n')
			}
			m.Data = append(m.Data, value...)
			if m.Data == nil {
				m.Data = []byte{}
			}
			any = true
		case "id":
			if !bytes.ContainsRune(value, 0) {
				id, any = string(value), true
			}
		case "retry":
			if ms, err := strconv.ParseUint(string(value), 10, 31); err == nil {
				m.RetryMS, any = int(ms), true
			}
		}
	}
	switch err := r.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return Message{}, ErrLineTooLong
	case err != nil:
		return Message{}, err
	}
	return Message{}, io.EOF
}
