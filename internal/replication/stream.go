package replication

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/plant"
)

// Handler takes what the slot sends, in its order, on the goroutine of
// [Conn.Stream]. An error ends the stream and is returned by it.
type Handler interface {
	// Frame takes one pgoutput message. start is its place in the WAL (for a
	// commit, the transaction's end), 0 where it has none. The frame aliases the
	// connection's buffer: it is good until Frame returns.
	Frame(start orgcast.LSN, frame []byte) error
	// Keepalive takes the server's position: everything that it has to send of
	// what was committed below end was handed to Frame before. It may lie below an
	// earlier one on a new connection, where decoding starts over.
	Keepalive(end orgcast.LSN, replyRequested bool) error
}

// partingTimeout bounds the orderly end of a stream.
const partingTimeout = time.Second

// stream is one run of START_REPLICATION, on a connection that nobody else uses.
type stream struct {
	config   *Config
	conn     net.Conn // what is written to: TLS, or the socket itself
	socket   *socket
	frontend *pgproto3.Frontend
	confirm  func() orgcast.LSN
	handler  Handler

	seen    atomic.Uint64 // the largest position the server sent, or began with
	stopped atomic.Bool
	status  status
	asked   chan struct{} // the server wants a status at once
	request chan struct{} // we want a keepalive
	handled chan struct{} // a keepalive that wanted an answer was handled
}

// Stream starts the slot at start, the caller's own durable end position, and
// runs until ctx ends or something fails. Afterwards c is closed, except after
// an error that came before the server had begun ([ErrSlotActive] and its like),
// when Stream may be called again.
//
// confirm returns up to where everything is durable. It is called from another
// goroutine than the handler's and must not wait. What it returned once must
// survive a crash: after a restart, a start below it is [ErrSlotAhead].
//
// When ctx ends, the position is confirmed a last time and the slot is given
// back before Stream returns ctx's error.
func (c *Conn) Stream(ctx context.Context, start orgcast.LSN, confirm func() orgcast.LSN, h Handler) error {
	if err := c.precheck(ctx, start); err != nil {
		return err
	}
	if err := c.begin(ctx, start); err != nil {
		return err
	}
	hijacked, err := c.pg.Hijack()
	if err != nil {
		return fmt.Errorf("start replication: %w", err)
	}
	s := newStream(&c.config, hijacked.Conn, c.socket, hijacked.Frontend, start, confirm, h)
	c.stream.Store(s)
	defer c.stream.Store(nil)
	return s.run(ctx)
}

// RequestReply asks the server for a keepalive. Requests that meet before one is
// sent become one. Without a running stream it does nothing.
func (c *Conn) RequestReply() {
	if s := c.stream.Load(); s != nil {
		poke(s.request)
	}
}

// precheck refuses what the server would take without a word.
func (c *Conn) precheck(ctx context.Context, start orgcast.LSN) error {
	const op = "start replication"
	system, err := c.IdentifySystem(ctx)
	if err != nil {
		return err
	}
	slot, err := readSlot(ctx, c.pg, c.config.Slot)
	if err != nil {
		return err
	}
	switch {
	case slot == nil:
		return orgcast.WithHint(op, fmt.Errorf("%w: %s does not exist", ErrSlotLost, c.config.Slot), slotLostHint)
	case slot.Lost():
		return orgcast.WithHint(op, fmt.Errorf("%w: %s was invalidated (%s %s)", ErrSlotLost, c.config.Slot, slot.WALStatus, slot.InvalidationReason), slotLostHint)
	case slot.Plugin != "pgoutput" || slot.Database != system.Database:
		return orgcast.WithHint(op, fmt.Errorf("%w: %s is of plugin %q and database %q", ErrSlotForeign, c.config.Slot, slot.Plugin, slot.Database),
			"Slots are cluster-wide: choose another slot name, or drop this slot if nothing reads it.")
	case start < slot.ConfirmedFlush:
		return orgcast.WithHint(op, fmt.Errorf("%w: slot %v, ours %v", ErrSlotAhead, slot.ConfirmedFlush, start),
			"Another process confirmed this slot, or the log was replaced by an older one: changes between the two are not in the log.")
	case start > system.WALEnd:
		return orgcast.WithHint(op, fmt.Errorf("%w: WAL ends at %v, ours %v", ErrBeyondWAL, system.WALEnd, start),
			"The database was restored or failed over to a standby that was behind.")
	}
	return nil
}

