package replication

import (
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/oikion/orgcast"
)

// read hands on what comes, without an allocation a frame. sound tells that the
// connection is still good: the stream was stopped (then err is nil), or the
// handler failed.
func (s *stream) read() (sound bool, err error) {
	for {
		message, err := s.frontend.Receive()
		if s.stopped.Load() {
			return true, nil
		}
		if err != nil {
			return false, s.lost(err)
		}
		switch m := message.(type) {
		case *pgproto3.CopyData:
			data, err := parseCopyData(m.Data)
			if err != nil {
				return false, fmt.Errorf("%s: %w", s.op(), err)
			}
			if err := s.handle(data); err != nil {
				return true, err
			}
		case *pgproto3.ErrorResponse:
			return false, explain(s.op(), streaming, pgconn.ErrorResponseToPgError(m))
		case *pgproto3.NoticeResponse:
			s.config.notice(m.Code, m.Message)
		case *pgproto3.CommandComplete:
			// A server that shuts down ends the copy when we confirmed all of it.
			return false, fmt.Errorf("%s: %w: the server ended the stream", s.op(), ErrDisconnected)
		}
	}
}

func (s *stream) handle(data copyData) error {
	// Only this goroutine stores.
	if last := max(data.start, data.end); uint64(last) > s.seen.Load() {
		s.seen.Store(uint64(last))
	}
	if data.frame != nil {
		return s.handler.Frame(data.start, data.frame)
	}
	if !data.replyRequested {
		return s.handler.Keepalive(data.end, false)
	}
	// Answer first: the handler may block. Tell again when it is through: a server
	// that shuts down asks once, and waits until this position is confirmed.
	poke(s.asked)
	err := s.handler.Keepalive(data.end, true)
	poke(s.handled)
	return err
}

func (s *stream) op() string {
	return fmt.Sprintf("stream changes at %v", orgcast.LSN(s.seen.Load()))
}

func (s *stream) lost(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return orgcast.WithHint(s.op(), fmt.Errorf("%w: nothing came for %v", ErrSilent, s.config.ReadTimeout),
			"Check the network between: a firewall or NAT may have dropped the connection.")
	}
	return orgcast.WithHint(s.op(), fmt.Errorf("%w in the middle of the stream: %w", ErrDisconnected, oneLine(err)),
		"If this repeats, read the server's log for why it ended the connection.")
}
