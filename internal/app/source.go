package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/access"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/feed"
	"github.com/oikion/orgcast/internal/hub"
	"github.com/oikion/orgcast/internal/replication"
	"github.com/oikion/orgcast/internal/route"
	"github.com/oikion/orgcast/internal/setup"
)

// source gets the feed going and keeps it going: for ever, after anything.
type source struct {
	log         *slog.Logger
	rules       *route.Rules
	database    string // URL
	slot        string
	setup       setup.Config
	replication replication.Config

	dir         string // of the log
	spool       string
	options     eventlog.Options
	newFeed     func(feed.Log) *feed.Feed
	interrupted func()

	events    *eventlog.Log
	opened    atomic.Pointer[eventlog.Log] // events, for readers
	router    *route.Router
	directory *access.Directory
	hub       *hub.Hub
	feed      *feed.Feed
	barrier   *replication.Barrier
	forced    *replication.Barrier // also of commits that are not flushed: see forcedPosition
	freshness *freshness
	// visibility is of what was handed out.
	visibility visibility

	loaded bool // router and directory hold what the log has
	// conn and inspect are those of the connection at hand, for the barrier.
	conn    atomic.Pointer[replication.Conn]
	inspect atomic.Pointer[inspector]
	flushed atomic.Uint64 // the LSN that the database said last
}

// inspector is an ordinary connection, used by one at a time.
type inspector struct {
	mu   sync.Mutex
	conn *pgx.Conn
	// broken ends the session: without this connection nobody knows how fresh
	// the feed is.
	broken func(error)
}

var errNoConnection = errors.New("no connection to the database")