// begin sends START_REPLICATION and waits for the server to agree.
func (c *Conn) begin(ctx context.Context, start orgcast.LSN) error {
	const op = "start replication"
	frontend := c.pg.Frontend()
	if plant.NoDuplicateGate { // from where the slot is: all that was not confirmed comes again
		start = 0
	}
	frontend.SendQuery(&pgproto3.Query{String: fmt.Sprintf(
		"START_REPLICATION SLOT %s LOGICAL %v (proto_version '1', publication_names %s, messages 'true')",
		identifier(c.config.Slot), start, literal(identifier(c.config.Publication)))})
	if err := frontend.Flush(); err != nil {
		return explain(op, beginning, err)
	}
	var refused error
	for {
		message, err := c.pg.ReceiveMessage(ctx)
		if err != nil {
			return explain(op, beginning, err)
		}
		switch m := message.(type) {
		case *pgproto3.CopyBothResponse:
			return nil
		case *pgproto3.ErrorResponse:
			refused = explain(op, beginning, pgconn.ErrorResponseToPgError(m))
		case *pgproto3.ReadyForQuery:
			if errors.Is(refused, ErrSlotActive) {
				return c.holder(ctx)
			}
			if refused == nil {
				return fmt.Errorf("%s: server did not begin", op)
			}
			return refused
		}
	}
}

func newStream(config *Config, conn net.Conn, sock *socket, frontend *pgproto3.Frontend, start orgcast.LSN, confirm func() orgcast.LSN, h Handler) *stream {
	s := &stream{
		config: config, conn: conn, socket: sock, frontend: frontend, confirm: confirm, handler: h,
		asked: make(chan struct{}, 1), request: make(chan struct{}, 1), handled: make(chan struct{}, 1),
	}
	s.seen.Store(uint64(start))
	return s
}

// run reads until something ends it, and gives the slot back.
func (s *stream) run(ctx context.Context) error {
	s.socket.watch(s.config.ReadTimeout)
	stopped := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() { defer close(stopped); s.stop() })
	var status sync.WaitGroup
	var statusErr error
	quit := make(chan struct{})
	status.Go(func() {
		statusErr = s.keepStatus(quit)
		switch {
		case errors.Is(statusErr, ErrUnsentConfirm):
			s.stop()
		case statusErr != nil:
			s.interrupt(partingTimeout) // the server may have said why before it went
		}
	})
	sound, err := s.read()
	if !unwatch() {
		<-stopped // or its interrupt would meet the parting
	}
	close(quit)
	status.Wait()

	if err == nil {
		err = ctx.Err()
	}
	if statusErr != nil {
		if _, told := errors.AsType[*pgconn.PgError](err); sound {
			err = errors.Join(err, statusErr)
		} else if !told {
			err = statusErr
		}
		sound = false
	}
	if sound {
		err = errors.Join(err, s.part())
	}
	if closeErr := s.conn.Close(); sound && closeErr != nil {
		err = errors.Join(err, fmt.Errorf("close replication connection: %w", closeErr))
	}
	return err
}

// stop ends the reading at the next message, or now if there is none.
func (s *stream) stop() {
	s.stopped.Store(true)
	s.interrupt(0)
}

func (s *stream) interrupt(after time.Duration) {
	if err := s.socket.limit(after); err != nil {
		s.conn.Close() // no deadline on a socket: it is closed already, or is to be
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
