//go:build linux

package nemesis

import (
	"context"
	"time"
)

// Fault is one way of breaking something.
type Fault struct {
	Name string
	What string // for the report
	// Epoch says that the log can't be continued afterwards, or need not be.
	Epoch bool
	// Early says that what was logged before it may not be replayed afterwards: rules are
	// others, or the log gave up its oldest segments to a disk that is nearly full.
	Early bool
	// Disk says that it needs a file system of its own.
	Disk bool
	do   func(ctx context.Context, n *Nemesis) error
}

// Faults are all of them.
var Faults = []Fault{
	{Name: "kill", What: "the server is killed (-9) and started", do: kill},
	{Name: "kill early", What: "the server is killed, started, and killed again before it is ready", do: killEarly},
	{Name: "freeze", What: "the server is stopped (SIGSTOP) for 1 to 13 s", do: freeze},
	{Name: "redeploy", What: "the server is asked to end (SIGTERM) and started", do: redeploy},
	{Name: "clock", What: "the server's wall clock steps by up to 20 minutes, back or forth", do: clock},
	{Name: "rules", What: "the server is started with another rule file", Early: true, do: rules},

	{Name: "database crash", What: "PostgreSQL stops immediately and is started", do: databaseCrash},
	{Name: "database restart", What: "PostgreSQL is restarted in order", do: databaseRestart},
	{Name: "both crash", What: "PostgreSQL and the server are killed, the server is started first", do: bothCrash},
	{Name: "database freeze", What: "all of PostgreSQL is stopped (SIGSTOP) for 11 to 13 s", do: databaseFreeze},
	{Name: "walsender freeze", What: "the server's walsender is stopped (SIGSTOP) for 14 to 17 s", do: walsenderFreeze},
	{Name: "walsender ended", What: "the server's walsender is terminated", do: walsenderEnded},
	{Name: "backends ended", What: "all connections of the server's role are terminated", do: backendsEnded},
	{Name: "slot dropped", What: "the slot is dropped while the server reads it", Epoch: true, do: slotDropped},
	{Name: "slot dropped offline", What: "the slot is dropped while the server is down; a long transaction holds up the new one", Epoch: true, do: slotDroppedOffline},
	{Name: "slot invalidated", What: "the slot exceeds max_slot_wal_keep_size while the server is down", Epoch: true, do: slotInvalidated},
	{Name: "identity lost", What: "a migration resets a table's replica identity; setup is run later", do: identityLost},

	{Name: "clients cut", What: "all connections of clients are cut", do: clientsCut},
	{Name: "clients slow", What: "the clients' network delays and throttles", do: clientsSlow},
	{Name: "clients half open", What: "the clients' network swallows everything for 6 s", do: clientsHalfOpen},
	{Name: "database cut", What: "the server's connections to PostgreSQL are cut", do: databaseCut},
	{Name: "database slow", What: "the network to PostgreSQL delays and throttles", do: databaseSlow},
	{Name: "database half open", What: "the network to PostgreSQL swallows everything for 15 s", do: databaseHalfOpen},

	{Name: "disk full", What: "the log's disk is full for 6 to 12 s", Early: true, Disk: true, do: diskFull},
	{Name: "disk full at start", What: "the server is started on a full disk", Early: true, Disk: true, do: diskFullAtStart},
	{Name: "disk stuck", What: "the log's disk takes nothing for 3 to 8 s", Disk: true, do: diskStuck},
	{Name: "disk stuck, kill", What: "the log's disk takes nothing for 1 to 3 s, and the server is killed meanwhile", Disk: true, do: diskStuckKill},
	{Name: "log torn", What: "the server is killed and the newest bytes of its log are torn off", Epoch: true, do: logTorn},
	{Name: "log zeroed", What: "the server is killed and the newest bytes of its log are zeroes", Epoch: true, do: logZeroed},
	{Name: "log file lost", What: "the server is killed and the newest file of its log is gone", Epoch: true, do: logFileLost},
	{Name: "data lost", What: "the server is killed and its data directory is gone", Epoch: true, do: dataLost},
}

// seconds is a time between two numbers of seconds.
func (n *Nemesis) seconds(from, to float64) time.Duration {
	return time.Duration((from + n.rand.Float64()*(to-from)) * float64(time.Second))
}
