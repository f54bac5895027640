package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// load is several writers at work, through everything that happens to the
// database.
type load struct {
	url           string
	organizations int
	perOrg        int // properties and clients of each, at the start

	committed, changes, children atomic.Int64
	unknown, lost                atomic.Int64 // commits without an answer, connections
	serial                       atomic.Int64 // makes every text its own

	mu    sync.Mutex
	cond  *sync.Cond
	limit int64 // the writers wait when so many are committed
	over  bool
}

func newLoad(url string, organizations, perOrg int) *load {
	l := &load{url: url, organizations: organizations, perOrg: perOrg}
	l.cond = sync.NewCond(&l.mu)
	return l
}

// allow lets the writers go on up to a number of transactions.
func (l *load) allow(limit int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = limit
	l.cond.Broadcast()
}

func (l *load) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	l.cond.Broadcast()
}

// mayGo waits until there is something to write, and tells whether there is.
func (l *load) mayGo() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.over && l.committed.Load() >= l.limit {
		l.cond.Wait()
	}
	return !l.over
}

// write is one writer. A transaction of which it does not hear is not written
// again: only the database knows whether it is there.
func (l *load) write(ctx context.Context, t testing.TB, r *rand.Rand) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			conn.Close(context.WithoutCancel(ctx))
		}
	}()
	notes := []string{}
	for l.mayGo() && ctx.Err() == nil {
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = pgx.Connect(ctx, l.url); err != nil {
				conn = nil
				pause(ctx, 20*time.Millisecond)
				continue
			}
		}
		made, err := l.transaction(ctx, conn, r, notes)
		var refused *pgconn.PgError
		switch {
		case err == nil:
			notes = append(notes, made...)
			if len(notes) > 500 {
				notes = notes[len(notes)-500:]
			}
		case ctx.Err() != nil:
		case errors.As(err, &refused) && (refused.Code == "40P01" || refused.Code == "23503" || refused.Code == "23505"):
			// a deadlock with another writer, a parent that it deleted
		case errors.As(err, &refused) && refused.Code[:2] != "57" && refused.Code[:2] != "08":
			t.Errorf("write: %v", err)
			return
		default:
			l.lost.Add(1)
			conn.Close(ctx)
		}
	}
}

// transaction writes one transaction: at least as many changes of notes as of
// anything else. made are the notes that are there now.
func (l *load) transaction(ctx context.Context, conn *pgx.Conn, r *rand.Rand, notes []string) (made []string, err error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	o := 1 + r.IntN(l.organizations)
	var changes, children int64
	do := func(child bool, sql string, args ...any) error {
		tag, err := tx.Exec(ctx, sql, args...)
		changes += tag.RowsAffected()
		if child {
			children += tag.RowsAffected()
		}
		return err
	}
	text := func() string { return fmt.Sprintf("text %d: \"<b>é\u2028&\n", l.serial.Add(1)) }
	property := func() string { return fmt.Sprintf("property_%d_%d", o, 1+r.IntN(l.perOrg)) }
	client := func() string { return fmt.Sprintf("client_%d_%d", o, 1+r.IntN(l.perOrg)) }
	note := func(property, client any) error {
		id := fmt.Sprintf("note_%d", l.serial.Add(1))
		made = append(made, id)
		return do(true, `INSERT INTO notes (id, content, "propertyId", "clientId", "createdBy") VALUES ($1, $2, $3, $4, 'writer')`, id, text(), property, client)
	}
	known := func() string {
		if len(notes) == 0 {
			return "none yet"
		}
		return notes[r.IntN(len(notes))]
	}
	for range 3 + r.IntN(2) {
		switch k := r.IntN(100); {
		case k < 25:
			err = note(property(), nil)
		case k < 50:
			err = note(nil, client())
		case k < 60:
			err = note(property(), client())
		case k < 61: // whose is it? nobody's
			other := fmt.Sprintf("client_%d_1", 1+o%l.organizations)
			err = note(property(), other)
		case k < 92:
			err = do(true, `UPDATE notes SET content = $2 WHERE id = $1`, known(), text())
		case k < 94: // perhaps to another organization
			err = do(true, `UPDATE notes SET content = $2, "propertyId" = $3, "clientId" = NULL WHERE id = $1`, known(), text(), property())
		default:
			err = do(true, `DELETE FROM notes WHERE id = $1`, known())
		}
		if err != nil {
			return nil, err
		}
	}
	for range 2 + r.IntN(2) {
		switch k := r.IntN(100); {
		case k < 70:
			err = do(false, `UPDATE properties SET description = $2, price = $3 WHERE id = $1`, property(), text(), r.IntN(1_000_000))
		case k < 80:
			err = do(false, `UPDATE clients SET name = $2 WHERE id = $1`, client(), text())
		case k < 86: // a parent, and its child in the same transaction
			id := fmt.Sprintf("new_%d", l.serial.Add(1))
			err = do(false, insertProperty, id, text(), org(o))
			if err == nil {
				err = note(id, nil)
			}
		case k < 90: // a cascade
			err = do(false, `DELETE FROM properties WHERE id = (SELECT id FROM properties WHERE id LIKE 'new_%' AND "organizationId" = $1 ORDER BY id LIMIT 1)`, org(o))
		case k < 94:
			err = do(false, `INSERT INTO clients (id, name, "organizationId", "createdBy", "clientType") VALUES ($1, $2, $3, 'writer', 'PERSON')`,
				fmt.Sprintf("newclient_%d", l.serial.Add(1)), text(), org(o))
		case k < 97:
			err = do(false, `INSERT INTO organization_members (id, "userId", "organizationId") VALUES ($1, 'guest', $2) ON CONFLICT DO NOTHING`,
				fmt.Sprintf("guest_%d", l.serial.Add(1)), org(o))
		default:
			err = do(false, `DELETE FROM organization_members WHERE "userId" = 'guest' AND "organizationId" = $1`, org(o))
		}
		if err != nil {
			return nil, err
		}
	}
	if r.IntN(20) == 0 {
		return nil, tx.Rollback(ctx)
	}
	if err := tx.Commit(ctx); err != nil {
		l.unknown.Add(1)
		return nil, err
	}
	if changes > 0 {
		l.committed.Add(1)
		l.changes.Add(changes)
		l.children.Add(children)
	}
	return made, nil
}

const insertProperty = `INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType")
	VALUES ($1, 1, $2, $3, 'writer', 'HOUSE', 'AVAILABLE', 'SALE')`
