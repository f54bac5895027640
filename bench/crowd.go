//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
)

// crowd is very many streams, read by one goroutine on epoll: on a machine that is
// shared, what the readers take the server does not get.
type crowd struct {
	epoll     int
	listeners map[int32]*listener // by descriptor
	over      atomic.Bool
	reading   sync.WaitGroup
	told      atomic.Int64
	bytes     atomic.Int64 // of events
}

// listener is one stream, and what it was told. It is the reader's until
// [crowd.stop].
type listener struct {
	descriptor   int
	organization int
	own          []byte // what every event of it holds
	rest         []byte // the beginning of a line
	numbers      []int32
	foreign      int
	broken       bool
}

func newCrowd() (*crowd, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &crowd{epoll: epoll, listeners: map[int32]*listener{}}, nil
}

// gather opens streams, and reads them from then on.
func gather(ctx context.Context, h *house, count, organizations int) (*crowd, error) {
	c, err := newCrowd()
	if err != nil {
		return nil, err
	}
	cookies := make([]string, 1+organizations)
	for o := 1; o <= organizations; o++ {
		if cookies[o], err = h.cookie(o); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	var opening sync.WaitGroup
	var mu sync.Mutex
	var failed error
	next := make(chan int)
	for range 32 {
		opening.Go(func() {
			for i := range next {
				o := 1 + i%organizations
				s, err := open(ctx, h.address, o, cookies[o], 4<<10)
				mu.Lock()
				if err == nil {
					rest, _ := s.reader.Peek(s.reader.Buffered()) // what is there is given without an error
					err = c.add(s.Conn, o, rest)
				}
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	for i := range count {
		next <- i
	}
	close(next)
	opening.Wait()
	if failed != nil {
		return nil, errors.Join(failed, c.close())
	}
	c.reading.Go(c.read)
	return c, nil
}

// add takes a connection over from the runtime, which would poll it too.
func (c *crowd) add(conn net.Conn, organization int, rest []byte) error {
	l := &listener{organization: organization, own: fmt.Appendf(nil, `"organizationId":"org_%d"`, organization), rest: slices.Clone(rest)}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err == nil {
		controlErr := raw.Control(func(fd uintptr) { l.descriptor, err = syscall.Dup(int(fd)) })
		err = errors.Join(err, controlErr)
	}
	if err := errors.Join(err, conn.Close()); err != nil {
		return err
	}
	c.listeners[int32(l.descriptor)] = l
	return syscall.EpollCtl(c.epoll, syscall.EPOLL_CTL_ADD, l.descriptor, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(l.descriptor)})
}

// read reads what comes until the crowd is stopped.
func (c *crowd) read() {
	events := make([]syscall.EpollEvent, 512)
	buffer := make([]byte, 64<<10)
	for !c.over.Load() {
		n, err := syscall.EpollWait(c.epoll, events, 50)
		if err != nil && err != syscall.EINTR {
			return // every stream is then short of what was committed
		}
		for _, e := range events[:max(n, 0)] {
			l := c.listeners[e.Fd]
			switch n, err := syscall.Read(l.descriptor, buffer); {
			case n > 0:
				c.take(l, buffer[:n])
			case err == syscall.EAGAIN || err == syscall.EINTR:
			default:
				l.broken = true
				_ = syscall.EpollCtl(c.epoll, syscall.EPOLL_CTL_DEL, l.descriptor, nil) // it is counted as broken
			}
		}
	}
}

// take takes bytes of a stream.
func (c *crowd) take(l *listener, text []byte) {
	if len(l.rest) > 0 {
		text = append(l.rest, text...)
	}
	for {
		line, after, whole := bytes.Cut(text, []byte{'\n'})
		if !whole {
			l.rest = append(l.rest[:0:0], text...)
			return
		}
		text = after
		if !bytes.HasPrefix(line, []byte("data: ")) {
			continue
		}
		n, err := strconv.Atoi(string(between(line, `"new":"`+marker, ";")))
		if err != nil {
			continue // a control message
		}
		if l.numbers = append(l.numbers, int32(n)); !bytes.Contains(line, l.own) {
			l.foreign++
		}
		c.told.Add(1)
		c.bytes.Add(int64(len(line)) + 30) // with its id line and ends
	}
}

// settle waits until every stream has as many events as there are, at most 20 s.
func (c *crowd) settle(ctx context.Context, committed []int) bool {
	want := int64(0)
	for _, l := range c.listeners {
		want += int64(committed[l.organization])
	}
	for range 200 {
		if c.told.Load() >= want {
			return true
		}
		pause(ctx, retry)
	}
	return false
}

// stop ends the reading.
func (c *crowd) stop() {
	c.over.Store(true)
	c.reading.Wait()
}

// held counts what is wrong with what the streams were told. The reading has
// ended.
func (c *crowd) held(committed []int) (lost, repeated, disordered, foreign, broken int) {
	for _, l := range c.listeners {
		if l.broken {
			broken++
		}
		foreign += l.foreign
		if !slices.IsSorted(l.numbers) {
			disordered++
			slices.Sort(l.numbers)
		}
		distinct := len(slices.Compact(slices.Clone(l.numbers)))
		repeated += len(l.numbers) - distinct
		lost += committed[l.organization] - distinct
	}
	return lost, repeated, disordered, foreign, broken
}

func (c *crowd) close() error {
	c.stop()
	var err error
	for _, l := range c.listeners {
		err = errors.Join(err, syscall.Close(l.descriptor))
	}
	clear(c.listeners)
	return errors.Join(err, syscall.Close(c.epoll))
}

// raiseFiles lets this process open as many files as it may.
func raiseFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
