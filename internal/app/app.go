package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/access"
	"github.com/oikion/orgcast/internal/admin"
	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/delivery"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/feed"
	"github.com/oikion/orgcast/internal/hub"
	"github.com/oikion/orgcast/internal/publish"
	"github.com/oikion/orgcast/internal/replication"
	"github.com/oikion/orgcast/internal/route"
	"github.com/oikion/orgcast/internal/server"
	"github.com/oikion/orgcast/internal/session"
	"github.com/oikion/orgcast/internal/setup"
	"github.com/oikion/orgcast/internal/telemetry"
)

// App is the whole of `orgcast serve`.
type App struct {
	config *config.Config
	log    *slog.Logger
	rules  *route.Rules
	auth   *session.Authenticator
	// directory is what the change feed has told of members and sessions.
	directory *access.Directory
	metrics   *telemetry.Metrics
	version   string

	// Ready is called, if not nil, when the change feed is fresh for the first
	// time, with the address that browsers connect to.
	Ready func(application net.Addr)
	// Large is called, if not nil, when a transaction turns out not to be held in
	// memory, and with false when it is over.
	Large func(bool)
}

// New checks all that can be checked without database and disk.
func New(c *config.Config, s session.Config, log *slog.Logger, version string) (*App, error) {
	rules, err := LoadRules(c.Rules, s.Scheme)
	if err != nil {
		return nil, err
	}
	directory := access.NewDirectory()
	if s.Scheme == session.AuthJSDatabase {
		s.Table = directory
	}
	auth, err := session.New(s)
	if err != nil {
		return nil, err
	}
	return &App{config: c, log: log, rules: rules, auth: auth, directory: directory, metrics: telemetry.NewMetrics(), version: version}, nil
}

// LoadRules reads a rule file, or a preset ("preset:oikion"). The table of
// sessions is left out unless the scheme keeps sessions in it: what is not read
// is not published and not asked for either.
func LoadRules(name string, scheme session.Scheme) (*route.Rules, error) {
	rules, err := readRules(name)
	switch {
	case err != nil:
		return nil, err
	case scheme != session.AuthJSDatabase:
		rules.Sessions = nil
	case rules.Sessions == nil:
		return nil, orgcast.WithHint("read rules", fmt.Errorf("%s names no table of sessions", name),
			"Add sessions: {table: …, token: …, user: …, expires: …} to the rule file, or set ORGCAST_SESSION to a scheme that keeps sessions in the cookie.")
	}
	return rules, nil
}

func readRules(name string) (*route.Rules, error) {
	if preset, ok := strings.CutPrefix(name, "preset:"); ok {
		return route.Preset(preset)
	}
	source, err := os.ReadFile(name)
	if err != nil {
		return nil, orgcast.WithHint("read rules", err, "Set ORGCAST_RULES to a rule file, or to preset:oikion.")
	}
	return route.ParseRules(source)
}

// SetupConfig says what the database must have for the configuration and rules.
func SetupConfig(c *config.Config, rules *route.Rules) setup.Config {
	s := setup.Config{Publication: c.Publication, Slot: c.Slot, Host: c.Database.Host}
	for _, t := range rules.All() {
		s.Tables = append(s.Tables, setup.Table{
			Schema: t.Schema, Name: t.Name, Columns: t.Columns, Published: true, Read: t.Read, TenantOnly: t.TenantOnly, Membership: t.Membership,
		})
	}
	return s
}

// The bounds of the orderly end: of what is being published, then of what else is
// open, which is cut then, and of the feed.
const (
	settleTimeout   = 2 * time.Second
	shutdownTimeout = 10 * time.Second
	feedTimeout     = 4 * time.Second
)

