package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/replication"
)

// prepare continues the log from the slot or, where that would leave a gap,
// begins both anew.
func (s *source) prepare(ctx context.Context, conn *pgx.Conn, replica *replication.Conn, w wal) (orgcast.Epoch, error) {
	system, err := replica.IdentifySystem(ctx)
	if err != nil {
		return 0, err
	}
	slot, err := replication.ReadSlot(ctx, conn, s.slot)
	if err != nil {
		return 0, err
	}
	f := found{
		durable: s.events.Durable(), blind: s.feed.Position() == 0, told: max(s.events.Position(), s.feed.Position()), walEnd: system.WALEnd, slot: slot,
		now: eventlog.Identity{SystemID: system.ID, Timeline: system.Timeline, Database: system.Database, Slot: s.slot, State: w.state, Rules: s.rules.Text(), Tables: w.tables},
	}
	var epoch orgcast.Epoch
	var ok bool
	f.log, epoch, ok = s.events.Identity()
	f.empty = !ok
	if f.history, err = replica.TimelineHistory(ctx, system.Timeline); err != nil {
		return 0, err
	}
	reason := decide(f)
	if reason == "" && s.remade != nil {
		reason = s.remade.Error()
	}
	if reason == "" {
		return epoch, s.goOn(ctx, replica, f)
	}
	if slot != nil && slot.Active {
		return 0, orgcast.WithHint("begin a new epoch",
			fmt.Errorf("%s, and slot %s is read by the process with PID %d", reason, s.slot, slot.ActivePID),
			"Another orgcast reads this slot: this one takes over when it stops.")
	}
	return s.begin(ctx, conn, replica, f, epoch, reason)
}

// goOn notes what is different from when the log was begun.
func (s *source) goOn(ctx context.Context, replica *replication.Conn, f found) error {
	if !f.slot.Active { // or who reads it is told in a moment
		changed, err := replica.KeepFailover(ctx, f.slot)
		if err != nil {
			return err
		}
		if changed {
			s.log.Info("slot altered", "slot", s.slot, "failover", s.replication.Failover)
		}
	}
	if f.log.Timeline != f.now.Timeline {
		s.log.Warn("a standby took over, and has all that the log has: the epoch goes on", "timeline", f.now.Timeline)
		if err := s.events.SetTimeline(f.now.Timeline); err != nil {
			return err
		}
	}
	if f.log.Rules == f.now.Rules && f.log.Tables == f.now.Tables {
		return nil
	}
	narrows := s.rules.Narrows(f.log.Rules) && !joins(f.log.Tables, f.now.Tables)
	s.log.Info("other rules: what was logged by those before is not replayed", "narrower", narrows)
	told := f.told
	if f.blind { // nobody knows how far the process before had come
		told = f.walEnd
	}
	return s.events.ChangeRules(ctx, f.now.Rules, f.now.Tables, told, narrows)
}

// wal is what the log hangs on, besides the WAL itself.
type wal struct {
	// state changes when the log must be begun anew: with rules of which what is
	// indexed is not the work, and where the WAL may have told nothing of some rows: of
	// a publication that was taken away and put back, of operations that were not
	// published for a while, of columns that decide whose a row is and were made anew
	// or rewritten in place, of a partition that was attached or taken away with its
	// rows.
	state string
	// tables has a line name=what for each table that is read. What is another one when the
	// table was taken out of the publication and put back, or made anew.
	tables string
}

