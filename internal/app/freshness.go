package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/plant"
)

// staleAfter is how old the last fresh position may be before clients and
// operator are told. freshEvery is how often one is asked for.
const (
	staleAfter = 10 * time.Second
	freshEvery = 2 * time.Second
	judgeEvery = freshEvery / 4
)

// errNeverReady is the feed's state until it is fresh for the first time.
var errNeverReady = errors.New("the change feed has not been ready yet")

// freshness knows whether the feed is where the database is.
type freshness struct {
	wait func(context.Context) error // the barrier
	tell func(orgcast.FeedState, time.Time)
	now  func() time.Time
	// healthy, if not nil, tells why the event log takes nothing. What it does not
	// keep is not told either, however fresh the position is.
	healthy func() error

	ready chan struct{} // closed when the feed is fresh for the first time
	once  sync.Once

	mu    sync.Mutex
	fresh time.Time // when the position was the database's
	cause error     // why it is not fresh, as far as is known
	live  bool
	// held: what was fresh is not to be used, and one of since then is
	// needed.
	held  bool
	since time.Time
}

func newFreshness(wait func(context.Context) error, tell func(orgcast.FeedState, time.Time)) *freshness {
	return &freshness{wait: wait, tell: tell, now: time.Now, ready: make(chan struct{}), cause: errNeverReady}
}

// run asks, again and again, whether the feed has passed the position that the
// database has.
func (f *freshness) run(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	asking.Go(func() { f.ask(ctx) })
	ticker := time.NewTicker(judgeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.judge()
		}
	}
}

func (f *freshness) ask(ctx context.Context) {
	for ctx.Err() == nil {
		asked := f.now()
		pause := freshEvery
		// Not for ever: the position may be one that a server which was restored
		// will not reach for hours. It is asked for anew.
		waiting, cancel := context.WithTimeout(ctx, staleAfter)
		err := f.wait(waiting)
		late := waiting.Err() != nil
		cancel()
		switch {
		case err == nil:
			f.passed(asked)
		case ctx.Err() == nil && !late:
			f.down(err)
			pause = freshEvery / 8 // there was no connection, or there is a new one
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// passed says that the feed holds all that was committed at a time.
func (f *freshness) passed(at time.Time) {
	f.mu.Lock()
	if f.held && at.Before(f.since) {
		f.mu.Unlock()
		return // an answer that was on its way when it was lost
	}
	f.fresh, f.cause, f.held = at, nil, false
	f.mu.Unlock()
	f.judge()
}

// down says why the feed does not move. It is stale when that lasts.
func (f *freshness) down(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && !errors.Is(err, errNoConnection) {
		f.cause = err
	}
}

// lost says why the feed can't be used, however fresh it was a moment ago.
func (f *freshness) lost(err error) {
	f.mu.Lock()
	f.held, f.since, f.cause = true, f.now(), err
	f.mu.Unlock()
	f.judge()
}

// judge tells the streams when the feed went stale, or is live again.
func (f *freshness) judge() {
	f.mu.Lock()
	defer f.mu.Unlock()
	// A little before it is over: the next look would be too late.
	live := f.health() == nil && !f.held && !f.fresh.IsZero() && f.now().Sub(f.fresh) < staleAfter-judgeEvery
	if plant.StaleUntold { // what was live once stays so
		live = live || f.live
	}
	if live == f.live {
		return
	}
	f.live = live
	if live {
		f.tell(orgcast.FeedLive, f.now())
		f.once.Do(func() { close(f.ready) })
	} else {
		f.tell(orgcast.FeedStale, f.fresh)
	}
}

func (f *freshness) health() error {
	if f.healthy == nil {
		return nil
	}
	return f.healthy()
}

// Ready is closed when the feed has been fresh for the first time.
func (f *freshness) Ready() <-chan struct{} { return f.ready }

// last is when the feed was last known to be where the database is; zero if it
// never was.
func (f *freshness) last() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fresh
}

// Fresh is nil while the feed is where the database is, or why it is not.
func (f *freshness) Fresh() error {
	if err := f.health(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.live:
		return nil
	case f.cause != nil:
		return f.cause
	}
	return errors.New("the change feed is behind: no fresh position for 10 s")
}
