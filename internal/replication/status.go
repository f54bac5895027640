package replication

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/plant"
)

// statusTimeout bounds the write of one status update.
const statusTimeout = 5 * time.Second

// status is what the status goroutine knows; after its end, the stream's.
type status struct {
	confirmed orgcast.LSN // the largest that was sent
	requested time.Time   // when a reply was last asked for
	buffer    []byte
}

// keepStatus tells the server what is durable until quit: soon after it moved,
// at once when the server asks, and now and then in any case. It asks for a
// reply often enough that silence means a dead connection.
func (s *stream) keepStatus(quit <-chan struct{}) error {
	idle := min(idleStatusInterval, s.config.ReadTimeout/3)
	ticker := time.NewTicker(min(s.config.StatusInterval, idle))
	defer ticker.Stop()
	if err := s.tell(true); err != nil { // where does the server stand?
		return err
	}
	for {
		var err error
		select {
		case <-quit:
			return nil
		case <-s.asked:
			err = s.tell(false)
		case <-s.request:
			err = s.tell(true)
		case <-s.handled:
			err = s.tellMoved(false)
		case <-ticker.C:
			err = s.tellMoved(time.Since(s.status.requested) >= idle)
		}
		if err != nil {
			return err
		}
	}
}

// tellMoved sends a status if the durable position moved, or if request is set,
// which asks for a reply.
func (s *stream) tellMoved(request bool) error {
	if !request && s.confirm() <= s.status.confirmed {
		return nil
	}
	return s.tell(request)
}

func (s *stream) tell(request bool) error {
	if err := s.advance(); err != nil {
		return err
	}
	now := time.Now()
	s.status.buffer = appendStatus(s.status.buffer[:0], s.status.confirmed, now, request)
	if err := s.write(s.status.buffer, statusTimeout); err != nil {
		return err
	}
	if request {
		s.status.requested = now
	}
	if s.config.Hooks.Status != nil {
		s.config.Hooks.Status(s.status.confirmed, request)
	}
	return nil
}

// advance takes the caller's durable position. It never goes back, and never
// beyond what this server sent.
func (s *stream) advance() error {
	durable := s.confirm()
	if plant.NoDuplicateGate { // what came again was put a little further on
		durable = min(durable, orgcast.LSN(s.seen.Load()))
	}
	if seen := orgcast.LSN(s.seen.Load()); durable > seen {
		return fmt.Errorf("confirm %v: %w, which is at %v", durable, ErrUnsentConfirm, seen)
	}
	s.status.confirmed = max(s.status.confirmed, durable)
	return nil
}

func (s *stream) write(b []byte, timeout time.Duration) error {
	err := s.conn.SetWriteDeadline(time.Now().Add(timeout))
	if err == nil {
		_, err = s.conn.Write(b)
	}
	if err != nil {
		return fmt.Errorf("send status: %w: %w", ErrDisconnected, oneLine(err))
	}
	return nil
}

// part confirms a last time, ends the copy and waits for the server to let go of
// the slot. A server in the middle of a large transaction does not hear us: then
// the closed socket tells it.
func (s *stream) part() error {
	if err := s.advance(); err != nil {
		return err
	}
	last := appendStatus(s.status.buffer[:0], s.status.confirmed, time.Now(), false)
	last, err := (&pgproto3.CopyDone{}).Encode(last)
	if err != nil {
		return fmt.Errorf("end stream: %w", err)
	}
	if err := s.write(last, partingTimeout); err != nil {
		return err
	}
	if s.config.Hooks.Status != nil {
		s.config.Hooks.Status(s.status.confirmed, false)
	}
	s.interrupt(partingTimeout)
	for {
		message, err := s.frontend.Receive()
		if err != nil {
			return nil // time is up, or the server closed first: nothing is owed to us
		}
		if _, ok := message.(*pgproto3.ReadyForQuery); ok {
			break
		}
	}
	farewell, err := (&pgproto3.Terminate{}).Encode(s.status.buffer[:0])
	if err != nil {
		return fmt.Errorf("end stream: %w", err)
	}
	return s.write(farewell, partingTimeout)
}
