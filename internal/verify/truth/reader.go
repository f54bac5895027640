package truth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/oikion/orgcast/internal/verify"
)

const (
	// statusEvery is how often we confirm what we have, and ask how far the
	// server is: so long may Reached be behind when nothing is committed.
	statusEvery = 100 * time.Millisecond
	// silence is after how long without a word a connection is given up. It is
	// asked for one every statusEvery.
	silence = 20 * time.Second

	firstPause, lastPause = 20 * time.Millisecond, time.Second
)

// Reader reads what is committed, by a slot of its own.
type Reader struct {
	url, slot, publication string
	start                  Snapshot

	// Retry, if not nil, is told why a connection was given up and is made anew.
	Retry func(error)

	conn      *pgconn.PgConn // Open's, for the first Run
	last      uint64         // LSN of the last commit that was told
	reached   atomic.Uint64
	relations map[uint32]relation
	begun     *pglogrepl.BeginMessage // nil outside of a transaction
	changes   []verify.Change
	status    time.Time // when we confirmed last
}

// relation is a table as the WAL calls it at the moment.
type relation struct {
	name    string
	columns []string
	key     []bool // the column is one of the replica identity
}

// Open makes the slot, which must not be there, and reads the snapshot of its
// beginning. The publication must be there. Close frees what Open took, but the
// slot: that goes with the database.
func Open(ctx context.Context, url, slot, publication string) (*Reader, error) {
	r := &Reader{url: url, slot: slot, publication: publication}
	conn, err := connect(ctx, url, true)
	if err != nil {
		return nil, err
	}
	if r.start, err = r.create(ctx, conn); err != nil {
		shut(conn)
		return nil, err
	}
	r.conn = conn
	r.reached.Store(r.start.LSN)
	return r, nil
}

// Snapshot is what was there at the slot's beginning.
func (r *Reader) Snapshot() Snapshot { return r.start }

// Reached is the position up to which every commit was told.
func (r *Reader) Reached() uint64 { return r.reached.Load() }

// Close closes the connection that Open made, if Run did not take it.
func (r *Reader) Close() {
	shut(r.conn)
	r.conn = nil
}

// Run tells every transaction that is committed after the snapshot, once, in
// commit order, until ctx ends; then it returns nil. It survives whatever happens
// to the server or to the connection; ErrGap ends it.
func (r *Reader) Run(ctx context.Context, tell func(verify.Transaction)) error {
	pause := firstPause
	for {
		before := r.reached.Load()
		err := r.follow(ctx, tell)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrGap):
			return err
		}
		if r.Retry != nil {
			r.Retry(err)
		}
		if r.reached.Load() > before {
			pause = firstPause
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		pause = min(2*pause, lastPause)
	}
}

// follow is one connection.
func (r *Reader) follow(ctx context.Context, tell func(verify.Transaction)) error {
	conn := r.conn
	r.conn = nil
	if conn == nil {
		var err error
		if conn, err = connect(ctx, r.url, true); err != nil {
			return err
		}
	}
	defer shut(conn)
	asking, cancel := context.WithTimeout(ctx, connectTimeout)
	err := r.resume(asking, conn)
	cancel()
	if err != nil {
		return err
	}
	// A message may wait for long: the end of ctx cuts the connection, and a read's
	// deadline lets us speak.
	defer context.AfterFunc(ctx, func() { conn.Conn().Close() })()
	r.relations, r.begun, r.changes = map[uint32]relation{}, nil, nil
	heard := time.Now()
	for {
		if now := time.Now(); now.Sub(r.status) >= statusEvery {
			if now.Sub(heard) > silence {
				return fmt.Errorf("truth: not a word from the server in %v", silence)
			}
			if err := r.confirm(conn, now); err != nil {
				return err
			}
		}
		m, err := conn.ReceiveMessage(context.Background())
		if err != nil {
			if timeout(err) {
				continue
			}
			return fmt.Errorf("truth: %w", err)
		}
		heard = time.Now()
		switch m := m.(type) {
		case *pgproto3.CopyData:
			if err := r.frame(conn, m.Data, tell); err != nil {
				return err
			}
		case *pgproto3.ErrorResponse:
			return fmt.Errorf("truth: %w", pgconn.ErrorResponseToPgError(m))
		case *pgproto3.NoticeResponse, *pgproto3.ParameterStatus:
		default:
			return fmt.Errorf("truth: the stream of the slot ended with a %T", m)
		}
	}
}

func timeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout() || pgconn.Timeout(err)
}

// confirm confirms what was told, and asks for an answer.
func (r *Reader) confirm(conn *pgconn.PgConn, now time.Time) error {
	if err := conn.Conn().SetDeadline(now.Add(silence)); err != nil {
		return fmt.Errorf("truth: %w", err)
	}
	err := pglogrepl.SendStandbyStatusUpdate(context.Background(), conn, pglogrepl.StandbyStatusUpdate{
		WALWritePosition: pglogrepl.LSN(r.reached.Load()), ReplyRequested: true,
	})
	if err != nil {
		return fmt.Errorf("truth: confirm: %w", err)
	}
	r.status = now
	if err := conn.Conn().SetReadDeadline(now.Add(statusEvery)); err != nil {
		return fmt.Errorf("truth: %w", err)
	}
	return nil
}

// frame is one message of the stream.
func (r *Reader) frame(conn *pgconn.PgConn, data []byte, tell func(verify.Transaction)) error {
	switch data[0] {
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		k, err := pglogrepl.ParsePrimaryKeepaliveMessage(data[1:])
		if err != nil {
			return fmt.Errorf("truth: %w", err)
		}
		if r.begun == nil {
			r.reach(uint64(k.ServerWALEnd))
		}
		if k.ReplyRequested {
			r.status = time.Time{} // at once
		}
		return nil
	case pglogrepl.XLogDataByteID:
		x, err := pglogrepl.ParseXLogData(data[1:])
		if err != nil {
			return fmt.Errorf("truth: %w", err)
		}
		return r.decode(x.WALData, tell)
	}
	return fmt.Errorf("truth: an unknown frame %q", data[0])
}

// reach raises the position. One that was confirmed by an earlier connection may
// be higher.
func (r *Reader) reach(position uint64) {
	if position > r.reached.Load() {
		r.reached.Store(position)
	}
}
