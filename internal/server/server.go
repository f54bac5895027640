package server

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/oikion/orgcast"
)

// Server is the application's listener.
type Server struct {
	deps   Deps
	config Config
	gate   gate
	// proxies finds who asks.
	proxies *proxies
	asks    *ration[orgcast.UserID]
	conns   *conns
	http    *http.Server
	logger  *slog.Logger
	// failures rations what an address may try with keys that are none.
	failures *ration[netip.Addr]
	// unknown rations how often an address may make the feed catch up with
	// sessions that are none.
	unknown *ration[netip.Addr]
	// publishing has room for those who publish at one time.
	publishing chan struct{}
	// resources is what can be asked for, by path.
	resources map[string]resource

	drained context.Context // ended by drain
	drain   context.CancelFunc
	settled context.Context // ended by settle
	settle  context.CancelFunc

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	stopped   bool // by Shutdown
	serving   sync.WaitGroup
}

// New returns a server that does not listen yet.
func New(deps Deps, config Config) *Server {
	config = config.withDefaults()
	if deps.Forced == nil {
		deps.Forced = deps.Barrier
	}
	s := &Server{
		deps:       deps,
		config:     config,
		gate:       newGate(config.Origins, config.AnyOrigin),
		proxies:    newProxies(config.TrustedProxies, config.ClientHeader),
		asks:       newAsks(),
		failures:   newFailures(),
		unknown:    newUnknown(),
		publishing: make(chan struct{}, maxPublishing),
		logger:     deps.Logger,
		listeners:  map[net.Listener]struct{}{},
	}
	s.drained, s.drain = context.WithCancel(context.Background())
	s.settled, s.settle = context.WithCancel(context.Background())
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.resources = resources(s.routes())
	s.conns = &conns{
		max:     config.MaxPending,
		refused: s.connectionRefused,
		pending: map[net.Conn]*list.Element{},
		fresh:   map[net.Conn]struct{}{},
	}
	s.http = &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: readHeaderTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         s.conns.state,
		ConnContext:       s.conns.context,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
		// "OPTIONS *" is a call like any other.
		DisableGeneralOptionsHandler: true,
	}
	return s
}

func (s *Server) connectionRefused() {
	if hook := s.deps.Hooks.Refused; hook != nil {
		hook(ReasonConnections)
	}
}

// Handler answers every request of the listener.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.answer) }

// Serve takes connections from l, which it closes, until Shutdown is called,
// and returns nil then.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return l.Close()
	}
	s.listeners[l] = struct{}{}
	s.serving.Add(1)
	s.mu.Unlock()
	defer s.serving.Done()

	err := s.http.Serve(&listener{l, s.conns})
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	if s.draining() && (errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed)) {
		return nil
	}
	return orgcast.WithHint("serve "+l.Addr().String(), err, "look at the operating system's limits on open files and sockets")
}

// Drain turns new streams away with a 503, and ends every connection with its
// next answer. Who is held, or polls, is answered at once.
func (s *Server) Drain() { s.drain() }

// Settle waits, after Drain, until everybody who publishes has his answer. When
// ctx ends, the others are told that nobody knows what became of it. What they
// wait for may stop then.
func (s *Server) Settle(ctx context.Context) {
	if s.settled.Err() != nil {
		return
	}
	defer s.settle()
	for range cap(s.publishing) {
		select {
		case s.publishing <- struct{}{}: // kept: nobody publishes any more
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) draining() bool { return s.drained.Err() != nil }

// The pauses of the ordered stop.
const (
	tellIdle   = 200 * time.Millisecond
	hearFresh  = 2 * time.Second
	settleDown = 50 * time.Millisecond
)

// Shutdown stops in the one order in which no request is lost; streams are told
// by someone else, before or meanwhile. When ctx ends, what is still open is
// cut.
//
// net/http drops, unanswered, a request that it reads just after its own
// Shutdown was called. So: drain, close the listeners and see Serve return, let
// idle peers be told by an answer's `Connection: close`, wait until every
// connection that was accepted has been heard, and only then stop net/http.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	settling, cancel := context.WithTimeout(ctx, hearFresh)
	s.Settle(settling)
	cancel()
	errs := s.closeListeners()
	s.serving.Wait()
	pause(ctx, tellIdle, nil)
	pause(ctx, hearFresh, s.conns.heard())
	pause(ctx, settleDown, nil)
	if err := s.http.Shutdown(ctx); err != nil {
		errs = errors.Join(errs, fmt.Errorf("stop serving: %w", err), s.http.Close())
	}
	return errs
}

func (s *Server) closeListeners() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	var errs error
	for l := range s.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = errors.Join(errs, fmt.Errorf("close listener: %w", err))
		}
	}
	return errs
}

// pause waits for d, for done or for the end of ctx.
func pause(ctx context.Context, d time.Duration, done <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-done:
	case <-ctx.Done():
	}
}
