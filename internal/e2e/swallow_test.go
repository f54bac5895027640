package e2e_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// swallower stands between the server and its database, as a firewall does. It can
// swallow all that is said, in both directions and on new connections too, without
// a word to anybody.
type swallower struct {
	address string
	to      string
	silent  atomic.Bool

	mu    sync.Mutex
	conns []net.Conn
}

// stand puts one in front of an address, until the test ends.
func stand(t testing.TB, to string) *swallower {
	t.Helper()
	l := listen(t)
	s := &swallower{address: l.Addr().String(), to: to}
	var going sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		s.heal()
		going.Wait()
	})
	going.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			going.Go(func() { s.pass(t, near) })
		}
	})
	return s
}

// pass carries one connection until either side, or heal, ends it.
func (s *swallower) pass(t testing.TB, near net.Conn) {
	var d net.Dialer
	far, err := d.DialContext(context.Background(), "tcp", s.to)
	if err != nil { // the database is away
		near.Close()
		return
	}
	s.mu.Lock()
	s.conns = append(s.conns, near, far)
	s.mu.Unlock()
	var both sync.WaitGroup
	carry := func(from, to net.Conn) {
		// One that ends takes the other along, unless nothing is to be heard.
		_, _ = io.Copy(gate{s, to}, from)
		if !s.silent.Load() {
			near.Close()
			far.Close()
		}
	}
	both.Go(func() { carry(near, far) })
	both.Go(func() { carry(far, near) })
	both.Wait()
}

// gate writes, or swallows.
type gate struct {
	s *swallower
	io.Writer
}

func (g gate) Write(p []byte) (int, error) {
	if g.s.silent.Load() {
		return len(p), nil
	}
	return g.Writer.Write(p)
}

// swallow begins it.
func (s *swallower) swallow() { s.silent.Store(true) }

// heal lets new connections through. What stood is reset, as by the firewall's own
// restart.
func (s *swallower) heal() {
	s.silent.Store(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}
