package ear

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
)

// What is broken is said, never taken for good, and never a panic: a verifier that
// falls over what it should find has found nothing.
func FuzzAStreamIsReadToItsEnd(f *testing.F) {
	for _, s := range []string{
		"retry: 10\nid: e.1.0\ndata: {\"type\":\"connection\"}\n\n", ": heartbeat 1\nid: e.1.0\n\n", "id: e.2.0\ndata: {\"id\":\"e.2.0\",\"type\":\"data.sync\"}\n\n",
		"data: {\"type\":\"ready\",\"cursor\":\"e.1.0\",\"replayed\":0}\n\n", "\n\n\n", "data\n", "id: \r\n\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := reader{lines: bufio.NewReaderSize(bytes.NewReader(text), 16)}
		for {
			b, err := r.next()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, errLong) {
					t.Fatal(err)
				}
				return
			}
			if len(b.broken) == 0 && b.data == nil && !b.comment {
				t.Fatalf("%+v is no block", b)
			}
			if b.data != nil {
				if _, err := NewIntern(1).line(b.data); err == nil && !bytes.HasPrefix(bytes.TrimSpace(b.data), []byte("{")) {
					t.Fatalf("%q is taken for a message", b.data)
				}
			}
		}
	})
}
