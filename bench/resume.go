//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// resumeAtOnce lets clients of the real server come back at once, while others are
// told what is new. There is no tail in memory of what they missed: nobody listened.
func resumeAtOnce(ctx context.Context, clients, each int) (err error) {
	const organizations, live, rate = 200, 500, 500
	h, err := newHouse(ctx, organizations)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := h.serve(ctx, nil); err != nil {
		return err
	}
	from, err := h.cursor(ctx)
	if err != nil {
		return err
	}
	for n := range each {
		if err := h.tell(ctx, n, `TRUE`); err != nil {
			return err
		}
	}
	crowd, err := gather(ctx, h, live, organizations)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, crowd.close()) }()
	running, stop := context.WithCancel(ctx)
	var writing sync.WaitGroup
	defer func() { stop(); writing.Wait() }()
	var failed error
	writing.Go(func() {
		begun := time.Now()
		for i := 0; running.Err() == nil && failed == nil; i++ {
			if early := time.Until(begun.Add(time.Duration(i) * time.Second / rate)); early > 0 {
				pause(running, early)
			}
			failed = h.tell(ctx, each+i, fmt.Sprintf(`id = 'property_%d'`, 1+i%organizations))
		}
	})
	pause(ctx, 5*time.Second)
	quiet, err := h.server.usage()
	if err != nil {
		return err
	}
	quietAt := time.Now()
	pause(ctx, 5*time.Second)
	before, err := h.server.usage()
	if err != nil {
		return err
	}
	begun := time.Now()
	core := (before.cpu - quiet.cpu).Seconds() / begun.Sub(quietAt).Seconds()
	cookies := make([]string, 1+organizations)
	for o := 1; o <= organizations; o++ {
		if cookies[o], err = h.cookie(o); err != nil {
			return err
		}
	}
	told := crowd.told.Load()
	came := make(chan error, clients)
	begun = time.Now()
	for i := range clients {
		o := 1 + i%organizations
		go func() { came <- h.catchUp(ctx, o, cookies[o], from, each) }()
	}
	for range clients {
		err = errors.Join(err, <-came)
	}
	took := time.Since(begun)
	after, usageErr := h.server.usage()
	told = crowd.told.Load() - told
	stop()
	writing.Wait()
	if err := errors.Join(err, usageErr, failed); err != nil {
		return err
	}
	cpu := (after.cpu - before.cpu).Seconds()
	fmt.Printf("%d clients of the server resume %d events each at once, while %d streams are told %.0f events a second: %.2f s until the last has all; server's CPU %.2f s, %.2f s of it for what goes on beside; peak %s\n",
		clients, each, live, float64(told)/took.Seconds(), took.Seconds(), cpu, core*took.Seconds(), mib(after.peak))
	return nil
}

// tell changes the properties that a condition picks; n is told of them.
func (h *house) tell(ctx context.Context, n int, where string) error {
	_, err := h.db.Exec(ctx, `UPDATE properties SET bedrooms = $1, description = $2 WHERE `+where, n%5, marker+strconv.Itoa(n)+";")
	return err
}

// cursor is where the server stands.
func (h *house) cursor(ctx context.Context) (string, error) {
	cookie, err := h.cookie(1)
	if err != nil {
		return "", err
	}
	s, err := h.connect(ctx, 1, cookie, "")
	if err != nil {
		return "", err
	}
	defer s.Close()
	for {
		line, err := s.line()
		if err != nil {
			return "", err
		}
		if at := between(line, `data: {"type":"ready","cursor":"`, `"`); at != nil {
			return string(at), nil
		}
	}
}

// connect asks for an organization's stream from a cursor on.
func (h *house) connect(ctx context.Context, organization int, cookie, from string) (*stream, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", h.address)
	if err != nil {
		return nil, err
	}
	s := &stream{conn, bufio.NewReaderSize(conn, 4<<10)}
	if err := s.ask(h.address, organization, cookie, from); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

// catchUp resumes a stream, and reads until it has all that it missed.
func (h *house) catchUp(ctx context.Context, organization int, cookie, from string, each int) error {
	s, err := h.connect(ctx, organization, cookie, from)
	if err != nil {
		return err
	}
	defer s.Close()
	for next := 0; next < each; {
		line, err := s.line()
		if err != nil {
			return err
		}
		if bytes.HasPrefix(line, []byte(`data: {"type":"reset"`)) {
			return fmt.Errorf("a client of org_%d was told %s", organization, line)
		}
		found := between(line, `"new":"`+marker, ";")
		if found == nil {
			continue
		}
		if n, err := strconv.Atoi(string(found)); err != nil || n != next {
			return fmt.Errorf("a client of org_%d is told %q instead of %d", organization, found, next)
		}
		next++
	}
	return nil
}
