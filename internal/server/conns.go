package server

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// conns knows the open connections that carry no stream. net/http's own hooks
// tell it; no connection is wrapped, so that a driver still finds the socket.
type conns struct {
	max     int
	refused func()

	mu      sync.Mutex
	pending map[net.Conn]struct{}
	// fresh are those of which no byte was read yet: after Shutdown is called,
	// net/http drops their first request unanswered.
	fresh map[net.Conn]struct{}
	none  chan struct{} // if not nil, closed when fresh is empty
}

// connKey is the context key of a request's connection.
type connKey struct{}

func (c *conns) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// state is the server's ConnState hook. StateNew comes on the accepting
// goroutine, before the next Accept: the bound in [listener.Accept] is exact.
func (c *conns) state(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.pending[conn], c.fresh[conn] = struct{}{}, struct{}{}
		return
	case http.StateClosed, http.StateHijacked:
		delete(c.pending, conn)
	}
	delete(c.fresh, conn)
	if len(c.fresh) == 0 && c.none != nil {
		close(c.none)
		c.none = nil
	}
}

// streaming takes the request's connection out of the count.
func (c *conns) streaming(ctx context.Context) {
	if conn, ok := ctx.Value(connKey{}).(net.Conn); ok {
		c.mu.Lock()
		delete(c.pending, conn)
		c.mu.Unlock()
	}
}

// back counts the request's connection again, after [conns.streaming]. It must
// be called before the handler returns: the connection can't have ended then.
func (c *conns) back(ctx context.Context) {
	if conn, ok := ctx.Value(connKey{}).(net.Conn); ok {
		c.mu.Lock()
		c.pending[conn] = struct{}{}
		c.mu.Unlock()
	}
}

func (c *conns) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending) >= c.max
}

// heard is closed when every connection has sent something, or is gone.
func (c *conns) heard() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.none == nil {
		c.none = make(chan struct{})
	}
	none := c.none
	if len(c.fresh) == 0 {
		close(c.none)
		c.none = nil
	}
	return none
}

// listener closes connections beyond the bound. It does not leave them in the
// accept queue: there they would hang without a reason, behind those that hold
// the places; and a native EventSource comes back after a cut, not after a 503.
type listener struct {
	net.Listener
	conns *conns
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || !l.conns.full() {
			return conn, err
		}
		l.conns.refused()
		_ = conn.Close() // nothing was written that could be lost
	}
}
