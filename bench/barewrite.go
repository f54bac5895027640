//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"syscall"
	"time"
)

// bareWrite is what a server can't go below that writes each event by itself: so
// many sockets, read as the streams are, to which the same bytes are written at the
// same pace, a group at a time, by write(2) and nothing else. It returns the CPU
// time of one write, in microseconds.
func bareWrite(ctx context.Context, sockets, group, rate, size int, span time.Duration) (us float64, err error) {
	c, err := newCrowd()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	var conns []int
	defer func() {
		for _, fd := range conns {
			err = errors.Join(err, syscall.Close(fd))
		}
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	for range sockets {
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return 0, err
		}
		if err := c.add(client, 0, nil); err != nil {
			return 0, err
		}
		server, err := l.Accept()
		if err != nil {
			return 0, err
		}
		raw, err := server.(*net.TCPConn).SyscallConn()
		fd := 0
		if err == nil {
			controlErr := raw.Control(func(own uintptr) { fd, err = syscall.Dup(int(own)) })
			err = errors.Join(err, controlErr)
		}
		if err := errors.Join(err, server.Close()); err != nil {
			return 0, err
		}
		conns = append(conns, fd)
	}
	c.reading.Go(c.read)

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	frame := bytes.Repeat([]byte{'x'}, size-1)
	frame = append(frame, '\n')
	var spent time.Duration
	writes := 0
	begun := time.Now()
	for i := range int(span.Seconds() * float64(rate)) {
		if early := time.Until(begun.Add(time.Duration(i) * time.Second / time.Duration(rate))); early > 0 {
			pause(ctx, early)
		}
		before, err := threadTime()
		if err != nil {
			return 0, err
		}
		for j := range group {
			if _, err := syscall.Write(conns[(i*group+j)%sockets], frame); err != nil {
				return 0, err
			}
			writes++
		}
		after, err := threadTime()
		if err != nil {
			return 0, err
		}
		spent += after - before
	}
	return float64(spent.Nanoseconds()) / 1e3 / float64(writes), nil
}

// threadTime is the CPU time that this thread has taken.
func threadTime() (time.Duration, error) {
	const thread = 1 // RUSAGE_THREAD
	var u syscall.Rusage
	err := syscall.Getrusage(thread, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}
