package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/replication"
)

// server is what the database's server is set to.
type server struct {
	version     int // server_version_num
	versionText string
	// commit is synchronous_commit, and commitSource who says so in this session.
	commit, commitSource string
	// asyncFor are the roles and databases for which it is off.
	asyncFor []string
	standbys string // synchronous_standby_names
	// visible is ours: that events wait until their commits are visible.
	visible bool
	keep    int64  // max_slot_wal_keep_size in MiB; -1: no bound
	timeout string // wal_sender_timeout
	idle    string // idle_replication_slot_timeout, "" before PostgreSQL 18
	maxWAL  int    // max_wal_senders
	senders int    // walsenders now
}

func readServer(ctx context.Context, conn *pgx.Conn) (f server, err error) {
	err = conn.QueryRow(ctx, `
		SELECT current_setting('server_version_num')::int, current_setting('server_version'), c.setting, c.source, current_setting('synchronous_standby_names'),
		       (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),
		       current_setting('wal_sender_timeout'), coalesce(current_setting('idle_replication_slot_timeout', true), ''),
		       current_setting('max_wal_senders')::int, (SELECT count(*) FROM pg_stat_replication),
		       ARRAY(SELECT CASE WHEN s.setdatabase = 0 THEN format('role %s', r.rolname) WHEN s.setrole = 0 THEN format('database %s', d.datname)
		               ELSE format('role %s in database %s', r.rolname, d.datname) END
		             FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
		             WHERE (s.setdatabase = 0 OR d.datname = current_database())
		               AND EXISTS (SELECT FROM unnest(s.setconfig) c WHERE c ~* '^synchronous_commit=(off|false|no|0)$') ORDER BY 1)
		FROM pg_settings c WHERE c.name = 'synchronous_commit'`).Scan(
		&f.version, &f.versionText, &f.commit, &f.commitSource, &f.standbys, &f.keep, &f.timeout, &f.idle, &f.maxWAL, &f.senders, &f.asyncFor)
	return f, err
}

// minKeep is the least max_slot_wal_keep_size, in MiB, that outlives an ordinary
// restart of orgcast beside a busy application.
const minKeep = 256

func serverSettings(_ context.Context, s *Scene) []Finding {
	out := serverFindings(s.server)
	if len(out) == 0 {
		s.good("server settings: commits are flushed at once, and what a slot may keep is bounded")
	}
	return out
}

func serverFindings(f server) (out []Finding) {
	async := f.asyncFor
	// What a role or database says hides what the instance says.
	if f.commit == "off" && f.commitSource != "database" && f.commitSource != "user" && f.commitSource != "database user" {
		async = append([]string{"the whole server"}, async...)
	}
	for _, who := range async {
		out = append(out, found(CommitAsync, "synchronous_commit is off for "+who+": events of such commits come 160 to 420 ms late, when the WAL is flushed",
			"set synchronous_commit = on there, or SET LOCAL synchronous_commit = on in the transactions that pages wait for"))
	}
	switch {
	case f.standbys == "" && f.visible:
		out = append(out, found(DispatchIdle, "ORGCAST_DISPATCH is visible, and synchronous_standby_names is empty: each event costs a question to the database, and waits for nothing",
			"leave ORGCAST_DISPATCH out, unless a synchronous standby is to come"))
	case f.standbys != "" && !f.visible:
		out = append(out, found(CommitWaits, "synchronous_standby_names is set: an event may come before its commit is seen, so a page that refetches at once may read the old row",
			"set ORGCAST_DISPATCH=visible: events then wait for their commits; or let pages take the event's values"))
	}
	if replication.CountsAsStandby(f.standbys) {
		finding := found(OwnStandby, "synchronous_standby_names is "+f.standbys+", which takes orgcast for a synchronous standby: commits wait for orgcast's disk, or take it for a copy of the database",
			"name the standbys there, without * and without "+replication.DefaultApplicationName)
		if f.visible { // each would wait for the other
			finding = finding.as(Fatal)
		}
		out = append(out, finding)
	}
	switch {
	case f.keep < 0:
		out = append(out, found(WALKeepUnlimited, "max_slot_wal_keep_size is -1: while orgcast is away its slot keeps all WAL, until the database's disk is full",
			"set it to 10 to 20% of the database's disk, such as ALTER SYSTEM SET max_slot_wal_keep_size = '20GB', and reload: a lost slot costs a refetch, a full disk the database"))
	case f.keep < minKeep:
		out = append(out, found(WALKeepSmall, fmt.Sprintf("max_slot_wal_keep_size is %d MiB: a short absence of orgcast loses the slot", f.keep),
			"raise it to 10 to 20% of the database's disk"))
	}
	if f.timeout == "0" {
		out = append(out, found(WALSenderTimeout, "wal_sender_timeout is 0: the server never notices a reader that is gone",
			"nothing is to be done for orgcast, whose connections set 30s themselves; for others set wal_sender_timeout = 60s"))
	}
	if f.idle != "" && f.idle != "0" {
		out = append(out, found(SlotIdleTimeout, "idle_replication_slot_timeout is "+f.idle+": an absence of orgcast that is longer loses the slot",
			"set it to 0, or to more than orgcast is ever away"))
	}
	if free := f.maxWAL - f.senders; free == 1 {
		out = append(out, found(WALSendersFew, fmt.Sprintf("one of %d walsenders is free: orgcast takes one, and a second orgcast that is to take over another", f.maxWAL),
			"raise max_wal_senders and restart PostgreSQL"))
	}
	return out
}

// maxSkew is how far two clocks may be apart before sessions end early or late
// and logs are misread.
const maxSkew = 2 * time.Second

// clock compares the database's clock with ours.
func clock(ctx context.Context, s *Scene) []Finding {
	var there time.Time
	asked := s.Now()
	if err := s.conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&there); err != nil {
		return failed("read the database's clock", err)
	}
	trip := s.Now().Sub(asked)
	skew := there.Sub(asked.Add(trip / 2))
	if skew.Abs() <= maxSkew+trip/2 {
		s.good("clocks: the database's and this machine's agree")
		return nil
	}
	word := "ahead of"
	if skew < 0 {
		word = "behind"
	}
	return []Finding{found(ClockSkew, fmt.Sprintf("the database's clock is %s %s this machine's: sessions end early or late, and ages are wrong", skew.Abs().Round(100*time.Millisecond), word),
		"run NTP on both machines")}
}