// start opens the log, then pumps until ctx ends: again and again, after
// whatever breaks. An error is one that trying again can't help.
func (s *source) start(ctx context.Context) error {
	backoff := replication.Backoff{Rand: rand.Float64}
	for ctx.Err() == nil {
		err := s.open()
		if err == nil {
			err = s.session(ctx)
		} else if !errors.Is(err, eventlog.ErrLocked) && !errors.Is(err, eventlog.ErrNoSpace) {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		s.freshness.down(err)
		s.interrupted()
		pause := backoff.Next(time.Now())
		s.log.Warn("change feed interrupted", "error", err, "hint", orgcast.Hint(err), "retry_in", pause.Round(time.Millisecond))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

// open opens the log. Another process may have it: in a rolling deploy, the one
// that is about to end.
func (s *source) open() error {
	if s.events != nil {
		return nil
	}
	if err := os.MkdirAll(s.spool, 0o700); err != nil {
		return orgcast.WithHint("open event log", err, "Set ORGCAST_DATA_DIR to a directory that this user may write.")
	}
	events, err := eventlog.Open(s.dir, s.options)
	if err != nil {
		return err
	}
	if lost := events.Recovered(); lost != nil {
		s.log.Error("event log was damaged and is begun anew; the old one is kept beside it", "error", lost)
	}
	s.events = events
	s.opened.Store(events)
	s.feed = s.newFeed(events)
	return nil
}

// close closes the log, after everything else.
func (s *source) close() error {
	if s.events == nil {
		return nil
	}
	return s.events.Close()
}

// Ready is closed when the feed is fresh for the first time.
func (s *source) Ready() <-chan struct{} { return s.freshness.Ready() }

// Fresh is nil while the feed is where the database is and the log takes what
// comes; else the reason.
func (s *source) Fresh() error {
	if events := s.opened.Load(); events != nil {
		if err := events.Health(); err != nil {
			return err
		}
	}
	return s.freshness.Fresh()
}

// Read reads from the log, for the hub.
func (s *source) Read(ctx context.Context, organization orgcast.OrganizationID, after, upTo orgcast.Cursor, fn func(*orgcast.Event) bool) error {
	return s.opened.Load().Read(ctx, organization, after, upTo, fn)
}

// Floor is the log's, for the hub.
func (s *source) Floor() orgcast.Cursor { return s.opened.Load().Floor() }

// session is one connection, from the first look at the database until
// something breaks.
func (s *source) session(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := s.check(ctx, conn); err != nil {
		return err
	}
	rc := s.replication
	rc.Inspect = conn
	fingerprint, err := s.fingerprint(ctx, conn)
	if err != nil {
		return err
	}
	replica, err := replication.Connect(ctx, rc)
	if err != nil {
		return err
	}
	defer replica.Close()
	epoch, err := s.prepare(ctx, conn, replica, fingerprint)
	if err != nil {
		return err
	}
	if err := s.load(epoch); err != nil {
		return err
	}

	look := &inspector{conn: conn, broken: func(err error) { cancel(err) }}
	learn := func(rel *orgcast.Relation) error { return s.learnTypes(ctx, look, rel) }
	if err := learn(nil); err != nil {
		return err
	}
	s.feed.OnNewTypes(learn)
	s.barrier.Reset()
	s.forced.Reset()
	s.inspect.Store(look)
	s.conn.Store(replica)
	defer func() {
		s.inspect.Store(nil)
		look.mu.Lock() // whoever asks right now has his answer first
		defer look.mu.Unlock()
		conn.Close(context.WithoutCancel(ctx))
	}()
	defer s.conn.Store(nil)
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := s.watch(ctx, look, fingerprint); err != nil {
			cancel(err)
		}
	})
	s.log.Info("streaming", "slot", s.slot, "position", s.feed.Position(), "epoch", epoch)
	start, err := s.settled(ctx)
	if err != nil {
		return err
	}
	err = replica.Stream(ctx, start, s.events.Durable, s.feed)
	cancel(err)
	watching.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// settled waits until all that the connection before had brought is durable: the
// server must not be told of a position that this connection never saw.
func (s *source) settled(ctx context.Context) (orgcast.LSN, error) {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		if durable := s.events.Durable(); durable == s.events.Position() {
			return durable, nil
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// connect opens the ordinary connection: for the checks, the snapshot and the
// barrier. It is never used for a row that is on its way.
func (s *source) connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(s.database)
	if err != nil {
		return nil, orgcast.WithHint("connect", errors.New("the database's URL can't be read"), "Check ORGCAST_DATABASE_URL.")
	}
	for name, value := range map[string]string{
		"application_name": "orgcast inspect", "datestyle": "ISO", "timezone": "UTC", "intervalstyle": "iso_8601",
		"bytea_output": "hex", "extra_float_digits": "1", "client_encoding": "UTF8", "search_path": "pg_catalog",
		// A snapshot takes as long as it takes, and a barrier needs its flush.
		"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0", "synchronous_commit": "on",
	} {
		config.RuntimeParams[name] = value
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, orgcast.WithHint("connect", err, "Check that the database runs, and the role and password of ORGCAST_DATABASE_URL; `orgcast setup` makes the role.")
	}
	return conn, nil
}

// check holds the database against what the rules need.
func (s *source) check(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	state, err := setup.Check(ctx, conn, s.setup)
	if err != nil {
		return err
	}
	var fatal []error
	for _, p := range state.Fatal() {
		fatal = append(fatal, orgcast.WithHint("check database", fmt.Errorf("%s: %s", p.Code, p.Text), p.Hint))
	}
	return errors.Join(fatal...)
}

// prepare continues the log from the slot or, where that would leave a gap,
// begins both anew.
func (s *source) prepare(ctx context.Context, conn *pgx.Conn, replica *replication.Conn, fingerprint string) (orgcast.Epoch, error) {
	system, err := replica.IdentifySystem(ctx)
	if err != nil {
		return 0, err
	}
	slot, err := replication.ReadSlot(ctx, conn, s.slot)
	if err != nil {
		return 0, err
	}
	f := found{
		durable: s.events.Durable(), told: max(s.events.Position(), s.feed.Position()), walEnd: system.WALEnd, slot: slot,
		now: eventlog.Identity{SystemID: system.ID, Timeline: system.Timeline, Database: system.Database, Slot: s.slot, Rules: fingerprint},
	}
	var epoch orgcast.Epoch
	var ok bool
	f.log, epoch, ok = s.events.Identity()
	f.empty = !ok
	if f.history, err = replica.TimelineHistory(ctx, system.Timeline); err != nil {
		return 0, err
	}
	reason := decide(f)
	if reason == "" {
		if f.log.Timeline != f.now.Timeline {
			return epoch, s.events.SetTimeline(f.now.Timeline)
		}
		return epoch, nil
	}
	if slot != nil && slot.Active {
		return 0, orgcast.WithHint("begin a new epoch",
			fmt.Errorf("%s, and slot %s is read by the process with PID %d", reason, s.slot, slot.ActivePID),
			"Another orgcast reads this slot: this one takes over when it stops.")
	}
	return s.begin(ctx, conn, replica, f, epoch, reason)
}

// fingerprint changes when the log must be begun anew: with other rules, of which
// neither what was logged nor what is indexed is the work; and with a table or
// publication that was taken away and put back, of whose rows the WAL has told
// nothing in between.
func (s *source) fingerprint(ctx context.Context, conn *pgx.Conn) (string, error) {
	names := make([]string, 0, len(s.setup.Tables))
	for _, t := range s.setup.Tables {
		names = append(names, t.String())
	}
	// A row of pg_publication_rel is a new one each time that a table joins.
	var published string
	err := conn.QueryRow(ctx, `SELECT concat_ws(' ', p.oid, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate,
			(SELECT string_agg(concat_ws(':', r.oid, r.prrelid), ' ' ORDER BY r.prrelid)
			 FROM pg_catalog.pg_publication_rel r
			 JOIN pg_catalog.pg_class c ON c.oid = r.prrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			 WHERE r.prpubid = p.oid AND n.nspname || '.' || c.relname = ANY ($2)))
		FROM pg_catalog.pg_publication p WHERE p.pubname = $1`, s.setup.Publication, names).Scan(&published)
	if err != nil {
		return "", fmt.Errorf("read publication: %w", err)
	}
	sum := sha256.Sum256([]byte(s.rules.Fingerprint() + "\n" + published))
	return hex.EncodeToString(sum[:]), nil
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
	rows, begun := 0, time.Now()
	err = s.events.Begin(ctx, f.now, epoch, at, func(put func(orgcast.StateChange) error) error {
		return copySnapshot(ctx, conn, snapshot, s.router.Snapshots(), func(c orgcast.StateChange) error {
			rows++
			return put(c)
		})
	})
	if err != nil {
		return 0, err
	}
	s.loaded = false
	s.log.Info("snapshot read", "rows", rows, "seconds", time.Since(begun).Seconds(), "position", at)
	return epoch, nil
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
	if err := s.feed.Begin(epoch); err != nil {
		return err
	}
	s.hub.Reset(epoch, s.feed.Position())
	s.loaded = true
	return nil
}

// learnTypes reads the database's types. Of a table that is given, those that are
// gone by now are taken for text.
func (s *source) learnTypes(ctx context.Context, look *inspector, rel *orgcast.Relation) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	look.mu.Lock()
	defer look.mu.Unlock()
	types, err := readTypes(ctx, look.conn)
	if err != nil {
		return err
	}
	if rel != nil {
		for _, c := range rel.Columns {
			if _, ok := types[c.TypeOID]; !ok {
				types[c.TypeOID] = route.Type{}
			}
		}
	}
	s.router.SetTypes(types)
	return nil
}

// checkEvery is how often the publication and the tables are looked at while
// streaming: a table that a migration made anew sends nothing, not even that.
const checkEvery = 10 * time.Second

// watch looks at the database while the stream runs.
func (s *source) watch(ctx context.Context, look *inspector, fingerprint string) error {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		look.mu.Lock()
		err := s.check(ctx, look.conn)
		now := fingerprint
		if err == nil {
			now, err = s.fingerprint(ctx, look.conn)
		}
		look.mu.Unlock()
		switch {
		case err != nil:
			return err
		case now != fingerprint:
			return orgcast.WithHint("check database", errors.New("the publication, or a table in it, was made anew"),
				"Nothing is to be done: a new epoch begins, and clients refetch.")
		}
	}
}

// flushTimeout is how long the database may take to say where it is.
const flushTimeout = 5 * time.Second

// flushPosition is where the database's WAL is flushed to, for the barrier.
func (s *source) flushPosition(ctx context.Context) (orgcast.LSN, error) {
	text, err := s.ask(ctx, "SELECT pg_current_wal_flush_lsn()::text")
	if err != nil {
		return 0, err
	}
	at, err := orgcast.ParseLSN(text)
	if err == nil {
		s.flushed.Store(uint64(at))
	}
	return at, err
}

// forcedPosition has all that was committed flushed first: a commit with
// synchronous_commit=off is seen before it is. The message is a transaction of
// its own, whose flush is everybody's.
func (s *source) forcedPosition(ctx context.Context) (orgcast.LSN, error) {
	if _, err := s.ask(ctx, "SELECT pg_logical_emit_message(true, 'orgcast.flush', '')::text"); err != nil {
		return 0, err
	}
	return s.flushPosition(ctx)
}

// visible waits until the database's sessions see all that was handed out.
func (s *source) visible(ctx context.Context) error {
	return s.visibility.wait(ctx, func(ctx context.Context) (string, error) {
		return s.ask(ctx, "SELECT pg_current_snapshot()::text")
	})
}

// ask asks the database for one text.
func (s *source) ask(ctx context.Context, sql string) (string, error) {
	look := s.inspect.Load()
	if look == nil {
		return "", errNoConnection
	}
	look.mu.Lock()
	defer look.mu.Unlock()
	// A query that is cancelled costs pgx its connection, and that the feed: a
	// client that asked and left must not cancel it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	var text string
	if err := look.conn.QueryRow(ctx, sql).Scan(&text); err != nil {
		err = fmt.Errorf("ask the database where it is: %w", err)
		if look.conn.IsClosed() {
			look.broken(err)
		}
		return "", err
	}
	return text, nil
}

// requestReply asks the server where it is.
func (s *source) requestReply() {
	if conn := s.conn.Load(); conn != nil {
		conn.RequestReply()
	}
}
