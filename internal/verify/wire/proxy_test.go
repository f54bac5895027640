package wire

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newProxy starts a proxy in front of a server that says again what it hears.
func newProxy(t *testing.T) *Proxy {
	t.Helper()
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { echo.Close() })
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // it ends when the connection does
			}()
		}
	}()
	p, err := Listen(func() string { return echo.Addr().String() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// say sends bytes and wants them back, unchanged.
func say(t *testing.T, c net.Conn, n int) {
	t.Helper()
	sent, got := make([]byte, n), make([]byte, n)
	_, _ = rand.Read(sent)
	go func() { _, _ = c.Write(sent) }() // what fails is not read
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("of %d bytes came others, or %v", n, err)
	}
}

// over wants the end of a connection, and no more bytes.
func over(t *testing.T, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection that should be over gives %d bytes, %v", n, err)
	}
}

func TestWithoutTroubleAllPasses(t *testing.T) {
	p := newProxy(t)
	for range 3 {
		say(t, dial(t, p), 300_000)
	}
}

func TestACutEndsEveryConnectionAndNoOther(t *testing.T) {
	p := newProxy(t)
	a, b := dial(t, p), dial(t, p)
	say(t, a, 10)
	say(t, b, 10)
	if n := p.Cut(); n != 2 {
		t.Errorf("%d connections were cut", n)
	}
	over(t, a)
	over(t, b)
	say(t, dial(t, p), 10)
}

func TestWhatIsRefusedEndsAndWhatIsThereStays(t *testing.T) {
	p := newProxy(t)
	before := dial(t, p)
	say(t, before, 10)
	p.Set(Trouble{Refuse: true})
	over(t, dial(t, p))
	say(t, before, 10)
	p.Set(Trouble{})
	say(t, dial(t, p), 10)
}

// TestWhatIsSwallowedComesLater, in order, when the trouble is over: it was only
// somewhere on the way.
func TestWhatIsSwallowedComesLater(t *testing.T) {
	p := newProxy(t)
	c := dial(t, p)
	say(t, c, 10)
	p.Set(Trouble{Swallow: true})
	if _, err := c.Write([]byte("on the way")); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes come, %v", n, err)
	}
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	p.Set(Trouble{})
	got := make([]byte, 10)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "on the way" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestDelayAndRateTakeTheirTime(t *testing.T) {
	for name, c := range map[string]struct {
		trouble Trouble
		bytes   int
		least   time.Duration
	}{
		"delay": {Trouble{Delay: 50 * time.Millisecond}, 10, 100 * time.Millisecond}, // each way
		"rate":  {Trouble{Rate: 10_000}, 3_000, 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t)
			conn := dial(t, p)
			p.Set(c.trouble)
			begun := time.Now()
			say(t, conn, c.bytes)
			if took := time.Since(begun); took < c.least {
				t.Errorf("it took %v", took)
			}
		})
	}
}
