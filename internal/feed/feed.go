package feed

import (
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/pgoutput"
	"github.com/oikion/orgcast/internal/plant"
	"github.com/oikion/orgcast/internal/route"
)

// Log is where events are kept: see [eventlog.Log].
type Log interface {
	Batch() *eventlog.Batch
	Append(b *eventlog.Batch, end orgcast.LSN, committed time.Time) error
	Position() orgcast.LSN
	Discard() error
}

// Directory is who belongs where.
type Directory interface {
	Apply(changes []orgcast.StateChange) error
}

// Hub hands events to streams.
type Hub interface {
	// Part tells of the events of a part of a large transaction, of which there are
	// some; first says that there were none before.
	Part(events []orgcast.Event, first bool)
	Dispatch(end orgcast.LSN, events []orgcast.Event, changes []orgcast.MemberChange, sessions []orgcast.SessionChange, lapped bool)
	Advance(end orgcast.LSN)
}

// Hooks tells the world what the feed does. Each may be nil.
type Hooks struct {
	// Received is called for every new transaction, after it was routed and before
	// it goes to the log, with when its commit arrived.
	Received func(tx orgcast.Transaction, at time.Time)
	// Dispatching is called for every transaction before it is handed out.
	Dispatching func(tx orgcast.Transaction)
	// Committed is called for every transaction that was dispatched.
	Committed func(tx orgcast.Transaction, changes, events int)
	// Skipped counts transactions that came again.
	Skipped func()
	// Spilled counts transactions too large for memory.
	Spilled func()
	// Large is called when a transaction turns out too large for memory, and with
	// false when it is over, whatever became of it.
	Large func(bool)
}

// Feed takes what the slot sends. It is used by one goroutine.
type Feed struct {
	router    *route.Router
	log       Log
	directory Directory
	hub       Hub
	passed    func(orgcast.LSN)
	hooks     Hooks

	epoch     orgcast.Epoch
	position  orgcast.LSN // everything committed below was dispatched
	learn     func(*orgcast.Relation) error
	await     func(orgcast.Transaction) error
	names     map[uint32]string // of the tables, by OID: see OnTables
	oids      map[string]uint32
	persisted time.Time // when an idle position was last stored
	now       func() time.Time

	inside  bool // between a begin and its commit
	large   bool // it is too large for memory: see large.go
	spool   spool
	decoder *pgoutput.Decoder // of rows
	scout   *pgoutput.Decoder // of what the rows' routing hangs on
	classes map[uint32]route.Class
	out     route.Output

	// of the transaction at hand
	tx        orgcast.Transaction
	received  time.Time
	childSeen bool // a version of a row that asks a parent was looked at
	asks      bool // or one that is gone
	changes   int
	events    int
	parted    bool // some of it is in the log
	lapped    bool // the hub is not given all of it
	// known is what the directory is to learn of the parts.
	known []orgcast.StateChange
	dirty bool // it is half done: router and directory can't be trusted
}

// New returns a feed. passed is told of every position that was dispatched; dir
// is where large transactions are spooled.
func New(router *route.Router, log Log, directory Directory, hub Hub, passed func(orgcast.LSN), dir string, hooks Hooks) *Feed {
	return &Feed{
		router: router, log: log, directory: directory, hub: hub, passed: passed, hooks: hooks,
		spool: spool{dir: dir, limit: spoolMemory}, now: time.Now,
	}
}

// OnNewTypes says what to do about a table that comes with types which the
// router does not know, before its rows are routed: learn them. An OID never
// changes its meaning, so that it is no matter when they are looked up.
func (f *Feed) OnNewTypes(learn func(*orgcast.Relation) error) { f.learn = learn }

// OnCommit says what to wait for before a transaction is routed and stored; its
// end and time are not known yet. What it waits for, all that come after wait for.
// An error leaves nothing half done. It is forgotten with the next [Feed.Begin].
func (f *Feed) OnCommit(await func(orgcast.Transaction) error) { f.await = await }

// Dirty tells whether router and directory must be loaded anew before
// [Feed.Begin]: a transaction was left half done.
func (f *Feed) Dirty() bool { return f.dirty }

// Position is where everything committed below was dispatched. It may lie
// behind the log's: an idle position is not stored each time.
func (f *Feed) Position() orgcast.LSN { return f.position }

