package replication

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/oikion/orgcast"
)

// Blocker is a transaction that a new slot waits for: one that has written and
// has not ended.
type Blocker struct {
	// PID is 0 for a prepared transaction, which no process holds.
	PID         int32
	Application string
	User        string
	// Prepared is the prepared transaction's name, or empty.
	Prepared string
}

// BlockedError tells whom CreateSlot waited for. Blockers is empty if there was
// no connection to ask (Config.Inspect).
type BlockedError struct {
	Waited   time.Duration
	Blockers []Blocker
}

// Error lists the blockers.
func (e *BlockedError) Error() string {
	s := fmt.Sprintf("%v, after %v", ErrBlocked, e.Waited)
	for i, b := range e.Blockers {
		s += []string{": ", ", "}[min(i, 1)]
		if b.Prepared != "" {
			s += fmt.Sprintf("prepared transaction %q of %q", b.Prepared, b.User)
		} else {
			s += fmt.Sprintf("pid %d, application %q of %q", b.PID, b.Application, b.User)
		}
	}
	return s
}

// Is makes the error an [ErrBlocked].
func (e *BlockedError) Is(target error) bool { return target == ErrBlocked }

// CreateSlot makes the slot, permanent, and a snapshot of the database as of the
// slot's first position: a row is in the snapshot or in the stream, never in
// both or neither. The snapshot is for SET TRANSACTION SNAPSHOT on other
// connections, and good until the next call on c.
//
// It waits for every running transaction that has written, at most
// Config.CreateTimeout; after that, as after any cancelled call, c is closed and
// no slot is left.
func (c *Conn) CreateSlot(ctx context.Context) (snapshot string, consistent orgcast.LSN, err error) {
	const op = "create replication slot"
	// A slot never sees a publication that is younger than itself.
	found, err := c.query(ctx, op, "SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = "+literal(c.config.Publication))
	if err != nil {
		return "", 0, err
	}
	if len(found) == 0 {
		return "", 0, orgcast.WithHint(op, fmt.Errorf("%w: %s", ErrPublication, c.config.Publication), "Run orgcast setup.")
	}

	bounded, cancel := context.WithCancel(ctx)
	defer cancel()
	created := make(chan struct{})
	var watch sync.WaitGroup
	var blocked error
	watch.Go(func() {
		timer := time.NewTimer(c.config.CreateTimeout)
		defer timer.Stop()
		select {
		case <-created:
		case <-ctx.Done():
		case <-timer.C:
			blocked = c.blockers(ctx) // before the cancel, while it still waits
			cancel()
		}
	})
	options := "EXPORT_SNAPSHOT"
	if c.config.Failover && c.version >= failoverVersion {
		options = "(SNAPSHOT 'export', FAILOVER true)"
	}
	rows, err := c.query(bounded, op, "CREATE_REPLICATION_SLOT "+identifier(c.config.Slot)+" LOGICAL pgoutput "+options)
	close(created)
	watch.Wait()
	if err != nil {
		if c.pg.IsClosed() {
			<-c.pg.CleanupDone() // the server was told to cancel, and drops the half-made slot
		}
		if blocked != nil && bounded.Err() != nil && ctx.Err() == nil {
			err = orgcast.WithHint(op, blocked, "End these transactions, or wait for them, and start again.")
		}
		return "", 0, err
	}
	if len(rows) != 1 || len(rows[0]) < 3 {
		return "", 0, fmt.Errorf("%s: unexpected answer", op)
	}
	consistent, err = orgcast.ParseLSN(rows[0][1])
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w", op, err)
	}
	return rows[0][2], consistent, nil
}

// inspectTimeout bounds the look-up of the blockers.
const inspectTimeout = 5 * time.Second

// maxBlockers bounds what the error lists.
const maxBlockers = 10

// blockers asks who holds a transaction id. pg_locks shows it to every role;
// pg_stat_activity would hide it.
func (c *Conn) blockers(ctx context.Context) error {
	e := &BlockedError{Waited: c.config.CreateTimeout}
	if c.config.Inspect == nil {
		return e
	}
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	rows, err := query(ctx, c.config.Inspect.PgConn(), `SELECT l.pid, a.application_name, coalesce(a.usename, p.owner), p.gid
		FROM pg_catalog.pg_locks l
		LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
		LEFT JOIN pg_catalog.pg_prepared_xacts p ON l.pid IS NULL AND p.transaction = l.transactionid
		WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
		ORDER BY l.transactionid::text::bigint LIMIT `+strconv.Itoa(maxBlockers))
	if err != nil {
		return errors.Join(e, explain("list blocking transactions", asking, err))
	}
	for _, row := range rows {
		b := Blocker{Application: row[1], User: row[2], Prepared: row[3]}
		if b.Prepared == "" {
			pid, err := strconv.ParseInt(row[0], 10, 32)
			if err != nil {
				return errors.Join(e, fmt.Errorf("parse pid: %w", err))
			}
			b.PID = int32(pid)
		}
		e.Blockers = append(e.Blockers, b)
	}
	return e
}

// DropSlot drops the slot. A slot that does not exist is an [ErrSlotLost], one
// that is read an [ErrSlotActive].
func (c *Conn) DropSlot(ctx context.Context) error {
	_, err := c.query(ctx, "drop replication slot", "DROP_REPLICATION_SLOT "+identifier(c.config.Slot))
	return err
}
