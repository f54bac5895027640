package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// transactions looks for what holds a slot back: a new slot waits for every
// transaction of the server that has written, an old one keeps the WAL from
// where the oldest began.
func transactions(ctx context.Context, s *Scene) []Finding {
	var exists bool
	if err := s.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)`, s.config.Slot).Scan(&exists); err != nil {
		return failed("look for the slot", err)
	}
	// A new slot can't be made before the transaction ends: serve waits.
	severity, effect := Fatal, "serve can't make its slot before it ends"
	if exists {
		severity, effect = Warning, "the slot keeps all WAL since it began"
	}
	out, hidden, err := writers(ctx, s, severity, effect)
	if err != nil {
		return failed("look at transactions", err)
	}
	if hidden > 0 {
		out = append(out, found(TransactionsHidden, fmt.Sprintf("%d transactions of other roles have written and are open; since when is hidden from role %s", hidden, s.config.Database.User),
			"to see it: GRANT pg_read_all_stats TO the role, or run doctor with the owner's address in ORGCAST_DATABASE_URL"))
	}
	prepared, err := prepared(ctx, s, severity, effect)
	if err != nil {
		return failed("look at prepared transactions", err)
	}
	if out = append(out, prepared...); len(out) == 0 {
		s.good("transactions: none holds the slot back")
	}
	return out
}

func writers(ctx context.Context, s *Scene, severity Severity, effect string) (out []Finding, hidden int, err error) {
	rows, err := s.conn.Query(ctx, `
		SELECT pid, coalesce(nullif(application_name, ''), '-'), coalesce(usename::text, '-'), extract(epoch FROM clock_timestamp() - xact_start)::float8
		FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() ORDER BY xact_start NULLS LAST`)
	if err != nil {
		return nil, 0, err
	}
	var pid int32
	var application, user string
	var seconds *float64
	_, err = pgx.ForEachRow(rows, []any{&pid, &application, &user, &seconds}, func() error {
		switch {
		case seconds == nil: // of another role's session, without pg_read_all_stats
			hidden++
		case time.Duration(*seconds*float64(time.Second)) >= s.Transaction:
			out = append(out, found(TransactionLong, fmt.Sprintf("a transaction that writes is open for %s (pid %d, application %s, user %s): %s",
				age(time.Duration(*seconds*float64(time.Second))), pid, application, user, effect),
				fmt.Sprintf("let it end, or end it: SELECT pg_terminate_backend(%d)", pid)).as(severity))
		}
		return nil
	})
	return out, hidden, err
}

func prepared(ctx context.Context, s *Scene, severity Severity, effect string) (out []Finding, err error) {
	rows, err := s.conn.Query(ctx, `SELECT transaction::text, owner::text, database::text, extract(epoch FROM clock_timestamp() - prepared)::float8
		FROM pg_prepared_xacts ORDER BY prepared`)
	if err != nil {
		return nil, err
	}
	var xid, owner, database string
	var seconds float64
	_, err = pgx.ForEachRow(rows, []any{&xid, &owner, &database, &seconds}, func() error {
		if since := time.Duration(seconds * float64(time.Second)); since >= s.Transaction {
			// Its name is the application's, and may hold anything.
			out = append(out, found(TransactionPrepared, fmt.Sprintf("a prepared transaction is open for %s (transaction %s, owner %s, database %s): %s", age(since), xid, owner, database, effect),
				"find its name: SELECT gid FROM pg_prepared_xacts WHERE transaction = '"+xid+"', and COMMIT PREPARED or ROLLBACK PREPARED it").as(severity))
		}
		return nil
	})
	return out, err
}
