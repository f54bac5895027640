package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/publish"
)

// maxEmitters is how many connections put published events into the WAL at one
// time. They are opened when they are needed and kept. They are not the change
// feed's: whatever holds one of them up holds no barrier up.
const maxEmitters = 4

// errNotEmitted says that a transaction is not in the WAL and will not be.
var errNotEmitted = errors.New("emit messages: nothing was committed")

// emitters are the connections that published events take into the WAL.
type emitters struct {
	connect func(context.Context) (*pgx.Conn, error)
	free    chan *emitter // all that are not in use
}

// emitter is one of them.
type emitter struct {
	conn *pgx.Conn // nil: not open
}

func newEmitters(connect func(context.Context) (*pgx.Conn, error)) *emitters {
	e := &emitters{connect: connect, free: make(chan *emitter, maxEmitters)}
	for range maxEmitters {
		e.free <- &emitter{}
	}
	return e
}

// busy is how many are in use.
func (e *emitters) busy() int { return maxEmitters - len(e.free) }

// emit commits what seal makes for the database's time, as one transaction. An
// error that is not [errNotEmitted] leaves open whether it was committed.
func (e *emitters) emit(ctx context.Context, seal func(now time.Time) ([][]byte, error)) error {
	var one *emitter
	select {
	case one = <-e.free:
	case <-ctx.Done():
		return fmt.Errorf("%w: wait for a connection: %w", errNotEmitted, ctx.Err())
	}
	defer func() { e.free <- one }()
	// A seal is made in the database's time, which its commit is held against.
	now, err := one.time(ctx, e.connect)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotEmitted, err)
	}
	messages, err := seal(now)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotEmitted, err)
	}
	return one.emit(ctx, messages)
}

// time asks the database for its time, which also tells that the connection is
// good: one that broke while nobody used it is opened anew.
func (e *emitter) time(ctx context.Context, connect func(context.Context) (*pgx.Conn, error)) (now time.Time, err error) {
	for {
		used := e.conn != nil
		if !used {
			if e.conn, err = connect(ctx); err != nil {
				return now, err
			}
		}
		err = e.conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now)
		if err == nil {
			return now, nil
		}
		e.close(ctx)
		if !used || ctx.Err() != nil {
			return now, fmt.Errorf("ask the database for its time: %w", err)
		}
	}
}

// emit is one statement, and so one transaction. unnest keeps the order; what has
// an effect is not left out, although nobody reads it.
func (e *emitter) emit(ctx context.Context, messages [][]byte) error {
	var emitted int
	err := e.conn.QueryRow(ctx, `SELECT count(*) FROM (
			SELECT pg_logical_emit_message(true, $1, content) FROM unnest($2::bytea[]) AS content) AS emitted`,
		publish.PrefixSealed, messages).Scan(&emitted)
	if err == nil {
		return nil
	}
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if ok && refused.SeverityUnlocalized == "ERROR" || pgconn.SafeToRetry(err) {
		// An error ends the transaction; FATAL may come behind its commit.
		err = fmt.Errorf("%w: %w", errNotEmitted, err)
	}
	e.close(ctx)
	return orgcast.WithHint("emit messages", err, "Look at the database's log; the role of ORGCAST_DATABASE_URL needs EXECUTE on pg_logical_emit_message, which everybody has unless it was revoked.")
}

func (e *emitter) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = e.conn.Close(ctx) // it is given up, whatever it says
	e.conn = nil
}

// close closes all. Nobody may be emitting.
func (e *emitters) close(ctx context.Context) {
	for range maxEmitters {
		if one := <-e.free; one.conn != nil {
			one.close(ctx)
		}
	}
}
