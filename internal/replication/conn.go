package replication

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/oikion/orgcast"
)

// Conn is a replication connection. It is used from one goroutine;
// [Conn.RequestReply] and [Conn.Close] from any.
type Conn struct {
	config  Config
	pg      *pgconn.PgConn
	socket  *socket
	version int                    // server_version_num
	stream  atomic.Pointer[stream] // while one runs
}

// System is what IDENTIFY_SYSTEM tells.
type System struct {
	// ID names the cluster; it survives failover and is new after initdb.
	ID uint64
	// Timeline is new after each promotion.
	Timeline int32
	// WALEnd is how far the WAL is flushed.
	WALEnd orgcast.LSN
	// Database is the database that the connection is to.
	Database string
}

// closeTimeout bounds the farewell to a server that may be gone.
const closeTimeout = time.Second

// Connect opens a replication connection to config's database with the pinned
// session settings, and checks that what answered is a PostgreSQL that can
// replicate logically and has taken them.
func Connect(ctx context.Context, config Config) (*Conn, error) {
	const op = "connect for replication"
	config, driver, err := config.prepare()
	if err != nil {
		return nil, err
	}
	var last **socket
	driver.DialFunc, last = dial()
	pg, err := pgconn.ConnectConfig(ctx, driver)
	if err != nil {
		return nil, explain(op, starting, err)
	}
	c := &Conn{config: config, pg: pg, socket: *last}
	if err := c.check(ctx, op); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// check refuses a pooler, a server that does not decode, and a session that is
// not as pinned.
func (c *Conn) check(ctx context.Context, op string) error {
	// A pooler that took the replication parameter for nothing takes this command
	// for SQL.
	if _, err := c.IdentifySystem(ctx); err != nil {
		return err
	}
	names := []string{"datestyle", "timezone", "intervalstyle", "bytea_output", "extra_float_digits", "client_encoding"}
	columns := "current_setting('wal_level'), current_setting('server_version_num')"
	for _, name := range names {
		columns += ", current_setting(" + literal(name) + ")"
	}
	row, err := c.queryRow(ctx, op, "SELECT "+columns)
	if err != nil {
		return err
	}
	version, err := strconv.Atoi(row[1])
	if err != nil {
		return fmt.Errorf("%s: parse server version: %w", op, err)
	}
	// From version 19 on, the first logical slot switches logical decoding on.
	if row[0] != "logical" && version < 190000 {
		return orgcast.WithHint(op, fmt.Errorf("%w but %s", ErrNotLogical, row[0]),
			"Set wal_level = logical and restart PostgreSQL (RDS: rds.logical_replication = 1; Cloud SQL: cloudsql.logical_decoding = on; Neon: enable logical replication).")
	}
	for i, name := range names {
		if got, _, _ := strings.Cut(row[2+i], ","); got != session[name] {
			return orgcast.WithHint(op, fmt.Errorf("%w: session has %s %q in place of %q", ErrPooler, name, got, session[name]), poolerHint)
		}
	}
	c.version = version
	if version >= failoverVersion {
		// A parameter that older servers would refuse in the startup packet. It ends
		// the transaction that an exported snapshot lives in.
		if _, err := c.query(ctx, op, "SET transaction_timeout = 0"); err != nil {
			return err
		}
	}
	return nil
}

// IdentifySystem tells which cluster and database this is and where its WAL
// ends.
func (c *Conn) IdentifySystem(ctx context.Context) (System, error) {
	const op = "identify system"
	row, err := c.queryRow(ctx, op, "IDENTIFY_SYSTEM")
	if err != nil {
		return System{}, err
	}
	if len(row) < 4 {
		return System{}, orgcast.WithHint(op, fmt.Errorf("%w: answer of %d columns", ErrPooler, len(row)), poolerHint)
	}
	id, errID := strconv.ParseUint(row[0], 10, 64)
	timeline, errTimeline := strconv.ParseInt(row[1], 10, 32)
	end, errEnd := orgcast.ParseLSN(row[2])
	if err := errors.Join(errID, errTimeline, errEnd); err != nil {
		return System{}, fmt.Errorf("%s: %w", op, err)
	}
	return System{ID: id, Timeline: int32(timeline), WALEnd: end, Database: row[3]}, nil
}

// Server asks which run of which server this connection is to: a text that no
// other has. Two connections by one address may end at two servers, while a
// standby takes over.
func (c *Conn) Server(ctx context.Context) (string, error) {
	row, err := c.queryRow(ctx, "ask which server this is", ServerQuery)
	if err != nil {
		return "", err
	}
	return row[0], nil
}

// ServerQuery is what [Conn.Server] asks, for other connections.
const ServerQuery = "SELECT pg_catalog.pg_postmaster_start_time()::text"

// Close ends the connection. If a stream runs on it, the stream fails; end a
// stream by its context instead, so that what is durable is confirmed.
func (c *Conn) Close() error {
	if s := c.stream.Load(); s != nil {
		return s.conn.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := c.pg.Close(ctx); err != nil {
		return fmt.Errorf("close replication connection: %w", err)
	}
	return nil
}

// query runs a command or SQL text by the simple protocol, the only one of a
// walsender. NULL reads as "".
func query(ctx context.Context, pg *pgconn.PgConn, sql string) ([][]string, error) {
	results, err := pg.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, result := range results {
		for _, values := range result.Rows {
			row := make([]string, len(values))
			for i, v := range values {
				row[i] = string(v)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func (c *Conn) query(ctx context.Context, op, sql string) ([][]string, error) {
	rows, err := query(ctx, c.pg, sql)
	if err != nil {
		return nil, explain(op, asking, err)
	}
	return rows, nil
}

func (c *Conn) queryRow(ctx context.Context, op, sql string) ([]string, error) {
	rows, err := c.query(ctx, op, sql)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, orgcast.WithHint(op, fmt.Errorf("%w: %d rows in place of one", ErrPooler, len(rows)), poolerHint)
	}
	return rows[0], nil
}
