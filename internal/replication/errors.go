package replication

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/oikion/orgcast"
)

// What can be wrong. Each is found by errors.Is; the hint says what to do.
var (
	// ErrSlotActive: another process reads the slot; see [SlotActiveError]. The
	// connection is still good: Stream may be tried again on it.
	ErrSlotActive = errors.New("replication slot is in use")
	// ErrSlotLost: the slot does not exist or was invalidated. What it held is
	// gone: a new slot, snapshot and epoch.
	ErrSlotLost = errors.New("replication slot is lost")
	// ErrSlotForeign: the slot is another database's or another plugin's.
	ErrSlotForeign = errors.New("replication slot is not ours")
	// ErrSlotExists: CreateSlot found a slot of that name.
	ErrSlotExists = errors.New("replication slot exists already")
	// ErrSlotAhead: the slot was confirmed past the caller's position. The server
	// would go on from there and say nothing: a new epoch.
	ErrSlotAhead = errors.New("replication slot is ahead of our position")
	// ErrBeyondWAL: the server's WAL ends before the caller's position (a restored
	// backup, a promoted standby). The server would drop every commit up to it: a
	// new epoch.
	ErrBeyondWAL = errors.New("our position is beyond the server's WAL")
	// ErrUnsentConfirm: the confirm function returned a position that the server
	// did not send. A bug of the caller's, stopped before the server believes it.
	ErrUnsentConfirm = errors.New("confirmed position was never sent by the server")
	// ErrPublication: the publication does not exist where the slot stands.
	ErrPublication = errors.New("publication does not exist")
	// ErrBlocked: CreateSlot's time was up; see [BlockedError].
	ErrBlocked = errors.New("running transactions hold back the new slot")
	// ErrNotLogical: wal_level is not logical.
	ErrNotLogical = errors.New("wal_level is not logical")
	// ErrVersion: the server is older than PostgreSQL 14.
	ErrVersion = errors.New("PostgreSQL is too old")
	// ErrPooler: what answered is a pooler or proxy that cannot replicate.
	ErrPooler = errors.New("server does not speak the replication protocol")
	// ErrAuthentication: the role or its password is wrong.
	ErrAuthentication = errors.New("authentication refused")
	// ErrHostRefused: pg_hba.conf has no line for this connection.
	ErrHostRefused = errors.New("refused by pg_hba.conf")
	// ErrPermission: the role may not replicate.
	ErrPermission = errors.New("permission denied")
	// ErrLimit: the server is out of connections, walsenders or slots.
	ErrLimit = errors.New("server limit reached")
	// ErrDisconnected: the connection ended, or never came to be. Try again.
	ErrDisconnected = errors.New("connection lost")
	// ErrSilent: nothing came for Config.ReadTimeout. Try again.
	ErrSilent = errors.New("server is silent")
)

// SlotActiveError names who reads the slot. PID is 0 if it was gone before it
// could be asked for; Application and Address are empty where the server does
// not show them.
type SlotActiveError struct {
	Slot        string
	PID         int32
	Application string
	Address     string
}

// Error prints who reads the slot.
func (e *SlotActiveError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("replication slot %q is in use", e.Slot)
	}
	s := fmt.Sprintf("replication slot %q is in use by pid %d", e.Slot, e.PID)
	if e.Application != "" {
		s += fmt.Sprintf(", application %q", e.Application)
	}
	if e.Address != "" {
		s += ", from " + e.Address
	}
	return s
}

// Is makes the error an [ErrSlotActive].
func (e *SlotActiveError) Is(target error) bool { return target == ErrSlotActive }

// phase is where a server's error came, which decides what its code means.
type phase byte

const (
	starting  phase = iota // the startup packet
	asking                 // a command or query
	beginning              // START_REPLICATION
	streaming              // after it
)

// explain turns what the driver or the server said into one of this room's
// errors, with its hint. Server messages may be translated: codes and phases
// decide, and only tokens that a translation keeps.
func explain(op string, p phase, err error) error {
	server, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s: %w", op, oneLine(err)) // nothing is wrong with the connection
		}
		return orgcast.WithHint(op, fmt.Errorf("%w: %w", ErrDisconnected, oneLine(err)), unreachable(p))
	}
	hint, kind := verdict(p, server)
	if kind == nil {
		return orgcast.WithHint(op, server, hint)
	}
	return orgcast.WithHint(op, fmt.Errorf("%w: %w", kind, server), hint)
}

func unreachable(p phase) string {
	if p != starting {
		return ""
	}
	return "Check the host and port of ORGCAST_DATABASE_URL, that the server runs, and the network between."
}

func verdict(p phase, e *pgconn.PgError) (hint string, kind error) {
	switch e.Code {
	case "28P01":
		return "Check the user and password in ORGCAST_DATABASE_URL; orgcast setup prints the role it made.", ErrAuthentication
	case "28000":
		if strings.Contains(e.Message, "pg_hba.conf") {
			return "Allow the role in pg_hba.conf for the database's own name: logical replication does not use the keyword replication.", ErrHostRefused
		}
		return "Check that the role in ORGCAST_DATABASE_URL exists and has LOGIN; orgcast setup makes it.", ErrAuthentication
	case "42501":
		return "Run orgcast setup: the role needs REPLICATION (on RDS: GRANT rds_replication).", ErrPermission
	case "3D000":
		return "Check the database's name in ORGCAST_DATABASE_URL.", nil
	case "53300":
		return "Raise max_wal_senders or max_connections, or the role's own connection limit.", ErrLimit
	case "53400":
		return "Raise max_replication_slots, or drop a slot that nobody reads (pg_replication_slots).", ErrLimit
	case "42601", "08P01", "0A000":
		// PostgreSQL itself knows every parameter and command that we send.
		if p == starting || p == asking {
			return poolerHint, ErrPooler
		}
	case "55006":
		return slotActiveHint, ErrSlotActive
	case "42710":
		return "Choose another slot name, or drop this one if nothing reads it.", ErrSlotExists
	case "42704":
		switch p {
		case starting: // a session setting that it does not know
			return "PostgreSQL 14 or later is needed.", ErrVersion
		case streaming:
			return publicationHint, ErrPublication
		}
		return slotLostHint, ErrSlotLost
	case "55000":
		if p == beginning || p == streaming {
			return slotLostHint, ErrSlotLost
		}
	}
	if strings.HasPrefix(e.Code, "57P") || strings.HasPrefix(e.Code, "08") {
		return "", ErrDisconnected // the server is starting, stopping, or was told to end this connection
	}
	return "", nil
}

const (
	poolerHint = "Use the direct address of PostgreSQL: PgBouncer, Supavisor, RDS Proxy and the -pooler host of Neon do not replicate. " +
		"Set ORGCAST_DATABASE_URL or DIRECT_URL to it."
	slotActiveHint = "Stop the other process, or give this one a slot of its own; a second orgcast takes over when the slot is free."
	slotLostHint   = "A new slot, snapshot and epoch are needed; raise max_slot_wal_keep_size if the server removed it."
	// A slot reads the catalog as it was at its own position.
	publicationHint = "Run orgcast setup. A slot does not see a publication that is younger than itself: drop the slot and let orgcast make a new one."
)

// flat is an error whose text is one line.
type flat struct{ error }

func (f flat) Error() string { return strings.Join(strings.Fields(f.error.Error()), " ") }
func (f flat) Unwrap() error { return f.error }

// oneLine drops the driver's frame, which repeats user and database, and its
// line breaks.
func oneLine(err error) error {
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = e.Unwrap()
	}
	return flat{err}
}
