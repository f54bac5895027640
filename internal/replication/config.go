package replication

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/oikion/orgcast"
)

// Defaults of [Config].
const (
	DefaultApplicationName = "orgcast"
	DefaultStatusInterval  = time.Second
	DefaultReadTimeout     = time.Minute
	DefaultCreateTimeout   = 30 * time.Second
	DefaultConnectTimeout  = 15 * time.Second
)

// idleStatusInterval is how often a status goes out when the durable position
// did not move: a third of the wal_sender_timeout that the session pins.
const idleStatusInterval = 10 * time.Second

// Config says what to connect to.
type Config struct {
	// URL is the database's, without parameters that PostgreSQL does not know.
	URL string
	// Slot is the replication slot's name: 1–63 of a–z, 0–9 and _.
	Slot string
	// Publication is the publication's name, unquoted.
	Publication string
	// ApplicationName is what pg_stat_activity shows. Default "orgcast".
	ApplicationName string
	// StatusInterval is how soon the server hears that the durable position
	// moved. Default 1 s. A position that does not move is told every 10 s.
	StatusInterval time.Duration
	// ReadTimeout is the silence after which the connection is dead. Default 60 s.
	ReadTimeout time.Duration
	// CreateTimeout bounds [Conn.CreateSlot], which waits for every transaction
	// that has written. Default 30 s.
	CreateTimeout time.Duration
	// Failover makes the slot one that standbys with sync_replication_slots keep a
	// copy of. PostgreSQL 17 and later; older servers have none, and it is ignored.
	Failover bool
	// Accept, if not nil, is asked of each server that the URL leads to, in order,
	// after target_session_attrs: an error passes it over.
	Accept func(context.Context, *pgconn.PgConn) error
	// Inspect, if not nil, is an ordinary connection that CreateSlot asks, when
	// its time is up, whom it waited for. Nobody else may use it meanwhile.
	Inspect *pgx.Conn
	Hooks   Hooks
}

// Hooks report what happens on a connection. Each may be nil.
type Hooks struct {
	// Status is called after each status update, on its goroutine, with the
	// position that was confirmed and whether the server was asked to reply.
	Status func(confirmed orgcast.LSN, replyRequested bool)
	// Notice is called for each notice or warning of the server, with its
	// SQLSTATE and text.
	Notice func(code, message string)
}

// session pins what would change the text of a row's values, or end a
// connection that only waits. They are sent in the startup packet, which wins
// over ALTER ROLE … SET and ALTER DATABASE … SET.
var session = map[string]string{
	"client_encoding":    "UTF8",
	"datestyle":          "ISO",
	"timezone":           "UTC",
	"intervalstyle":      "iso_8601",
	"bytea_output":       "hex",
	"extra_float_digits": "1",
	"lc_monetary":        "C",
	// The text of regclass and its kin is qualified or not by the search path.
	"search_path": "pg_catalog",
	// Shorter restarts a long unpublished transaction for ever on PostgreSQL 14,
	// which decodes it without looking at our replies.
	"wal_sender_timeout": "30s",
	"statement_timeout":  "0",
	"lock_timeout":       "0",
	// The connection that exported a snapshot is idle in a transaction.
	"idle_in_transaction_session_timeout": "0",
	"idle_session_timeout":                "0",
	// The server's side of a dead network: it frees the slot by itself.
	"tcp_keepalives_idle":     "15",
	"tcp_keepalives_interval": "5",
	"tcp_keepalives_count":    "3",
	"tcp_user_timeout":        "30000",
}

// prepare fills in defaults and makes the driver's configuration.
func (c Config) prepare() (Config, *pgconn.Config, error) {
	c.ApplicationName = cmp.Or(c.ApplicationName, DefaultApplicationName)
	c.StatusInterval = cmp.Or(c.StatusInterval, DefaultStatusInterval)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, DefaultReadTimeout)
	c.CreateTimeout = cmp.Or(c.CreateTimeout, DefaultCreateTimeout)
	if !validSlotName(c.Slot) {
		return c, nil, orgcast.WithHint("configure replication", fmt.Errorf("slot name %q is not valid", c.Slot),
			"A slot's name is 1 to 63 lower-case letters, digits and underscores.")
	}
	if c.Publication == "" || strings.ContainsRune(c.Publication, 0) {
		return c, nil, orgcast.WithHint("configure replication", errors.New("publication name is not valid"),
			"Name the publication that orgcast setup makes.")
	}
	if min(c.StatusInterval, c.ReadTimeout, c.CreateTimeout) < 0 {
		return c, nil, orgcast.WithHint("configure replication", errors.New("negative duration"), "Intervals and timeouts are positive; 0 means the default.")
	}
	driver, err := pgconn.ParseConfig(c.URL)
	if err != nil {
		// The driver's error quotes the URL, and masks only a password that it
		// recognizes.
		return c, nil, orgcast.WithHint("configure replication", errors.New("database URL cannot be parsed"),
			"Write it as postgres://user:password@host:5432/database, with special characters of the password percent-encoded.")
	}
	maps.Copy(driver.RuntimeParams, session)
	driver.RuntimeParams["replication"] = "database"
	driver.RuntimeParams["application_name"] = c.ApplicationName
	driver.ConnectTimeout = cmp.Or(driver.ConnectTimeout, DefaultConnectTimeout)
	if c.Accept != nil {
		driver.ValidateConnect = Both(driver.ValidateConnect, c.Accept)
	}
	driver.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { c.notice(n.Code, n.Message) }
	return c, driver, nil
}

// Both asks two questions of a server; the first may be nil.
func Both(first, second pgconn.ValidateConnectFunc) pgconn.ValidateConnectFunc {
	return func(ctx context.Context, pg *pgconn.PgConn) error {
		if first != nil {
			if err := first(ctx, pg); err != nil {
				return err
			}
		}
		return second(ctx, pg)
	}
}

func (c *Config) notice(code, message string) {
	if c.Hooks.Notice != nil {
		c.Hooks.Notice(code, message)
	}
}

func validSlotName(name string) bool {
	if name == "" || len(name) > 63 {
		return false
	}
	for _, r := range []byte(name) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
			return false
		}
	}
	return true
}

// literal quotes s as an SQL string, for a session with
// standard_conforming_strings.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// identifier quotes s as an SQL name.
func identifier(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