// Run serves until ctx ends, then closes in order. It returns nil after an
// orderly end.
func (a *App) Run(ctx context.Context) error {
	application, err := server.Listen(ctx, a.config.Listen)
	if err != nil {
		return err
	}
	defer application.Close()
	operator, err := net.Listen("tcp", a.config.AdminListen)
	if err != nil {
		return orgcast.WithHint("listen", err, "Set ORGCAST_ADMIN_LISTEN to a free address.")
	}
	defer operator.Close()

	secret, err := a.sealSecret()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	h := a.build(secret, cancel)
	asking, stopAsking := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopAsking(nil)
	adminServer := &http.Server{
		Handler: h.admin(operator.Addr()), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return asking },
	}

	var running sync.WaitGroup
	serve := func(what string, run func() error) {
		running.Go(func() {
			if err := run(); err != nil && !errors.Is(err, http.ErrServerClosed) {
				cancel(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	serve("serve", func() error { return h.server.Serve(application) })
	serve("serve operator", func() error { return adminServer.Serve(operator) })
	feeding, stopFeed := context.WithCancel(ctx)
	defer stopFeed()
	var fed sync.WaitGroup
	fed.Go(func() {
		if err := h.source.start(feeding); err != nil {
			cancel(err)
		}
	})
	fed.Go(func() { h.source.freshness.run(feeding) })

	a.log.Info("listening", "address", application.Addr().String(), "operator", operator.Addr().String(), "version", a.version,
		"cookies", strings.Join(a.auth.Names(), " "))
	select {
	case <-h.source.freshness.Ready():
		a.log.Info("ready")
		if a.Ready != nil {
			a.Ready(application.Addr())
		}
		<-ctx.Done()
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	a.log.Info("stopping", "cause", cause)

	// New requests are refused, streams are told, the slot is freed for who
	// takes over; what is on its way is finished, and the log closed last.
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer done()
	h.server.Drain()
	h.hub.Shutdown()
	stopAsking(admin.ErrStopping)
	settling, settled := context.WithTimeout(closing, settleTimeout)
	h.server.Settle(settling) // its receipts come by the feed
	settled()
	stopFeed()
	err = errors.Join(h.server.Shutdown(closing), adminServer.Shutdown(closing))
	running.Wait()
	h.emitters.close(closing)
	ending, ended := context.WithTimeout(context.WithoutCancel(ctx), feedTimeout)
	defer ended()
	if waitFor(ending, &fed) {
		err = errors.Join(err, h.source.close())
	} else {
		// A full disk holds the log's writes back without an end. What was
		// confirmed is safe: the log recovers at the next start.
		err = errors.Join(err, orgcast.WithHint("stop change feed", errors.New("the event log takes nothing"), "Look at the free space of ORGCAST_DATA_DIR."))
	}
	if errors.Is(cause, context.Canceled) {
		return err
	}
	return errors.Join(cause, err)
}

// waitFor waits for wg until ctx ends, and tells whether it came to an end.
func waitFor(ctx context.Context, wg *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// house is the rooms, fitted together.
type house struct {
	app    *App
	hub    *hub.Hub
	server *server.Server
	source *source
	// emitters put into the WAL what is published over HTTP.
	emitters *emitters
	started  time.Time
	// untrusted counts what came through a proxy that nobody said is one.
	untrusted atomic.Int64
}

// build fits the rooms together. fatal ends the process in order.
func (a *App) build(secret *publish.Secret, fatal func(error)) *house {
	c, m := a.config, a.metrics
	directory, receipts := a.directory, publish.NewReceipts()
	s := &source{
		seen: slotEye{log: a.log},
		log:  a.log, rules: a.rules, database: c.Database.URL, slot: c.Slot, directory: directory, receipts: receipts,
		dir:         filepath.Join(c.DataDir, "log"),
		spool:       c.DataDir,
		interrupted: m.Interrupted,
		setup:       SetupConfig(c, a.rules),
		replication: replication.Config{
			URL: c.Database.URL, Slot: c.Slot, Publication: c.Publication, Failover: c.SlotFailover,
			Hooks: replication.Hooks{Notice: func(code, message string) { a.log.Warn("database notice", "code", code, "text", message) }},
		},
		router:  route.New(a.rules, directory, m.Route(refusals(a.log))),
		options: eventlog.Options{MaxBytes: int64(c.LogBytes)},
	}
	s.options.Hooks = m.Log(
		func(err error) { a.log.Error("event log is damaged", "error", err) },
		func(err error) {
			fatal(orgcast.WithHint("write event log", err, "Look at the disk; the process must be restarted."))
		})
	measured := s.options.Hooks.Durable
	s.options.Hooks.Durable = func(end orgcast.LSN) {
		measured(end)
		s.kept.ring()
	}
	s.router.Unseal(secret, receipts)
	s.hub = hub.New(s, directory, hub.Config{Heartbeat: c.Heartbeat, Lease: c.Lease, Hooks: m.Hub()})
	s.barrier = replication.NewBarrier(s.flushPosition, s.requestReply, replication.BarrierOptions{})
	s.forced = replication.NewBarrier(s.forcedPosition, s.requestReply, replication.BarrierOptions{})
	s.freshness = newFreshness(s.barrier.Wait, s.hub.SetFeed)
	s.freshness.healthy = s.health
	if len(c.Database.Others) > 0 {
		s.replication.Accept = s.accept
	}
	if c.Dispatch == config.DispatchVisible {
		s.gate = &gate{late: s.freshness.down}
	}
	s.newFeed = func(log feed.Log) *feed.Feed {
		passed := func(end orgcast.LSN) {
			s.barrier.Passed(end)
			s.forced.Passed(end)
		}
		hooks := m.Feed()
		hooks.Large = a.Large
		hooks.Dispatching = func(tx orgcast.Transaction) {
			s.visibility.dispatching(tx.XID)
			s.hub.Committed(tx.CommitTime)
		}
		return feed.New(s.router, log, state{directory, receipts}, s.hub, passed, s.spool, hooks)
	}
	h := &house{app: a, hub: s.hub, source: s, started: time.Now(), emitters: newEmitters(func(ctx context.Context) (*pgx.Conn, error) {
		return connect(ctx, c.Database.URL, "orgcast publish", "on", s.replication.Accept)
	})}
	streams := streams{s.hub, s, &delivery.Handler{Barrier: s.barrier, Hooks: m.Delivery()}}
	h.server = server.New(server.Deps{
		Sessions: a.auth, Access: directory, Barrier: s.barrier, Forced: s.forced, Feed: s,
		Streams: streams, Positions: streams, Pages: streams, Connections: streams,
		Publisher: &publisher{
			keys: a.apiKeys(), secret: secret, receipts: receipts, places: directory, fresh: s.Fresh, catchUp: s.forced.Wait,
			emit: h.emitters.emit, durable: s.durable, done: func(o outcome) { m.Published(string(o)) },
		},
		Limits: access.NewLimits(access.LimitConfig{
			PerNode: c.MaxStreams, PerUser: c.MaxStreamsPerUser, PerOrganization: c.MaxStreamsPerOrganization, PerAddress: c.MaxStreamsPerAddress,
			ConnectsPerSecond: c.MaxConnectsPerSecond, ConnectBurst: 2 * c.MaxConnectsPerSecond,
		}),
		Hooks: server.Hooks{
			Refused: func(r server.Reason) { m.Refused(string(r)) },
			Named: func(n server.Named) {
				m.Named(string(n))
				if n == server.NamedByLocal {
					h.untrusted.Add(1)
				}
			},
			Unauthenticated: func(err error) { a.log.Debug("session refused", "reason", err) },
			Unconfirmed:     func(err error) { a.log.Warn("membership or session not confirmed", "error", err) },
			Failed: func(r server.Reason, err error) {
				a.log.Warn("call failed", "reason", string(r), "error", err, "hint", orgcast.Hint(err))
			},
		},
		Logger: a.log,
	}, server.Config{
		Origins: c.AllowedOrigins, AnyOrigin: c.AnyOrigin, TrustedProxies: c.ProxyNetworks, ClientHeader: c.ClientAddressHeader,
	})
	for _, r := range server.Reasons() {
		m.Refusable(string(r))
	}
	for _, end := range admin.TailEnds() {
		m.TailEndable(string(end))
	}
	for _, o := range []outcome{outcomePublished, outcomeRepeated, outcomeRefused, outcomeDown, outcomeUnknown} {
		m.Publishable(string(o))
	}
	for _, n := range server.Namings() {
		m.Nameable(string(n))
	}
	m.Build(a.version)
	for _, t := range a.rules.All() {
		m.Withholdable(t.Schema+"."+t.Name, route.Reasons())
	}
	a.gauges(s)
	m.Gauge("publish_receipts", "Batches published over HTTP that are remembered; at most 262144.", func() float64 { return float64(receipts.Len()) })
	m.Gauge("publish_connections_busy", "Connections that put published events into the WAL; at most 4.", func() float64 { return float64(h.emitters.busy()) })
	return h
}

func (h *house) admin(address net.Addr) http.Handler {
	c := h.app.config
	return admin.New(admin.Config{
		Address: address.String(), Token: c.AdminToken,
		Hosts: strings.FieldsFunc(cmp.Or(c.AdminHosts, ""), func(r rune) bool { return r == ',' || r == ' ' }),
	}, admin.Deps{
		Fresh: h.source.Fresh, Gatherer: h.app.metrics.Registry, Stats: h.stats,
		Kick: func(user orgcast.UserID, organization orgcast.OrganizationID) int {
			closed := h.hub.Kick(user, organization)
			h.app.log.Info("streams ended by the operator", "closed", closed)
			return closed
		},
		Purge: h.purge, Tail: operatorLog{h.source, h.hub}, Explain: h.explainer(),
		TailEnded: func(end admin.TailEnd) { h.app.metrics.TailEnded(string(end)) },
		Refused:   func(r admin.Reason) { h.app.metrics.Refused("admin_" + string(r)) },
	})
}
