package load

import (
	"context"
	"errors"
	"fmt"
	"github.com/oikion/orgcast/internal/verify"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// writer is one connection, which comes again when it is lost.
type writer struct {
	*Load
	r    *rand.Rand
	conn *pgx.Conn
	tx   pgx.Tx // the one at hand
	kind string // of the statement at hand
}

// errUnwanted is a transaction that its writer rolls back.
var errUnwanted = errors.New("rolled back on purpose")

// run writes one transaction after another. An error is one that the database
// should not have answered with.
func (w *writer) run(ctx context.Context) error {
	for w.begin(ctx) {
		err := w.one(ctx)
		w.end()
		if err != nil && ctx.Err() == nil {
			switch w.stats.failed(err) {
			case wrong:
				return fmt.Errorf("write %s: %w", w.kind, err)
			case lost:
				w.close(ctx)
				if verify.Pause(ctx, 20*time.Millisecond+time.Duration(w.r.IntN(100))*time.Millisecond) != nil {
					return nil
				}
			}
		}
	}
	return nil
}

// one writes one transaction, or a statement of its own.
func (w *writer) one(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.options.Timeout)
	defer cancel()
	if err := w.connect(ctx); err != nil {
		return err
	}
	if k := w.draw(); k.alone {
		return w.alone(ctx, k)
	}
	return w.transaction(ctx, w.statements)
}

func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil && !w.conn.IsClosed() {
		return nil
	}
	config, err := pgx.ParseConfig(w.options.URL)
	if err != nil {
		return fmt.Errorf("parse the writers' URL: %w", errNoURL)
	}
	// Nothing is prepared: tables change their columns beneath.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	if w.conn, err = pgx.ConnectConfig(ctx, config); err != nil {
		w.conn = nil
		return err
	}
	// No writer waits for ever on another, nor on a client that holds a lock.
	_, err = w.conn.Exec(ctx, `SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s'`)
	return err
}

func (w *writer) close(ctx context.Context) {
	if w.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	w.conn.Close(ctx) // a lost one has no last word
	w.conn = nil
}

// draw is a kind by the weights.
func (w *writer) draw() kind {
	n := w.r.IntN(w.weight)
	for _, k := range w.kinds {
		if n -= k.weight; n < 0 {
			return k
		}
	}
	panic("the weights are more than their sum")
}

// transaction runs statements in a transaction, and notes when its commit was
// acknowledged.
func (w *writer) transaction(ctx context.Context, statements func(context.Context) error) (err error) {
	w.kind = "begin"
	if w.tx, err = w.conn.Begin(ctx); err != nil {
		return err
	}
	if err = statements(ctx); err != nil {
		if back := w.tx.Rollback(ctx); back != nil && errors.Is(err, errUnwanted) {
			return back
		}
		return err
	}
	w.kind = "commit"
	var xid *string // nil: nothing was written
	if err := w.tx.QueryRow(ctx, `SELECT pg_current_xact_id_if_assigned()::text`).Scan(&xid); err != nil {
		return err
	}
	if err := w.tx.Commit(ctx); err != nil {
		return &unknownError{err}
	}
	at := w.options.Clock()
	w.stats.committed()
	if xid == nil {
		return nil
	}
	n, err := strconv.ParseUint(*xid, 10, 64)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked = append(w.acked, Ack{XID: uint32(n), At: at})
	return nil
}

// statements are 1 to 12, some in savepoints; one transaction in twenty is rolled
// back.
func (w *writer) statements(ctx context.Context) error {
	for left := 1 + w.r.IntN(12); left > 0; {
		if w.r.IntN(12) > 0 {
			left--
			if err := w.statement(ctx); err != nil {
				return err
			}
			continue
		}
		some := 1 + w.r.IntN(min(left, 4))
		left -= some
		if err := w.savepoint(ctx, some); err != nil {
			return err
		}
	}
	if w.r.IntN(20) == 0 {
		return errUnwanted
	}
	return nil
}

// savepoint runs some statements in a subtransaction: every second is rolled back,
// and each in which something is refused.
func (w *writer) savepoint(ctx context.Context, some int) error {
	if _, err := w.tx.Exec(ctx, `SAVEPOINT s`); err != nil {
		return err
	}
	back := w.r.IntN(2) == 0
	for range some {
		if err := w.statement(ctx); err != nil {
			if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || judge(refused.Code) != ordinary {
				return err
			}
			w.stats.failed(err)
			back = true
			break
		}
	}
	w.kind = "savepoint"
	if back {
		w.stats.statement("savepoint.rollback", 0)
		if _, err := w.tx.Exec(ctx, `ROLLBACK TO SAVEPOINT s`); err != nil {
			return err
		}
	}
	_, err := w.tx.Exec(ctx, `RELEASE SAVEPOINT s`)
	return err
}

// statement is one of the transaction at hand.
func (w *writer) statement(ctx context.Context) error {
	k := w.draw()
	for k.alone {
		k = w.draw()
	}
	w.kind = k.name
	return k.do(ctx, w)
}

// exec runs one statement of the kind at hand.
func (w *writer) exec(ctx context.Context, sql string, args ...any) (rows int64, err error) {
	tag, err := w.tx.Exec(ctx, sql, args...)
	if err != nil {
		return 0, err
	}
	w.stats.statement(w.kind, tag.RowsAffected())
	return tag.RowsAffected(), nil
}
