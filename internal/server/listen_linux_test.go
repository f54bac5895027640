package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// tiny opens a stream from a socket with the smallest of receive buffers, and
// takes nothing of it.
func tiny(t *testing.T, address string) net.Conn {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		return errors.Join(raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
		}), err)
	}}
	c, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, goodAsk().String()); err != nil {
		t.Fatal(err)
	}
	return c
}

func listening(t *testing.T, dead time.Duration) net.Listener {
	t.Helper()
	l, err := listenFor(t.Context(), "127.0.0.1:0", dead)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// What waits for a peer waits where it can be seen, and not in the kernel.
func TestTheSystemHoldsLittleForAPeerThatTakesNothing(t *testing.T) {
	w := newWorld()
	took := make(chan int, 1)
	w.serve = func(rw http.ResponseWriter, _ *http.Request, _ []orgcast.Membership) {
		out, n := http.NewResponseController(rw), 0
		for range 1000 {
			_ = out.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			if _, err := io.WriteString(rw, strings.Repeat("x", 8<<10)); err != nil || out.Flush() != nil {
				break
			}
			n += 8 << 10
		}
		took <- n
	}
	l := listening(t, deadAfter)
	serveUntilEnd(t, w.server(), l)
	tiny(t, l.Addr().String())
	if n := <-took; n > 128<<10 {
		t.Errorf("%d bytes were written for a peer that took none", n)
	}
}

// A peer that acknowledges nothing more, or takes nothing more, is given up by the
// system although nobody is blocked in a write: here the kernel of the peer keeps
// its window shut, which for the sender's timer is the same.
func TestADeadPeerIsGivenUpWithoutAWrite(t *testing.T) {
	w := newWorld()
	gone := make(chan time.Duration, 1)
	w.serve = func(rw http.ResponseWriter, r *http.Request, _ []orgcast.Membership) {
		// More than the peer's window, less than what would block.
		if _, err := io.WriteString(rw, strings.Repeat("x", 12<<10)); err != nil {
			t.Error(err)
		}
		if err := http.NewResponseController(rw).Flush(); err != nil {
			t.Error(err)
		}
		begun := time.Now()
		<-r.Context().Done()
		gone <- time.Since(begun)
	}
	l := listening(t, time.Second)
	serveUntilEnd(t, w.server(), l)
	tiny(t, l.Addr().String())
	select {
	case after := <-gone:
		if after < 900*time.Millisecond {
			t.Errorf("given up after %v", after)
		}
	case <-time.After(20 * time.Second):
		t.Error("a dead peer keeps its stream")
	}
}

func TestAcceptedSocketsHaveTheOptions(t *testing.T) {
	l := listening(t, deadAfter)
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []struct {
		name              string
		level, opt, value int
	}{
		{"TCP_USER_TIMEOUT", syscall.IPPROTO_TCP, tcpUserTimeout, int(deadAfter.Milliseconds())},
		{"TCP_NOTSENT_LOWAT", syscall.IPPROTO_TCP, tcpNotSentLowat, unsentBytes},
		{"TCP_KEEPIDLE", syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, int(keepAliveIdle.Seconds())},
		{"SO_KEEPALIVE", syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
	} {
		var got int
		var failed error
		if err := raw.Control(func(fd uintptr) { got, failed = syscall.GetsockoptInt(int(fd), o.level, o.opt) }); err != nil || failed != nil || got != o.value {
			t.Errorf("%s is %d, %v %v; want %d", o.name, got, err, failed, o.value)
		}
	}
}

func TestAnAddressThatIsTakenIsToldWithItsCure(t *testing.T) {
	l := listening(t, deadAfter)
	defer l.Close()
	_, err := Listen(context.Background(), l.Addr().String())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(orgcast.Hint(err), "ORGCAST_LISTEN") {
		t.Errorf("got %v, hint %q", err, orgcast.Hint(err))
	}
}
