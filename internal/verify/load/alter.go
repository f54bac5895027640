package load

import (
	"context"
	"errors"
	"fmt"
	"github.com/oikion/orgcast/internal/verify"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A table may have 1,600 columns, those that were dropped included.
const maxColumns = 1000

// ddl is a change of a table by a column that no rule names; "" if enough were
// made. None rewrites the table.
func (w *writer) ddl() string {
	table := pick(w, properties, listings, clients, tasks, notes, activities).name
	column := fmt.Sprintf("extra_%d", w.r.IntN(4))
	if w.r.IntN(2) == 0 {
		return `ALTER TABLE ` + table + ` DROP COLUMN IF EXISTS ` + column
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.columns >= maxColumns {
		return ""
	}
	w.columns++
	return `ALTER TABLE ` + table + ` ADD COLUMN IF NOT EXISTS ` + column + ` ` + pick(w, `text`, `text DEFAULT 'as \ it '' was'`, `int NOT NULL DEFAULT 7`, `jsonb`)
}

// alterInside alters a table among the other statements of a transaction.
func alterInside(ctx context.Context, w *writer) error {
	sql := w.ddl()
	if sql == "" {
		return nil
	}
	if _, err := w.tx.Exec(ctx, `SET LOCAL lock_timeout = '300ms'`); err != nil {
		return err
	}
	_, err := w.exec(ctx, sql)
	return err
}

// alone alters a table by a statement of its own. As a migration does it: it waits
// for the lock a short time only, so that nobody queues up behind it, and tries
// again.
func (w *writer) alone(ctx context.Context, k kind) error {
	w.kind = k.name
	sql := w.ddl()
	if sql == "" {
		return nil
	}
	if _, err := w.conn.Exec(ctx, `SET lock_timeout = '300ms'`); err != nil {
		return err
	}
	for range 5 {
		_, err := w.conn.Exec(ctx, sql)
		if refused, ok := errors.AsType[*pgconn.PgError](err); ok && judge(refused.Code) == ordinary {
			w.stats.failed(err)
			if verify.Pause(ctx, time.Duration(w.r.IntN(300))*time.Millisecond) != nil {
				break
			}
			continue
		}
		if err != nil {
			return err
		}
		w.stats.statement(w.kind, 0)
		break
	}
	_, err := w.conn.Exec(ctx, `SET lock_timeout = '10s'`)
	return err
}
