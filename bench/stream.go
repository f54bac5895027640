//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
)

// stream is one client's open stream.
type stream struct {
	net.Conn
	reader *bufio.Reader
}

// open asks for an organization's stream and reads up to its `ready`.
func open(ctx context.Context, address string, organization int, cookie string, buffer int) (*stream, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &stream{conn, bufio.NewReaderSize(conn, buffer)}
	if err := s.ask(address, organization, cookie, ""); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	for {
		line, err := s.line()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("wait for ready: %w", err), conn.Close())
		}
		if bytes.HasPrefix(line, []byte(`data: {"type":"ready"`)) {
			return s, nil
		}
	}
}

// ask asks for an organization's stream, from a cursor on if it is not empty.
func (s *stream) ask(address string, organization int, cookie, from string) error {
	if from != "" {
		from = "Last-Event-ID: " + from + "\r\n"
	}
	_, err := fmt.Fprintf(s, "GET /api/realtime/stream?organizationId=org_%d HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\nCookie: %s\r\n%s\r\n",
		organization, address, cookie, from)
	if err != nil {
		return err
	}
	answer, err := http.ReadResponse(s.reader, nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("stream of org_%d: %s %s", organization, answer.Status, body)
	}
	return nil
}

// line is the next line, without its end; of one that is longer than the buffer,
// the beginning. It is good until the next one.
func (s *stream) line() ([]byte, error) {
	line, err := s.reader.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return bytes.TrimSuffix(line, []byte("\n")), err
	}
	head := slices.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = s.reader.ReadSlice('\n')
	}
	return head, err
}

// between cuts out what stands between two texts; nil if it is not there.
func between(text []byte, before, after string) []byte {
	_, rest, ok := bytes.Cut(text, []byte(before))
	if !ok {
		return nil
	}
	found, _, ok := bytes.Cut(rest, []byte(after))
	if !ok {
		return nil
	}
	return found
}
