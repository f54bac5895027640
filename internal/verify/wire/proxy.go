package wire

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Trouble is what a proxy does to each connection. The zero value is none.
type Trouble struct {
	Delay   time.Duration // before bytes go on, each way
	Rate    int           // bytes a second each way; 0 is as they come
	Swallow bool          // nothing goes on, nothing ends
	Refuse  bool          // new connections end at once
}

// Proxy passes connections on to an address.
type Proxy struct {
	listener net.Listener
	target   func() string

	mu      sync.Mutex
	trouble Trouble
	changed chan struct{} // closed when the trouble changes
	pairs   map[*pair]struct{}
	closed  bool
	wg      sync.WaitGroup
}

type pair struct{ near, far net.Conn }

func (p *pair) close() {
	_ = p.near.Close() // it ends whatever it was doing
	_ = p.far.Close()
}

// Listen starts a proxy on a free loopback port. target is asked for each
// connection.
func Listen(target func() string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: target, pairs: map[*pair]struct{}{}, changed: make(chan struct{})}
	p.wg.Go(p.accept)
	return p, nil
}

// Address is where it listens.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Set puts a trouble in the place of the one that there is.
func (p *Proxy) Set(t Trouble) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble = t
	close(p.changed)
	p.changed = make(chan struct{})
}

// Cut ends all connections and returns how many there were.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.close()
	}
	return len(p.pairs)
}

// Close ends everything, and waits.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.trouble = Trouble{}
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
	err := p.listener.Close()
	p.Cut()
	p.wg.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		p.wg.Go(func() { p.serve(near) })
	}
}

func (p *Proxy) serve(near net.Conn) {
	if t, _ := p.now(); t.Refuse {
		_ = near.Close()
		return
	}
	far, err := net.DialTimeout("tcp", p.target(), 5*time.Second)
	if err != nil {
		_ = near.Close()
		return
	}
	c := &pair{near, far}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		c.close()
		return
	}
	p.pairs[c] = struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(far, near); c.close() })
	both.Go(func() { p.pass(near, far); c.close() })
	both.Wait()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

func (p *Proxy) now() (Trouble, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trouble, p.changed
}

// pass passes bytes on, one way.
func (p *Proxy) pass(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !p.send(to, buffer[:n]) {
			return
		}
		if err != nil {
			return
		}
	}
}

// send writes bytes with the trouble that there is.
func (p *Proxy) send(to net.Conn, b []byte) bool {
	for len(b) > 0 {
		t, changed := p.now()
		if t.Swallow {
			<-changed // until then it neither reads nor ends
			continue
		}
		if t.Delay > 0 {
			wait(t.Delay, changed)
		}
		n := len(b)
		if t.Rate > 0 {
			n = min(n, max(t.Rate/20, 1))
			wait(time.Second/20, changed)
		}
		if _, err := to.Write(b[:n]); err != nil {
			return false
		}
		b = b[n:]
	}
	return true
}

func wait(d time.Duration, changed <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
	}
}
