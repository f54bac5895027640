package truth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrGap says that what the slot would tell next is not what comes after the
// last transaction that it told: the truth is lost, and with it the run.
var ErrGap = errors.New("truth: the slot does not go on where we are")

// settings are those on which the text of values hangs, as the product has them.
var settings = map[string]string{
	"datestyle": "ISO", "timezone": "UTC", "intervalstyle": "iso_8601", "bytea_output": "hex", "extra_float_digits": "1",
	"client_encoding": "UTF8", "application_name": "truth",
	// While a large transaction is thought over, nothing is answered.
	"wal_sender_timeout": "10min",
	"statement_timeout":  "0", "idle_session_timeout": "0", "lock_timeout": "0",
}

const connectTimeout = 10 * time.Second

// connect opens a connection, for replication or for queries.
func connect(ctx context.Context, url string, replication bool) (*pgconn.PgConn, error) {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("truth: %w", err)
	}
	config.ConnectTimeout = connectTimeout
	for name, value := range settings {
		config.RuntimeParams[name] = value
	}
	if replication {
		config.RuntimeParams["replication"] = "database"
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("truth: %w", err)
	}
	return conn, nil
}

// shut closes a connection, whatever state it is in.
func shut(conn *pgconn.PgConn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn.Close(ctx) // of what is thrown away nobody needs to know
}

// query asks for one result; its values are text, and null is "".
func query(ctx context.Context, conn *pgconn.PgConn, sql string) (rows [][]string, err error) {
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("truth: %.60s: %w", sql, err)
	}
	for _, row := range results[len(results)-1].Rows {
		var one []string
		for _, v := range row {
			one = append(one, string(v))
		}
		rows = append(rows, one)
	}
	return rows, nil
}

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// create makes the slot, and reads what was there at its beginning.
func (r *Reader) create(ctx context.Context, conn *pgconn.PgConn) (start Snapshot, err error) {
	there, err := query(ctx, conn, "SELECT FROM pg_publication WHERE pubname = "+literal(r.publication))
	if err != nil {
		return start, err
	}
	if len(there) == 0 {
		return start, fmt.Errorf("truth: there is no publication %s yet: orgcast setup makes it", r.publication)
	}
	made, err := pglogrepl.CreateReplicationSlot(ctx, conn, r.slot, "pgoutput", pglogrepl.CreateReplicationSlotOptions{
		Mode: pglogrepl.LogicalReplication, SnapshotAction: "EXPORT_SNAPSHOT",
	})
	if err != nil {
		return start, fmt.Errorf("truth: make slot %s: %w", r.slot, err)
	}
	lsn, err := pglogrepl.ParseLSN(made.ConsistentPoint)
	if err != nil {
		return start, fmt.Errorf("truth: %w", err)
	}
	other, err := connect(ctx, r.url, false)
	if err != nil {
		return start, err
	}
	defer shut(other)
	start, err = snapshot(ctx, other, made.SnapshotName)
	start.LSN = uint64(lsn)
	return start, err
}

// snapshot reads what a snapshot shows.
func snapshot(ctx context.Context, conn *pgconn.PgConn, name string) (s Snapshot, err error) {
	s = Snapshot{Parents: map[string]map[string]string{}, Organizations: map[string]string{}}
	if _, err := query(ctx, conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT "+literal(name)); err != nil {
		return s, err
	}
	rows, err := query(ctx, conn, `SELECT id, "userId", "organizationId", role FROM organization_members`)
	if err != nil {
		return s, err
	}
	for _, r := range rows {
		s.Memberships = append(s.Memberships, Membership{r[0], r[1], r[2], r[3]})
	}
	for _, table := range []string{"properties", "clients"} {
		known := map[string]string{}
		if rows, err = query(ctx, conn, `SELECT id, "organizationId" FROM `+table); err != nil {
			return s, err
		}
		for _, r := range rows {
			known[r[0]] = r[1]
		}
		s.Parents[table] = known
	}
	if rows, err = query(ctx, conn, `SELECT id, name FROM organizations`); err != nil {
		return s, err
	}
	for _, r := range rows {
		s.Organizations[r[0]] = r[1]
	}
	_, err = query(ctx, conn, "COMMIT")
	return s, err
}

// resume holds the slot against what we have, and has it told from there on.
func (r *Reader) resume(ctx context.Context, conn *pgconn.PgConn) error {
	rows, err := query(ctx, conn, "SELECT confirmed_flush_lsn, coalesce(wal_status, '') FROM pg_replication_slots WHERE slot_name = "+literal(r.slot))
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("%w: there is no slot %s any more", ErrGap, r.slot)
	}
	if rows[0][1] == "lost" {
		return fmt.Errorf("%w: PostgreSQL has thrown away WAL that slot %s needs", ErrGap, r.slot)
	}
	confirmed, err := pglogrepl.ParseLSN(rows[0][0])
	if err != nil {
		return fmt.Errorf("%w: slot %s stands at %q", ErrGap, r.slot, rows[0][0])
	}
	if uint64(confirmed) > r.reached.Load() {
		return fmt.Errorf("%w: somebody has confirmed %v to slot %s, we only have %v", ErrGap, confirmed, r.slot, pglogrepl.LSN(r.reached.Load()))
	}
	rows, err = query(ctx, conn, "SELECT pg_current_wal_flush_lsn()")
	if err != nil {
		return err
	}
	written, err := pglogrepl.ParseLSN(rows[0][0])
	if err != nil {
		return fmt.Errorf("truth: %w", err)
	}
	if uint64(written) < r.reached.Load() {
		return fmt.Errorf("%w: the database has written up to %v, and told us up to %v", ErrGap, written, pglogrepl.LSN(r.reached.Load()))
	}
	return pglogrepl.StartReplication(ctx, conn, r.slot, 0, pglogrepl.StartReplicationOptions{
		Mode:       pglogrepl.LogicalReplication,
		PluginArgs: []string{"proto_version '1'", "publication_names " + literal(`"`+strings.ReplaceAll(r.publication, `"`, `""`)+`"`), "messages 'true'"},
	})
}
