package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/replication"
)

// inspector is an ordinary connection, used by one at a time.
type inspector struct {
	mu   sync.Mutex
	conn *pgx.Conn
	// broken ends the session: without this connection nobody knows how fresh
	// the feed is.
	broken func(error)
}

var errNoConnection = errors.New("no connection to the database")

// connect opens the ordinary connection: for the checks, the snapshot and the
// barrier. It is never used for a row that is on its way. What it commits, to have
// the WAL flushed, must not wait for a standby.
func (s *source) connect(ctx context.Context, name string) (*pgx.Conn, error) {
	return connect(ctx, s.database, name, "local", s.replication.Accept)
}

// connectPatience bounds the connecting to one server.
const connectPatience = 10 * time.Second

// connect opens a connection whose settings are none of the role's or the
// database's. accept, if not nil, is asked of each server that the URL names.
func connect(ctx context.Context, url, name, commit string, accept pgconn.ValidateConnectFunc) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, orgcast.WithHint("connect", errors.New("the database's URL can't be read"), "Check ORGCAST_DATABASE_URL.")
	}
	for name, value := range map[string]string{
		"application_name": name, "datestyle": "ISO", "timezone": "UTC", "intervalstyle": "iso_8601",
		"bytea_output": "hex", "extra_float_digits": "1", "client_encoding": "UTF8", "search_path": "pg_catalog",
		// A snapshot takes as long as it takes, and a barrier needs its flush.
		"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0", "synchronous_commit": commit,
	} {
		config.RuntimeParams[name] = value
	}
	if accept != nil {
		config.ValidateConnect = replication.Both(config.ValidateConnect, accept)
	}
	config.ConnectTimeout = cmp.Or(config.ConnectTimeout, connectPatience)
	conn, err := pgx.ConnectConfig(ctx, config)
	if errors.Is(err, pgconn.ErrStandbyConnection) {
		return nil, orgcast.WithHint("connect", err, "No server that ORGCAST_DATABASE_URL names is a primary: wait until one is promoted, or promote one.")
	}
	if err != nil {
		return nil, orgcast.WithHint("connect", err, "Check that the database runs, and the role and password of ORGCAST_DATABASE_URL; `orgcast setup` makes the role.")
	}
	return conn, nil
}

// flushTimeout is how long the database may take to say where it is.
const flushTimeout = 5 * time.Second

// flushPosition is where the database's WAL is flushed to, for the barrier.
func (s *source) flushPosition(ctx context.Context) (orgcast.LSN, error) {
	text, err := s.ask(ctx, "SELECT pg_current_wal_flush_lsn()::text")
	if err != nil {
		return 0, err
	}
	at, err := orgcast.ParseLSN(text)
	if err == nil {
		s.flushed.Store(uint64(at))
	}
	return at, err
}

// forcedPosition has all that was committed flushed first: a commit with
// synchronous_commit=off is seen before it is. The message is a transaction of
// its own, whose flush is everybody's.
func (s *source) forcedPosition(ctx context.Context) (orgcast.LSN, error) {
	if _, err := s.ask(ctx, "SELECT pg_logical_emit_message(true, 'orgcast.flush', '')::text"); err != nil {
		return 0, err
	}
	return s.flushPosition(ctx)
}

// visible waits until the database's sessions see all that was handed out.
func (s *source) visible(ctx context.Context) error {
	return s.visibility.wait(ctx, func(ctx context.Context) (string, error) {
		return s.ask(ctx, "SELECT pg_current_snapshot()::text")
	})
}

// ask asks the database for one text.
func (s *source) ask(ctx context.Context, sql string) (string, error) {
	look := s.inspect.Load()
	if look == nil {
		return "", errNoConnection
	}
	return look.ask(ctx, sql)
}

// ask asks for one text.
func (look *inspector) ask(ctx context.Context, sql string) (string, error) {
	look.mu.Lock()
	defer look.mu.Unlock()
	// A query that is cancelled costs pgx its connection, and that the feed: a
	// client that asked and left must not cancel it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	var text string
	if err := look.conn.QueryRow(ctx, sql).Scan(&text); err != nil {
		err = fmt.Errorf("ask the database where it is: %w", err)
		if look.conn.IsClosed() {
			look.broken(err)
		}
		return "", err
	}
	return text, nil
}

// close closes the connection, after whoever asks right now has his answer.
func (look *inspector) close(ctx context.Context) {
	look.mu.Lock()
	defer look.mu.Unlock()
	look.conn.Close(context.WithoutCancel(ctx))
}

// requestReply asks the server where it is.
func (s *source) requestReply() {
	if conn := s.conn.Load(); conn != nil {
		conn.RequestReply()
	}
}
