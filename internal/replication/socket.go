package replication

import (
	"context"
	"net"
	"sync"
	"time"
)

// socket is the bare connection, below TLS. While a stream runs, every read
// that reaches the kernel rolls a deadline forward, so that frames which are
// already buffered cost nothing and a handler that blocked does not count as
// silence of the server.
type socket struct {
	net.Conn

	mu       sync.Mutex
	timeout  time.Duration // 0: no rolling deadline
	deadline time.Time

	// buffer is the reader's: the driver asks for 8 KiB at a time, and a server that
	// is ahead has much more ready.
	buffer []byte
	unread []byte // of it
}

const readBuffer = 64 << 10

// Read reads with the rolling deadline.
func (s *socket) Read(p []byte) (int, error) {
	if len(s.unread) == 0 {
		if err := s.rollDeadline(); err != nil {
			return 0, err
		}
		if s.buffer == nil {
			s.buffer = make([]byte, readBuffer)
		}
		n, err := s.Conn.Read(s.buffer)
		if s.unread = s.buffer[:n]; n == 0 {
			return 0, err
		}
		// An error beside bytes comes again with the next read.
	}
	n := copy(p, s.unread)
	s.unread = s.unread[n:]
	return n, nil
}

func (s *socket) rollDeadline() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timeout == 0 {
		return nil
	}
	now := time.Now()
	// Setting a deadline moves a timer: do it four times in a timeout, not once
	// a read.
	if s.deadline.Sub(now) > s.timeout-s.timeout/4 {
		return nil
	}
	s.deadline = now.Add(s.timeout)
	return s.Conn.SetReadDeadline(s.deadline)
}

// watch starts the rolling deadline: a read fails after timeout without a byte,
// at the earliest after three quarters of it.
func (s *socket) watch(timeout time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timeout, s.deadline = timeout, time.Time{}
}

// limit ends the rolling deadline: reads, those under way too, fail after d.
func (s *socket) limit(d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timeout = 0
	return s.Conn.SetReadDeadline(time.Now().Add(d))
}

// dialer connects with TCP keepalive and, where the system has it, a bound on
// how long sent bytes may stay unacknowledged: without it a status update into a
// dead network is retried for a quarter of an hour.
var dialer = net.Dialer{
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	Control:         setUserTimeout,
}

const userTimeout = 30 * time.Second

// dial returns a connection function for the driver, and the place where the
// socket of its last attempt stands, which is the one that the driver kept.
func dial() (func(ctx context.Context, network, address string) (net.Conn, error), **socket) {
	last := new(*socket)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		*last = &socket{Conn: conn}
		return *last, nil
	}, last
}
