package replication

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/oikion/orgcast"
)

// Slot is a replication slot as pg_replication_slots shows it.
type Slot struct {
	Name string
	// Plugin and Database are empty for a physical slot.
	Plugin   string
	Database string
	// WALStatus is reserved, extended, unreserved, lost, or empty for a slot that
	// has reserved nothing yet. Alarm on RetainedBytes: a slot can go from
	// reserved to lost between two looks.
	WALStatus string
	// InvalidationReason is why the slot was invalidated (PostgreSQL 17 and
	// later), or empty.
	InvalidationReason string
	Active             bool
	// ActivePID is the walsender's, 0 if nobody reads the slot.
	ActivePID int32
	Temporary bool
	// Failover tells that standbys may keep a copy of the slot, Synced that it is
	// such a copy (PostgreSQL 17 and later). A copy can be read only after its
	// server was promoted; Synced stays.
	Failover, Synced bool
	// ConfirmedFlush is the last position that the server remembers as confirmed.
	// It goes back after a crash of the server.
	ConfirmedFlush orgcast.LSN
	// Restart is where decoding would begin again: WAL from there on is kept.
	Restart orgcast.LSN
	// RetainedBytes is the WAL that the slot keeps from being removed.
	RetainedBytes int64
	// SafeBytes is how much more WAL can be written before the slot may be lost;
	// meaningless without Limited.
	SafeBytes int64
	// Limited tells that max_slot_wal_keep_size bounds what the slot may keep; false
	// for a lost slot.
	Limited bool
}

// Lost tells that the slot can no longer be read.
func (s *Slot) Lost() bool { return s.WALStatus == "lost" || s.InvalidationReason != "" }

// HeavySlot is how many bytes of WAL are many for a slot to keep.
const HeavySlot = 1 << 30

// Heavy tells that the slot keeps more than so many bytes, or more than half of what
// it may.
func (s *Slot) Heavy(bytes int64) bool {
	return !s.Lost() && (s.RetainedBytes > bytes || s.Limited && s.RetainedBytes > s.SafeBytes)
}

// slotColumns names columns of younger servers through to_jsonb, where an absent
// one is NULL.
const slotColumns = `slot_name, plugin, database, wal_status, active, active_pid, temporary,
	confirmed_flush_lsn, restart_lsn,
	pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn),
	safe_wal_size, to_jsonb(s)->>'invalidation_reason', to_jsonb(s)->>'conflicting', to_jsonb(s)->>'failover', to_jsonb(s)->>'synced'`

// ReadSlot looks a slot up. There may be none: nil, nil.
func ReadSlot(ctx context.Context, conn *pgx.Conn, name string) (*Slot, error) {
	return readSlot(ctx, conn.PgConn(), name)
}

func readSlot(ctx context.Context, pg *pgconn.PgConn, name string) (*Slot, error) {
	const op = "read replication slot"
	rows, err := query(ctx, pg, "SELECT "+slotColumns+" FROM pg_catalog.pg_replication_slots s WHERE slot_name = "+literal(name))
	if err != nil {
		return nil, explain(op, asking, err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	slot, err := parseSlot(rows[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return slot, nil
}

func parseSlot(row []string) (*Slot, error) {
	var errs []error
	number := func(s string, bits int) int64 {
		if s == "" {
			return 0
		}
		n, err := strconv.ParseInt(s, 10, bits)
		errs = append(errs, err)
		return n
	}
	position := func(s string) orgcast.LSN {
		if s == "" {
			return 0
		}
		l, err := orgcast.ParseLSN(s)
		errs = append(errs, err)
		return l
	}
	slot := &Slot{
		Name: row[0], Plugin: row[1], Database: row[2], WALStatus: row[3],
		Active: row[4] == "t", ActivePID: int32(number(row[5], 32)), Temporary: row[6] == "t",
		ConfirmedFlush: position(row[7]), Restart: position(row[8]), RetainedBytes: number(row[9], 64),
		SafeBytes: number(row[10], 64), Limited: row[10] != "", InvalidationReason: row[11],
		Failover: row[13] == "true", Synced: row[14] == "true",
	}
	// PostgreSQL 16 has the fact without the reason.
	if slot.InvalidationReason == "" && row[12] == "true" {
		slot.InvalidationReason = "conflicting with recovery"
	}
	return slot, errors.Join(errs...)
}

// holder names who reads the slot. The look-up is a courtesy: what it cannot
// tell stays empty, and its failure is joined to what it was to explain.
func (c *Conn) holder(ctx context.Context) error {
	held := &SlotActiveError{Slot: c.config.Slot}
	failure := orgcast.WithHint("start replication", held, slotActiveHint)
	rows, err := c.query(ctx, "read slot's reader", `SELECT s.active_pid, a.application_name, host(a.client_addr)
		FROM pg_catalog.pg_replication_slots s LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid
		WHERE s.active AND s.slot_name = `+literal(c.config.Slot))
	if err != nil {
		return errors.Join(failure, err)
	}
	if len(rows) == 0 {
		return failure
	}
	pid, err := strconv.ParseInt(rows[0][0], 10, 32)
	if err != nil {
		return errors.Join(failure, fmt.Errorf("parse pid: %w", err))
	}
	held.PID, held.Application, held.Address = int32(pid), rows[0][1], rows[0][2]
	return failure
}
