package eventlog

import (
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/oikion/orgcast"
)

// Log is one open event log. Append, Begin, SetTimeline and Discard belong to one
// writer; all else may be called from anywhere.
//
// Locks are taken in the order sweep, write, maintenance, mu or ledger.mu.
type Log struct {
	dir       string
	opts      Options
	db        *pebble.DB
	lock      *pebble.Lock
	recovered error

	write sync.Mutex // one writer, and Close
	batch *Batch
	open  openTransaction // guarded by write
	high  orgcast.Cursor  // last event appended; guarded by write
	stage uint64          // number of the next change that is staged; guarded by write

	maintenance sync.Mutex // retirement against Begin and Discard

	mu       sync.RWMutex
	ready    bool // there is an identity
	identity Identity
	epoch    orgcast.Epoch
	floor    orgcast.Cursor
	refetch  orgcast.Cursor // below it, who comes is told to: see ChangeRules
	// purged are the floors of organizations that were purged, or lost their oldest
	// events, above floor: maxFloors of them, and retention outlives them.
	purged map[orgcast.OrganizationID]orgcast.Cursor
	// purging are those of them whose events are to be deleted.
	purging  map[orgcast.OrganizationID]purge
	segments []segment // ascending; replaced, but for the last, never changed
	closed   bool

	// begins counts the calls of Begin, for readers that one overtakes.
	begins atomic.Uint64
	// discards counts what was discarded: a segment that was closed may be the last one
	// again, and get more.
	discards atomic.Uint64
	position atomic.Uint64
	durable  atomic.Uint64
	// rotate makes the next batch begin a new segment.
	rotate atomic.Bool
	loaded atomic.Bool // Open is through

	unsynced unsynced
	room     room
	pending  atomic.Int64 // batches that are being applied or synced
	progress atomic.Int64 // our clock at the last fsync, or when work began

	failed   atomic.Pointer[error]
	failOnce sync.Once

	replays chan struct{}
	readers sync.WaitGroup

	sweep   chan struct{} // a lock: of who removes events
	stirred chan struct{}
	over    atomic.Bool // the sweeper is to look at the size
	ledger  ledger

	space     space
	witness   witness       // guarded by maintenance, once open
	rewritten chan struct{} // holds one if the MANIFEST has changed since
	bad       damage
	noted     troubles
	wake      chan struct{}
	closing   chan struct{}
	workers   sync.WaitGroup
}

// openTransaction is a transaction of which parts, but not the last, were
// appended.
type openTransaction struct {
	lsn    orgcast.LSN    // zero: none
	last   orgcast.Cursor // of its events; zero if it has none yet
	staged bool           // some state is staged
}

// Identity returns what [Log.Begin] was given. False: the log is empty, and Begin
// must be called first.
func (l *Log) Identity() (Identity, orgcast.Epoch, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.identity, l.epoch, l.ready
}

// Position is the end of the last transaction that was applied.
func (l *Log) Position() orgcast.LSN { return orgcast.LSN(l.position.Load()) }

// Durable is the end of the last transaction that is fsynced.
func (l *Log) Durable() orgcast.LSN { return orgcast.LSN(l.durable.Load()) }

// Floor is the lowest cursor that can be resumed from without a gap, by an
// organization that was not purged: see [Log.FloorOf].
func (l *Log) Floor() orgcast.Cursor {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.floor
}

// Recovered tells why Open set a damaged log aside and began an empty one; nil if
// it did not.
func (l *Log) Recovered() error { return l.recovered }

// fail stops all writing for good.
func (l *Log) fail(err error) {
	l.failOnce.Do(func() {
		l.failed.Store(&err)
		if l.opts.Hooks.Failed != nil {
			l.opts.Hooks.Failed(err)
		}
	})
}

// usable tells why the log can't be written.
func (l *Log) usable() error {
	if err := l.failed.Load(); err != nil {
		return *err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return ErrClosed
	}
	return nil
}

// commit applies a batch beside the writer's and waits for its fsync. It is not
// pebble's Commit, which ends the process when the sync fails.
func (l *Log) commit(b *pebble.Batch) error {
	if err := l.db.ApplyNoSyncWait(b, pebble.Sync); err != nil {
		return err
	}
	if err := b.SyncWait(); err != nil {
		l.fail(err)
		return err
	}
	return b.Close()
}

// Close ends the readers, waits until what was appended is fsynced and closes the
// files. The writer must have stopped.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	l.closed = true
	l.mu.Unlock()
	close(l.closing)
	l.readers.Wait() // a purge is one, and takes its turns at write
	l.write.Lock()
	defer l.write.Unlock()
	l.drain()
	close(l.unsynced.wake)
	l.workers.Wait()
	l.batch.reset()
	return l.closeFiles()
}

func (l *Log) closeFiles() error {
	err := l.db.Close()
	if lockErr := l.lock.Close(); err == nil {
		err = lockErr
	}
	if err != nil {
		return orgcast.WithHint("close log", err, "the next start reads what was fsynced; check the disk")
	}
	return nil
}
