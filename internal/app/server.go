package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/replication"
)

// accept passes over a server, of several, that was the primary before another one
// took over and has come back as if nothing had happened: it is on an earlier
// timeline than the log. What is written there is lost when it is set right.
func (s *source) accept(ctx context.Context, pg *pgconn.PgConn) error {
	events := s.opened.Load()
	if events == nil {
		return nil // a connection to publish by, before the feed's own
	}
	known, _, ok := events.Identity()
	if !ok {
		return nil
	}
	results, err := pg.Exec(ctx, "SELECT system_identifier::text, pg_walfile_name(pg_current_wal_lsn()) FROM pg_control_system()").ReadAll()
	if err != nil {
		return fmt.Errorf("ask for the timeline: %w", err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return errors.New("ask for the timeline: no answer")
	}
	row := results[0].Rows[0]
	return earlier(known.SystemID, known.Timeline, string(row[0]), string(row[1]))
}

// earlier is an error if a server is on an earlier timeline of a cluster than the
// log. A segment's name begins with its timeline, in hexadecimal.
func earlier(cluster uint64, timeline int32, system, segment string) error {
	const digits = 8
	if len(segment) < digits {
		return fmt.Errorf("read the timeline of segment %q: too short", segment)
	}
	there, err := strconv.ParseInt(segment[:digits], 16, 64)
	if err != nil {
		return fmt.Errorf("read the timeline of segment %q: %w", segment, err)
	}
	if system == strconv.FormatUint(cluster, 10) && there < int64(timeline) {
		return orgcast.WithHint("choose server", fmt.Errorf("it is on timeline %d, and the log on %d: another server took over from it", there, timeline),
			"Stop the old primary, or make it a standby of the new one.")
	}
	return nil
}

// same makes sure that an ordinary connection and the replication connection are
// to one server: while a standby takes over, one address may lead to two.
func same(ctx context.Context, look *inspector, replica *replication.Conn) error {
	here, err := look.ask(ctx, replication.ServerQuery)
	if err != nil {
		return err
	}
	there, err := replica.Server(ctx)
	if err != nil {
		return err
	}
	if here != there {
		return orgcast.WithHint("connect", errors.New("two connections by the same address came to two servers"),
			"Nothing is to be done if a standby is taking over. A balancer must lead to the primary only.")
	}
	return nil
}