// Begin prepares for a new connection, which sends what the log does not have
// for sure, and perhaps what it has.
func (f *Feed) Begin(epoch orgcast.Epoch) error {
	if err := f.forget(); err != nil {
		return err
	}
	f.out.Reset()
	f.inside, f.dirty, f.known, f.await = false, false, nil, nil
	if epoch != f.epoch {
		f.position = 0
	}
	f.epoch, f.position, f.persisted = epoch, max(f.position, f.log.Position()), f.now()
	f.decoder, f.scout = pgoutput.NewDecoder(), pgoutput.NewDecoder()
	f.classes = map[uint32]route.Class{}
	return f.log.Discard()
}

// Frame takes one pgoutput message.
func (f *Feed) Frame(_ orgcast.LSN, frame []byte) error {
	kind, _ := pgoutput.Peek(frame)
	switch {
	case kind == pgoutput.KindBegin:
		f.inside = true
	case !f.inside:
		return f.outside(frame)
	}
	if f.large || !f.spool.fits(frame) {
		if err := f.more(frame); err != nil {
			return err
		}
	} else if err := f.spool.add(frame); err != nil {
		return err
	}
	if kind != pgoutput.KindCommit {
		return nil
	}
	f.inside, f.received = false, f.now()
	if err := f.commit(); err != nil {
		return err
	}
	return f.forget()
}

// forget makes room for the next transaction.
func (f *Feed) forget() error {
	if f.large {
		f.setLarge(false)
	}
	return f.spool.reset()
}

// outside takes what is in no transaction. A message there stands and falls with
// none, and has no place in the order of events: the router refuses it by name.
func (f *Feed) outside(frame []byte) error {
	if kind, _ := pgoutput.Peek(frame); kind != pgoutput.KindMessage {
		return nil
	}
	m, err := f.decoder.Decode(frame)
	if err != nil {
		return err
	}
	f.router.Route(m.Change, &f.out)
	return nil
}

// persistEvery is how often an idle position is stored, so that the slot can be
// confirmed and gives back WAL. Each costs an fsync.
const persistEvery = 5 * time.Second

// Keepalive takes the server's position: all that was committed before end has
// been sent.
func (f *Feed) Keepalive(end orgcast.LSN, replyRequested bool) error {
	if f.inside {
		return nil
	}
	if end > f.position {
		f.position = end
		f.hub.Advance(end)
	}
	f.passed(end) // nothing new, perhaps, but whoever waits must hear it
	if end < f.position {
		return nil // a new connection, on which decoding starts over
	}
	// A server that shuts down waits until all is confirmed, and asks. What is
	// stored already is not stored again.
	if now := f.now(); replyRequested || now.Sub(f.persisted) >= persistEvery {
		f.persisted = now
		return f.log.Append(f.log.Batch(), end, time.Time{})
	}
	return nil
}

// commit routes and stores the spooled transaction, or the rest of a large one, and
// hands it out.
func (f *Feed) commit() error {
	if !f.large {
		if err := f.spool.each(f.look); err != nil {
			return err
		}
	}
	if err := f.spool.each(f.route); err != nil {
		return err
	}
	f.router.Commit(&f.out)
	if f.tx.CommitLSN < f.position {
		f.dirty = false
		if f.hooks.Skipped != nil {
			f.hooks.Skipped()
		}
		return nil
	}
	if plant.TransactionSplit { // its last event waits for the next one's
		plantedSplit(f)
	}
	if f.hooks.Received != nil {
		f.hooks.Received(f.tx, f.received)
	}
	if err := f.log.Append(f.lastBatch(), f.tx.EndLSN, f.tx.CommitTime); err != nil {
		return err
	}
	if err := f.learned(); err != nil {
		return err
	}
	f.position, f.persisted = f.tx.EndLSN, f.now()
	if f.hooks.Dispatching != nil {
		f.hooks.Dispatching(f.tx)
	}
	f.hub.Dispatch(f.tx.EndLSN, f.out.Events, f.out.Members, f.out.Sessions, f.lapped)
	f.passed(f.tx.EndLSN)
	f.out.Reset()
	f.dirty = false
	if f.hooks.Committed != nil {
		f.hooks.Committed(f.tx, f.changes, f.events)
	}
	if f.parted && f.hooks.Spilled != nil {
		f.hooks.Spilled()
	}
	return nil
}

