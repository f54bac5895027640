package demo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// database is the application's one connection. Its transactions take well
// under a millisecond, and they wait for each other.
type database struct {
	config *pgx.ConnConfig
	turn   chan *pgx.Conn // holds one: nil before the first transaction
}

func newDatabase(url string) (*database, error) {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("configure the demo's database: %w", err)
	}
	// The schema's timestamps are without time zone, UTC by convention.
	c.RuntimeParams["timezone"] = "UTC"
	c.RuntimeParams["application_name"] = "oikion"
	d := &database{config: c, turn: make(chan *pgx.Conn, 1)}
	d.turn <- nil
	return d, nil
}

// do runs f in a transaction. A connection that a request broke, by going away
// in the middle of a statement, is replaced.
func (d *database) do(ctx context.Context, f func(pgx.Tx) error) error {
	var conn *pgx.Conn
	select {
	case conn = <-d.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { d.turn <- conn }()
	if conn == nil || conn.IsClosed() {
		var err error
		if conn, err = pgx.ConnectConfig(ctx, d.config); err != nil {
			return fmt.Errorf("connect to the demo's database: %w", err)
		}
	}
	return pgx.BeginFunc(ctx, conn, f)
}

func (d *database) close(ctx context.Context) error {
	conn := <-d.turn
	d.turn <- nil
	if conn == nil || conn.IsClosed() {
		return nil
	}
	return conn.Close(ctx)
}
