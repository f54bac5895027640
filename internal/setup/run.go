package setup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oikion/orgcast"
)

// setupLock is the advisory lock that keeps two setups of one database apart:
// the second would record the first one's FULL as what was.
const setupLock = 0x6f7267636173745f // "orgcast_"

// The SQLSTATEs that are told apart.
const (
	insufficientPrivilege = "42501"
	lockNotAvailable      = "55P03"
	dependentObjects      = "2BP01"
	undefinedTable        = "42P01"
	readOnlyTransaction   = "25006"
	objectNotReady        = "55000"
)

func sqlState(err error) string {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pgErr.Code
	}
	return ""
}

// exclusively runs do under the setup lock.
func exclusively(ctx context.Context, conn *pgx.Conn, do func() error) (err error) {
	var free bool
	if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(setupLock)).Scan(&free); err != nil {
		return fmt.Errorf("lock setup: %w", err)
	}
	if !free {
		return orgcast.WithHint("lock setup", errors.New("another setup runs in this database"), "wait for it to end")
	}
	defer func() {
		// A broken connection has freed the lock itself.
		_, unlockErr := conn.Exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(setupLock))
		if err == nil && unlockErr != nil {
			err = fmt.Errorf("unlock setup: %w", unlockErr)
		}
	}()
	return do()
}

// run executes a plan into a report, up to the first step that fails.
func run(ctx context.Context, conn *pgx.Conn, cfg Config, f *facts, p *plan) (*Report, error) {
	report := &Report{Warnings: p.warnings}
	for _, s := range p.steps {
		if !s.done {
			err := attempt(ctx, conn, cfg, s)
			switch state := sqlState(err); {
			case err == nil:
			case s.optional != nil && (state == insufficientPrivilege || state == dependentObjects):
				report.Warnings = append(report.Warnings, *s.optional)
				continue
			default:
				return report, explain(f, s, err)
			}
		}
		report.Steps = append(report.Steps, Step{Name: s.name, Already: s.done})
	}
	return report, nil
}

// attempt makes one step in one transaction. A waiting ALTER TABLE holds up
// every query behind it, so each try is short, and pauses between let the
// application through.
func attempt(ctx context.Context, conn *pgx.Conn, cfg Config, s step) error {
	deadline := time.Now().Add(cfg.LockWait)
	for {
		err := execute(ctx, conn, s.sql, cfg.LockTimeout)
		if sqlState(err) != lockNotAvailable {
			return err
		}
		pause := cfg.LockTimeout/2 + rand.N(cfg.LockTimeout)
		if s.table == nil || time.Now().Add(pause).After(deadline) {
			return orgcast.WithHint("lock table", fmt.Errorf("%w; held by %s", err, holders(ctx, conn, s)),
				"let that transaction end, or end it with SELECT pg_terminate_backend(pid), and run this again: what is done stays done")
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func execute(ctx context.Context, conn *pgx.Conn, sql []string, lockTimeout time.Duration) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = "+strconv.FormatInt(lockTimeout.Milliseconds(), 10)); err != nil {
			return err
		}
		for _, q := range sql {
			// The simple protocol: no plan of a statement with a password
			// in it is kept on the server.
			if _, err := tx.Exec(ctx, q, pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
		}
		return nil
	})
}

// holders names who holds the table. Not their query: it may hold rows' values.
func holders(ctx context.Context, conn *pgx.Conn, s step) string {
	if s.table == nil {
		return "another transaction"
	}
	rows, err := conn.Query(ctx, `
		SELECT DISTINCT format('pid %s (%s, application %s, user %s, %s since %s)', l.pid, coalesce(a.backend_type, 'prepared transaction'),
		       coalesce(nullif(a.application_name, ''), '-'), coalesce(a.usename, '-'), coalesce(a.state, '-'),
		       coalesce(date_trunc('second', a.xact_start)::text, '-'))
		FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'relation' AND l.relation = $1 AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
		  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		  AND NOT ($2 AND l.mode IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock'))
		LIMIT 5`, s.table.oid, s.weak)
	if err != nil {
		return "an unknown transaction"
	}
	who, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(who) == 0 {
		return "a transaction that has ended since"
	}
	return strings.Join(who, ", ")
}

// explain gives a failed step its name and the operator's next step.
func explain(f *facts, s step, err error) error {
	hint := orgcast.Hint(err)
	if hint == "" {
		switch sqlState(err) {
		case insufficientPrivilege:
			hint = s.hint
		case undefinedTable:
			hint = "the table went away meanwhile: run orgcast setup again after the migration"
		case readOnlyTransaction:
			hint = "connect to the primary, without default_transaction_read_only"
		case objectNotReady:
			hint = f.provider.walLevelHint()
		}
	}
	if hint == "" {
		hint = "what is done stays done: run this again, or run the SQL of orgcast setup --print by hand"
	}
	return orgcast.WithHint(s.name, err, hint)
}