// fingerprint reads what the log hangs on.
func (s *source) fingerprint(ctx context.Context, conn *pgx.Conn) (wal, error) {
	names := make([]string, 0, len(s.setup.Tables))
	for _, t := range s.setup.Tables {
		names = append(names, t.String())
	}
	var columns []string // table.column
	var known []string   // the tables of which the log knows every row
	for _, t := range s.router.Snapshots() {
		known = append(known, t.Table.String())
		for _, c := range t.Columns {
			columns = append(columns, t.Table.String()+"."+c)
		}
	}
	// A row of a catalog is another one, with another xmin, each time that it was
	// changed and changed back; one of pg_publication_rel, each time that a table
	// joins.
	var published, tables string
	err := conn.QueryRow(ctx, `SELECT concat_ws(' ', p.oid, p.xmin, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate,
			(SELECT string_agg(concat_ws(':', a.attrelid, a.attnum, a.atttypid, a.xmin), ' ' ORDER BY a.attrelid, a.attnum)
			 FROM pg_catalog.pg_attribute a
			 JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			 WHERE n.nspname || '.' || c.relname || '.' || a.attname = ANY ($3)),
			(SELECT string_agg(concat_ws(':', i.inhrelid, i.inhparent, i.xmin), ' ' ORDER BY i.inhrelid)
			 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			 CROSS JOIN LATERAL pg_catalog.pg_partition_tree(c.oid) t JOIN pg_catalog.pg_inherits i ON i.inhrelid = t.relid
			 WHERE c.relkind = 'p' AND n.nspname || '.' || c.relname = ANY ($4))),
			coalesce((SELECT string_agg(n.nspname || '.' || c.relname || '=' || concat_ws(':', r.oid, r.prrelid), E'\n' ORDER BY r.prrelid)
			 FROM pg_catalog.pg_publication_rel r
			 JOIN pg_catalog.pg_class c ON c.oid = r.prrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			 WHERE r.prpubid = p.oid AND n.nspname || '.' || c.relname = ANY ($2)), '')
		FROM pg_catalog.pg_publication p WHERE p.pubname = $1`, s.setup.Publication, names, columns, known).Scan(&published, &tables)
	if err != nil {
		return wal{}, fmt.Errorf("read publication: %w", err)
	}
	sum := sha256.Sum256([]byte(s.rules.State() + "\n" + published))
	return wal{hex.EncodeToString(sum[:]), tables}, nil
}

// begin makes slot, snapshot and epoch anew.
func (s *source) begin(ctx context.Context, conn *pgx.Conn, replica *replication.Conn, f found, old orgcast.Epoch, reason string) (orgcast.Epoch, error) {
	level := slog.LevelWarn
	if f.empty && f.slot == nil {
		level = slog.LevelInfo
	}
	s.log.Log(ctx, level, "new epoch: clients that resume will refetch", "reason", reason)
	if f.slot != nil {
		if err := replica.DropSlot(ctx); err != nil {
			return 0, err
		}
	}
	snapshot, at, err := replica.CreateSlot(ctx)
	if err != nil {
		return 0, err
	}
	epoch := old
	for epoch == old || epoch == 0 {
		epoch = orgcast.Epoch(rand.Uint32())
	}
	// What was published stays published, whatever the database became.
	receipts, err := s.readReceipts()
	if err != nil {
		return 0, err
	}
	rows, begun := 0, time.Now()
	err = s.events.Begin(ctx, f.now, epoch, at, func(put func(orgcast.StateChange) error) error {
		for i := range receipts {
			if err := put(receipts[i]); err != nil {
				return err
			}
		}
		return copySnapshot(ctx, conn, snapshot, s.router.Snapshots(), func(c orgcast.StateChange) error {
			rows++
			return put(c)
		})
	})
	if err != nil {
		return 0, err
	}
	s.loaded, s.remade = false, nil
	s.log.Info("snapshot read", "rows", rows, "seconds", time.Since(begun).Seconds(), "position", at)
	return epoch, nil
}

// readReceipts reads from the log what was published over HTTP.
func (s *source) readReceipts() (all []orgcast.StateChange, err error) {
	err = s.events.State(func(space orgcast.Space, key, value []byte) error {
		if space == orgcast.SpaceReceipts {
			all = append(all, orgcast.StateChange{Space: space, Key: bytes.Clone(key), Value: bytes.Clone(value)})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read receipts: %w", err)
	}
	return all, nil
}

// load fills router and directory from the log, and puts feed and hub where it
// ends, unless they are there already.
func (s *source) load(epoch orgcast.Epoch) error {
	if s.loaded && !s.feed.Dirty() {
		return s.feed.Begin(epoch)
	}
	s.loaded = false
	s.router.Forget()
	// Nobody is turned away meanwhile: the directory changes in one step.
	err := s.directory.Replace(func(put func(space orgcast.Space, key, value []byte) error) error {
		return s.events.State(func(space orgcast.Space, key, value []byte) error {
			if err := s.router.Load(space, key, value); err != nil {
				return err
			}
			return put(space, key, value)
		})
	})
	if err != nil {
		return err
	}
	if err := s.receipts.Replace(s.events.State); err != nil {
		return err
	}
	if err := s.feed.Begin(epoch); err != nil {
		return err
	}
	s.hub.Reset(epoch, s.feed.Position())
	s.loaded = true
	return nil
}
