package server

import (
	"container/list"
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

	mu sync.Mutex
	// pending has each connection's place among those that wait for a request; nil
	// while one is answered.
	pending map[net.Conn]*list.Element
	// unheard have not sent a whole request yet, idle have had theirs answered; who
	// waits longest is first.
	unheard, idle list.List
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
		c.pending[conn], c.fresh[conn] = c.unheard.PushBack(conn), struct{}{}
		return
	case http.StateIdle:
		if _, ok := c.pending[conn]; ok {
			c.unplace(conn)
			c.pending[conn] = c.idle.PushBack(conn)
		}
	case http.StateClosed, http.StateHijacked:
		c.unplace(conn)
		delete(c.pending, conn)
	}
	delete(c.fresh, conn)
	if len(c.fresh) == 0 && c.none != nil {
		close(c.none)
		c.none = nil
	}
}

// unplace takes a connection from those that wait. c.mu is held.
func (c *conns) unplace(conn net.Conn) {
	if e := c.pending[conn]; e != nil {
		c.unheard.Remove(e) // one of the two is not its list, and does nothing
		c.idle.Remove(e)
		c.pending[conn] = nil
	}
}

// answering says that the request's connection does not wait any more.
func (c *conns) answering(ctx context.Context) {
	if conn, ok := ctx.Value(connKey{}).(net.Conn); ok {
		c.mu.Lock()
		c.unplace(conn)
		c.mu.Unlock()
	}
}

// streaming takes the request's connection out of the count.
func (c *conns) streaming(ctx context.Context) {
	if conn, ok := ctx.Value(connKey{}).(net.Conn); ok {
		c.mu.Lock()
		c.unplace(conn)
		delete(c.pending, conn)
		c.mu.Unlock()
	}
}

// back counts the request's connection again, after [conns.streaming]. It must
// be called before the handler returns: the connection can't have ended then.
func (c *conns) back(ctx context.Context) {
	if conn, ok := ctx.Value(connKey{}).(net.Conn); ok {
		c.mu.Lock()
		c.pending[conn] = nil
		c.mu.Unlock()
	}
}

// room makes room for one more connection. On a full table that costs the one
// that has waited longest for a request, of those that never sent one if there are
// any: who comes to ask something asks at once, and a storm of those who don't
// shuts nobody out. ok is false if every one is being answered.
func (c *conns) room() (cut net.Conn, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) < c.max {
		return nil, true
	}
	first := c.unheard.Front()
	if first == nil {
		first = c.idle.Front()
	}
	if first == nil {
		return nil, false
	}
	cut = first.Value.(net.Conn)
	c.unplace(cut)
	delete(c.pending, cut)
	return cut, true
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

// listener closes connections beyond the bound: see room. It does not leave them in the
// accept queue: there they would hang without a reason, behind those that hold
// the places; and a native EventSource comes back after a cut, not after a 503.
type listener struct {
	net.Listener
	conns *conns
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		cut, ok := l.conns.room()
		if cut != nil {
			l.conns.refused()
			_ = cut.Close() // it was owed no answer
		}
		if ok {
			return conn, nil
		}
		l.conns.refused()
		_ = conn.Close() // nothing was written that could be lost
	}
}
