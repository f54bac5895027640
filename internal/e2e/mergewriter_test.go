package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// mergeWriter writes to three organizations at once.
type mergeWriter struct {
	committed, allowed atomic.Int64 // transactions
	serial             atomic.Int64
}

// write commits transactions that touch several organizations each, with other
// writers' open at the same time.
func (w *mergeWriter) write(ctx context.Context, t testing.TB, conn *pgx.Conn, r *rand.Rand) {
	for ctx.Err() == nil {
		if w.committed.Load() >= w.allowed.Load() {
			pause(ctx, 20*time.Millisecond) // slowly: who reads may wait for just this
		}
		err := w.transaction(context.WithoutCancel(ctx), conn, r)
		var refused *pgconn.PgError
		if err != nil && !(errors.As(err, &refused) && (refused.Code == "40P01" || refused.Code == "23503")) { // a deadlock, a parent that another deleted
			t.Errorf("write: %v", err)
			return
		}
		pause(ctx, time.Duration(r.IntN(5))*time.Millisecond)
	}
}

func (w *mergeWriter) transaction(ctx context.Context, conn *pgx.Conn, r *rand.Rand) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	text := func() string { return fmt.Sprintf("text %d", w.serial.Add(1)) }
	var sql []string
	if r.IntN(25) == 0 { // it goes elsewhere: both refetch
		sql = append(sql, fmt.Sprintf(`UPDATE properties SET "organizationId" = 'org_%d', description = '%s' WHERE id = 'wanders'`, 1+r.IntN(3), text()))
	}
	// Always something of both that are followed, in any order.
	organizations := []int{1, 2, 1 + r.IntN(3), 1 + r.IntN(3), 1 + r.IntN(3)}[:2+r.IntN(4)]
	r.Shuffle(len(organizations), func(i, j int) { organizations[i], organizations[j] = organizations[j], organizations[i] })
	if r.IntN(3) == 0 {
		organizations = organizations[:1]
	}
	for _, o := range organizations {
		id, at := w.serial.Add(1), 1+r.IntN(mergePerOrg)
		switch r.IntN(8) {
		case 0, 1:
			sql = append(sql, fmt.Sprintf(`UPDATE properties SET description = '%s' WHERE id = 'property_%d_%d'`, text(), o, at))
		case 2:
			sql = append(sql, fmt.Sprintf(`INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('n_%d', '%s', 'property_%d_%d', 'writer')`, id, text(), o, at))
		case 3:
			sql = append(sql, fmt.Sprintf(`INSERT INTO notes (id, content, "clientId", "createdBy") VALUES ('n_%d', '%s', 'client_%d_%d', 'writer')`, id, text(), o, at))
		case 4: // perhaps nobody's
			sql = append(sql, fmt.Sprintf(`INSERT INTO notes (id, content, "propertyId", "clientId", "createdBy") VALUES ('n_%d', '%s', 'property_%d_%d', 'client_%d_1', 'writer')`, id, text(), o, at, 1+r.IntN(3)))
		case 5:
			sql = append(sql, fmt.Sprintf(`UPDATE clients SET name = '%s' WHERE id = 'client_%d_%d'`, text(), o, at))
		case 6: // a parent and its child, and both are gone again at once
			sql = append(sql, fmt.Sprintf(`INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType") VALUES ('p_%d', 1, '%s', 'org_%d', 'writer', 'HOUSE', 'AVAILABLE', 'SALE')`, id, text(), o),
				fmt.Sprintf(`INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('n_%d', '%s', 'p_%[1]d', 'writer')`, id, text()),
				fmt.Sprintf(`DELETE FROM properties WHERE id = 'p_%d'`, id))
		default: // it never was
			sql = append(sql, `SAVEPOINT s`, fmt.Sprintf(`UPDATE properties SET description = 'never' WHERE id = 'property_%d_%d'`, o, at), `ROLLBACK TO s`)
		}
	}
	for _, statement := range sql {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
		if r.IntN(4) == 0 { // let another's be written in between
			pause(ctx, time.Millisecond)
		}
	}
	if r.IntN(15) == 0 {
		return tx.Rollback(ctx)
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	w.committed.Add(1)
	return nil
}
