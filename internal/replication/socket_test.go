package replication

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
)

// counted is a connection that has its bytes ready, and counts the reads.
type counted struct {
	net.Conn
	ready *bytes.Reader
	reads int
}

func (c *counted) Read(p []byte) (int, error) {
	c.reads++
	return c.ready.Read(p)
}

func TestWhatIsReadyIsTakenAtOnceAndHandedOutWhole(t *testing.T) {
	want := make([]byte, 3*readBuffer+1000)
	for i := range want {
		want[i] = byte(i % 251)
	}
	c := &counted{ready: bytes.NewReader(want)}
	s := &socket{Conn: c}
	var got []byte
	for piece := make([]byte, 8<<10); ; {
		n, err := s.Read(piece)
		got = append(got, piece[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes of %d, or others", len(got), len(want))
	}
	if c.reads != 5 { // four with bytes, and the end
		t.Errorf("%d reads", c.reads)
	}
}
