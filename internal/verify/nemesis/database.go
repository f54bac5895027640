//go:build linux

package nemesis

import (
	"context"
	"errors"
	"fmt"
	"github.com/oikion/orgcast/internal/verify"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/verify/house"
)

func databaseCrash(ctx context.Context, n *Nemesis) error {
	c := n.house.Cluster
	return steps(
		func() error { return c.Stop(ctx, "immediate") },
		func() error { return verify.Pause(ctx, n.seconds(0, 2)) },
		func() error { return c.Start(ctx) })
}

func databaseRestart(ctx context.Context, n *Nemesis) error {
	c := n.house.Cluster
	return steps(func() error { return c.Stop(ctx, "fast") }, func() error { return c.Start(ctx) })
}

func bothCrash(ctx context.Context, n *Nemesis) error {
	c, s := n.house.Cluster, n.house.Server
	return steps(
		func() error { return c.Stop(ctx, "immediate") }, s.Kill, s.Start,
		func() error { return verify.Pause(ctx, n.seconds(0, 2)) },
		func() error { return c.Start(ctx) })
}

// databaseFreeze stops the postmaster and all its children.
func databaseFreeze(ctx context.Context, n *Nemesis) error {
	postmaster := n.house.Cluster.Pid()
	if postmaster == 0 {
		return errors.New("PostgreSQL does not run")
	}
	pids := append([]int{postmaster}, childrenOf(postmaster)...)
	signalAll(pids, syscall.SIGSTOP)
	return then(verify.Pause(ctx, n.seconds(11, 13)), func() error {
		signalAll(append(pids, childrenOf(postmaster)...), syscall.SIGCONT)
		return nil
	})
}

func walsenderFreeze(ctx context.Context, n *Nemesis) error {
	pid, err := n.walsender(ctx)
	if err != nil {
		return err
	}
	signalAll([]int{pid}, syscall.SIGSTOP)
	return then(verify.Pause(ctx, n.seconds(14, 17)), func() error {
		signalAll([]int{pid}, syscall.SIGCONT)
		return nil
	})
}

// signalAll signals processes that may have ended meanwhile.
func signalAll(pids []int, s syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, s)
	}
}

func childrenOf(parent int) (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// walsender waits until the server reads its slot, and says by which process.
func (n *Nemesis) walsender(ctx context.Context) (int, error) {
	for {
		text, err := n.house.Ask(ctx, `SELECT active_pid::text FROM pg_replication_slots WHERE slot_name = $1`, house.Slot)
		if err != nil {
			return 0, err
		}
		if pid, err := strconv.Atoi(text); err == nil {
			return pid, nil
		}
		if err := verify.Pause(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

func walsenderEnded(ctx context.Context, n *Nemesis) error {
	pid, err := n.walsender(ctx)
	if err != nil {
		return err
	}
	_, err = n.house.Ask(ctx, `SELECT pg_terminate_backend($1::int)::text`, pid)
	return err
}

func backendsEnded(ctx context.Context, n *Nemesis) error {
	_, err := n.house.Ask(ctx, `SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity WHERE usename = 'orgcast'`)
	return err
}

// dropSlot ends whoever reads the slot, and drops it before he is back.
func (n *Nemesis) dropSlot(ctx context.Context) error {
	for {
		err := n.house.Exec(ctx, fmt.Sprintf(`
			SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '%[1]s' AND active_pid IS NOT NULL;
			SELECT pg_drop_replication_slot('%[1]s')`, house.Slot))
		if err == nil || strings.Contains(err.Error(), "does not exist") {
			return nil
		}
		if err := verify.Pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

func slotDropped(ctx context.Context, n *Nemesis) error { return n.dropSlot(ctx) }

// slotDroppedOffline has the server make a new slot while a transaction is open:
// PostgreSQL waits for its end.
func slotDroppedOffline(ctx context.Context, n *Nemesis) (err error) {
	s := n.house.Server
	conn, err := pgx.Connect(ctx, n.house.URL())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.Background())) }()
	return steps(s.Kill,
		func() error { return n.dropSlot(ctx) },
		func() error { _, err := conn.Exec(ctx, `BEGIN; SELECT pg_current_xact_id()`); return err },
		s.Start,
		func() error { return verify.Pause(ctx, n.seconds(2, 5)) },
		func() error { _, err := conn.Exec(ctx, `COMMIT`); return err })
}

// slotInvalidated fills the WAL until the server's slot holds back more than it
// may, and the truth's does not.
func slotInvalidated(ctx context.Context, n *Nemesis) error {
	s := n.house.Server
	if err := s.Kill(); err != nil {
		return err
	}
	for {
		// A segment that is left early counts whole, and costs nobody the reading of it.
		for range 3 {
			if err := n.house.Exec(ctx, `SELECT pg_logical_emit_message(false, 'verify.fill', 'x'); SELECT pg_switch_wal()`); err != nil {
				return err
			}
		}
		if err := n.house.Exec(ctx, `CHECKPOINT`); err != nil {
			return err
		}
		ours, err := n.house.Ask(ctx, `SELECT (coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), (SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = $1)), 1e12) < 60000000)::text`, n.truthSlot)
		if err != nil {
			return err
		}
		theirs, err := n.house.Ask(ctx, `SELECT (pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) > 150000000)::text FROM pg_replication_slots WHERE slot_name = $1`, house.Slot)
		if err != nil {
			return err
		}
		if ours == "true" && theirs != "false" {
			break
		}
		if err := verify.Pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return steps(
		func() error { return n.house.Exec(ctx, `ALTER SYSTEM SET max_slot_wal_keep_size = '96MB'`) },
		func() error { return n.house.Exec(ctx, `SELECT pg_reload_conf()`) },
		func() error { return n.untilLost(ctx) },
		func() error { return n.house.Exec(ctx, `ALTER SYSTEM RESET max_slot_wal_keep_size`) },
		func() error { return n.house.Exec(ctx, `SELECT pg_reload_conf()`) },
		s.Start)
}

func (n *Nemesis) untilLost(ctx context.Context) error {
	for {
		if err := n.house.Exec(ctx, `CHECKPOINT`); err != nil {
			return err
		}
		status, err := n.house.Ask(ctx, `SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1`, house.Slot)
		if err != nil || status == "lost" || status == "" {
			return err
		}
		if err := verify.Pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// identityLost is a migration that recreates a table carelessly, and an operator
// who runs setup when he is told.
func identityLost(ctx context.Context, n *Nemesis) error {
	return steps(
		func() error { return n.house.Exec(ctx, `ALTER TABLE interactions REPLICA IDENTITY DEFAULT`) },
		func() error { return verify.Pause(ctx, n.seconds(1, 4)) },
		func() error { return n.house.SetUp(ctx) })
}