// look goes through the transaction beforehand: it learns the tables, and scans
// parents that come, or are truncated, after a row that may ask for them.
func (f *Feed) look(frame []byte) error {
	kind, oid := pgoutput.Peek(frame)
	switch kind {
	case pgoutput.KindBegin:
		f.childSeen, f.asks = false, false
		m, err := f.scout.Decode(frame)
		if err != nil {
			return err
		}
		if f.await != nil && m.Transaction.CommitLSN >= f.position {
			if err := f.await(m.Transaction); err != nil {
				return err
			}
		}
		f.dirty = true // from here on
	case pgoutput.KindDelete:
		f.asks = f.asks || f.classes[oid]&route.ClassChild != 0
	case pgoutput.KindInsert, pgoutput.KindUpdate:
		class := f.classes[oid]
		if class&route.ClassParent != 0 && f.childSeen {
			m, err := f.scout.Decode(frame)
			if err != nil {
				return err
			}
			f.router.Scan(m.Change)
		}
		if class&route.ClassChild != 0 {
			f.childSeen, f.asks = true, true
		}
	case pgoutput.KindTruncate:
		if f.childSeen {
			m, err := f.scout.Decode(frame)
			if err != nil {
				return err
			}
			f.router.Scan(m.Change)
		}
	case pgoutput.KindRelation:
		m, err := f.scout.Decode(frame)
		if err != nil {
			return err
		}
		if err := f.remade(m.Relation); err != nil {
			return err
		}
		f.classes[oid] = f.router.Class(m.Relation)
		if f.learn != nil && !f.router.Knows(m.Relation) {
			return f.learn(m.Relation)
		}
	case pgoutput.KindType, pgoutput.KindCommit:
		_, err := f.scout.Decode(frame)
		return err
	}
	return nil
}

// route decodes a frame and routes its change.
func (f *Feed) route(frame []byte) error {
	m, err := f.decoder.Decode(frame)
	if err != nil {
		return err
	}
	if plant.NoDuplicateGate { // what comes again gets the place behind all that was
		m.Transaction.CommitLSN = max(m.Transaction.CommitLSN, f.position)
		m.Transaction.EndLSN = max(m.Transaction.EndLSN, f.position+1)
	}
	switch m.Kind {
	case pgoutput.KindBegin:
		f.tx = m.Transaction
		f.changes, f.events, f.parted, f.lapped = 0, 0, false, false
		f.router.Begin(m.Transaction, f.epoch)
	case pgoutput.KindCommit:
		f.tx = m.Transaction
	case pgoutput.KindInsert, pgoutput.KindUpdate, pgoutput.KindDelete, pgoutput.KindTruncate, pgoutput.KindMessage:
		if f.tx.CommitLSN < f.position {
			return nil // it came again; only its tables are news
		}
		f.changes++
		if plant.CursorByRule { // the events count, not the changes
			m.Change.Ordinal = uint64(f.events + len(f.out.Events))
		}
		f.router.Route(m.Change, &f.out)
		size, count := partSize, partEvents
		if f.parted {
			size, count = size/4, count/4
		}
		if f.out.Size() >= size || max(len(f.out.Events), len(f.out.States)) >= count {
			return f.part()
		}
	}
	return nil
}

// batch is what is to be stored now.
func (f *Feed) batch() *eventlog.Batch {
	b := f.log.Batch()
	for i := range f.out.Events {
		b.Event(&f.out.Events[i])
	}
	f.events += len(f.out.Events)
	for _, c := range f.out.States {
		if f.parted {
			b.Stage(f.tx.CommitLSN, c)
		} else {
			b.State(c)
		}
	}
	return b
}

// lastBatch is the transaction's last, or only, one. Of an organization that the
// transaction deletes the log is purged with it: whom it removes still reads the
// transaction itself.
func (f *Feed) lastBatch() *eventlog.Batch {
	b := f.batch()
	for _, o := range f.out.Organizations {
		if o.Begins {
			b.Anew(o.ID)
		} else {
			b.Purge(o.ID)
		}
	}
	return b
}

// learned tells the directory what the transaction changed, all of it at once.
func (f *Feed) learned() error {
	if plant.MembershipLate { // what it does to members, the next one does
		plantedLate(f)
	}
	if f.known == nil {
		return f.directory.Apply(f.out.States)
	}
	all := append(f.known, f.out.States...)
	f.known = nil
	return f.directory.Apply(all)
}
