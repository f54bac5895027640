package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/access"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/feed"
	"github.com/oikion/orgcast/internal/hub"
	"github.com/oikion/orgcast/internal/plant"
	"github.com/oikion/orgcast/internal/publish"
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
	// receipts are what was published over HTTP.
	receipts *publish.Receipts
	// kept rings when the log has become durable up to another position.
	kept      bell
	hub       *hub.Hub
	feed      *feed.Feed
	barrier   *replication.Barrier
	forced    *replication.Barrier // also of commits that are not flushed: see forcedPosition
	freshness *freshness
	// visibility is of what was handed out; gate, if not nil, of what is to be.
	visibility visibility
	gate       *gate

	loaded  bool              // router and directory hold what the log has
	missing []string          // columns of the rules that the tables lack, as last said
	remade  *feed.RemadeError // if not nil, a new epoch is due
	// conn and inspect are those of the connection at hand, for the barrier.
	conn    atomic.Pointer[replication.Conn]
	inspect atomic.Pointer[inspector]
	flushed atomic.Uint64 // the LSN that the database said last
	seen    slotEye
}

// start opens the log, then pumps until ctx ends: again and again, after
// whatever breaks. An error is one that trying again can't help.
func (s *source) start(ctx context.Context) error {
	backoff := replication.Backoff{Rand: rand.Float64}
	waiting := false // for space
	for ctx.Err() == nil {
		err := s.open()
		if err != nil && !errors.Is(err, eventlog.ErrLocked) && !errors.Is(err, eventlog.ErrNoSpace) {
			return err
		}
		if err == nil {
			err = s.session(ctx)
		}
		if ctx.Err() != nil {
			break
		}
		if s.refuses(err) {
			return err
		}
		if remade, ok := errors.AsType[*feed.RemadeError](err); ok {
			s.remade = remade
			if members := s.membership().String(); remade.Known == members || remade.Told == members {
				s.suspend()
			}
		}
		if s.freshness.Fresh() == nil {
			backoff.Reset() // it had caught up: what broke is a new failure
		}
		if errors.Is(err, errMembers) {
			s.suspend()
			s.freshness.lost(err)
		}
		s.freshness.down(err)
		pause := backoff.Next(time.Now())
		full := errors.Is(err, eventlog.ErrNoSpace)
		if full {
			pause = roomEvery
		}
		if !full || !waiting { // once for each time that it is full
			s.interrupted()
			s.log.Warn("change feed interrupted", "error", err, "hint", orgcast.Hint(err), "retry_in", pause.Round(time.Millisecond))
		}
		waiting = full
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

// roomEvery is how often a disk that was full is looked at again.
const roomEvery = 2 * time.Second

// room is an error while the log's disk is full: nothing is read from the slot
// then, and who waits for it may have it.
func (s *source) room() error {
	if err := s.events.Health(); errors.Is(err, eventlog.ErrNoSpace) {
		return err
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
func (s *source) Fresh() error { return s.freshness.Fresh() }

// health tells why the log takes nothing, nil if it does or is not open yet.
func (s *source) health() error {
	if plant.StaleUntold && s.served() { // nor does the log's trouble count
		return nil
	}
	if events := s.opened.Load(); events != nil {
		return events.Health()
	}
	return nil
}

// Read reads from the log, for the hub.
func (s *source) Read(ctx context.Context, organization orgcast.OrganizationID, after, upTo orgcast.Cursor, fn func(*orgcast.Event) bool) error {
	return s.opened.Load().Read(ctx, organization, after, upTo, fn)
}

// durable waits until the log keeps what has its place at a cursor. The durable
// position is an end: it lies behind the begin of the last commit that it covers.
// What is of an epoch before was kept when the present one began.
func (s *source) durable(ctx context.Context, at orgcast.Cursor) error {
	for {
		rung := s.kept.wait()
		if events := s.opened.Load(); events != nil {
			_, epoch, ok := events.Identity()
			if ok && (epoch != at.Epoch || events.Durable() > at.LSN) {
				return nil
			}
		}
		select {
		case <-rung:
		case <-ctx.Done():
			return fmt.Errorf("wait for the event log: %w", ctx.Err())
		}
	}
}

// Floor is the lowest cursor that a client can come back with, for the hub.
func (s *source) Floor(organization orgcast.OrganizationID) orgcast.Cursor {
	return s.opened.Load().ResumeFloor(organization)
}

// session is one connection, from the first look at the database until
// something breaks.
func (s *source) session(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	conn, err := s.connect(ctx, "orgcast inspect")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// What the slot keeps is of interest most of all while nobody can read it.
	slot, err := replication.ReadSlot(ctx, conn, s.slot)
	if err != nil {
		return err
	}
	s.seen.saw(slot)
	if err := s.room(); err != nil {
		return err
	}
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
	look := &inspector{conn: conn, broken: func(err error) { cancel(err) }}
	if err := same(ctx, look, replica); err != nil {
		return err
	}
	epoch, err := s.prepare(ctx, conn, replica, fingerprint)
	if err != nil {
		return err
	}
	if err := s.load(epoch); err != nil {
		return err
	}
	members, _, err := s.members(ctx, conn)
	if err != nil {
		return err
	}
	s.router.SetMembership(members)
	tables, err := s.tables(ctx, conn)
	if err != nil {
		return err
	}
	s.feed.OnTables(tables)

	free, err := s.holdBack(ctx, replica, look.broken)
	if err != nil {
		return err
	}
	defer free()
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
		look.close(ctx)
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
