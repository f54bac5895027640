package telemetry

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/delivery"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/feed"
	"github.com/oikion/orgcast/internal/hub"
	"github.com/oikion/orgcast/internal/publish"
	"github.com/oikion/orgcast/internal/route"
)

// Metrics is everything that is counted.
type Metrics struct {
	Registry *prometheus.Registry

	transactions, changes, events   prometheus.Counter
	skipped, spilled                prometheus.Counter
	withheld, columns, said         *prometheus.CounterVec
	opened                          prometheus.Counter
	closed, lost, resets, refused   *prometheus.CounterVec
	named                           *prometheus.CounterVec
	delivered, replayed, wrote      prometheus.Counter
	retiredEvents, retiredBytes     prometheus.Counter
	trimmedEvents, trimmedBytes     prometheus.Counter
	trimmed, folded                 prometheus.Counter
	purgedEvents                    prometheus.Counter
	logDamaged, logTrouble, stalled prometheus.Counter
	interruptions                   prometheus.Counter
	tailsEnded                      *prometheus.CounterVec
	explained                       tallies
	published                       *prometheus.CounterVec

	stages *stages
	totals struct{ events, delivered, withheld atomic.Int64 }
}

// Totals are sums since the start, for who can't ask a Prometheus.
type Totals struct {
	Events, Delivered, Withheld int64
	// Latency is the mean of orgcast_commit_to_socket_seconds; zero before the first.
	Latency time.Duration
}

// Totals reads the sums.
func (m *Metrics) Totals() Totals {
	return Totals{Events: m.totals.events.Load(), Delivered: m.totals.delivered.Load(), Withheld: m.totals.withheld.Load(), Latency: m.stages.total.mean()}
}

// NewMetrics returns metrics in a registry of their own.
func NewMetrics() *Metrics {
	m := &Metrics{Registry: prometheus.NewRegistry()}
	m.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "orgcast", Name: name, Help: help})
		m.Registry.MustRegister(c)
		return c
	}
	vector := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "orgcast", Name: name, Help: help}, labels)
		m.Registry.MustRegister(c)
		return c
	}
	m.transactions = counter("transactions_total", "Committed transactions that were dispatched.")
	m.changes = counter("changes_total", "WAL changes that were routed.")
	m.events = counter("events_total", "Events that changes became.")
	m.skipped = counter("transactions_redelivered_total", "Transactions that PostgreSQL sent again and that were skipped.")
	m.spilled = counter("transactions_spilled_total", "Transactions too large for the tails: streams read them from the log.")
	m.withheld = vector("rows_withheld_total", "Mapped rows that were not sent, by table and reason.", "table", "reason")
	m.columns = vector("columns_missing_total", "Times that a table came without a column that its rule names.", "table", "column")
	m.said = vector("messages_refused_total", "Published events, and sealed messages, that were not sent, by reason.", "reason")
	m.stages = newStages(m.Registry)
	m.opened = counter("streams_opened_total", "Streams that were opened, and pages that were asked for.")
	m.closed = vector("streams_closed_total", "Streams that ended, by the reason that the client was told; none if it left, page for an answered page.", "reason")
	m.lost = vector("streams_lost_total", "Streams that ended without a word, by reason.", "reason")
	m.resets = vector("resets_total", "Times that a client was told to refetch, by reason.", "reason")
	m.refused = vector("requests_refused_total", "Requests that were refused, by reason.", "reason")
	m.published = vector("publish_calls_total", "Calls that published over HTTP with an API key, by outcome.", "outcome")
	m.named = vector("client_addresses_total", "Requests by how their client's address was found: peer (it names nobody else), proxy (a trusted one named it), nobody (a trusted one named nobody that can be made out; they count as one client), untrusted_local and untrusted (a peer that is no trusted proxy named one, and is not believed).", "found")
	m.delivered = counter("events_delivered_total", "Events handed to streams and pages.")
	m.replayed = counter("events_replayed_total", "Events that streams were behind when they were opened.")
	m.wrote = counter("written_bytes_total", "Bytes written to streams.")
	m.retiredEvents = counter("log_retired_events_total", "Events that retention gave up, or that other rules had made.")
	m.retiredBytes = counter("log_retired_bytes_total", "Bytes that retention gave up, or that other rules had made.")
	m.trimmed = counter("log_trims_total", "Times that an organization which was over its share of the log lost its own oldest events.")
	m.trimmedEvents = counter("log_trimmed_events_total", "Events that organizations over their share lost.")
	m.trimmedBytes = counter("log_trimmed_bytes_total", "Bytes that organizations over their share lost.")
	m.folded = counter("log_floors_folded_total", "Organizations that lost their own floor to the log's, which rose, because there were too many.")
	m.purgedEvents = counter("log_purged_events_total", "Events that were deleted with their organization, or that the operator had purged.")
	m.logDamaged = counter("log_damaged_total", "Damage that was found in the log.")
	m.logTrouble = counter("log_trouble_total", "Background errors of the log by which nothing is lost yet.")
	m.stalled = counter("log_stalls_total", "Times that the log held appends back.")
	m.tailsEnded = vector("tails_ended_total", "Operator's tails that ended or were refused, by reason.", "reason")
	m.interruptions = counter("feed_interruptions_total", "Times that the change feed broke and was begun again.")
	m.stand()
	return m
}

// stand makes counters whose labels are known stand at zero: the rise of one that
// was not there is no rise to Prometheus, and the first is what an alert is for.
func (m *Metrics) stand() {
	for _, reason := range []orgcast.ClosingReason{
		orgcast.ClosingSessionExpired, orgcast.ClosingMembershipRevoked, orgcast.ClosingLease, orgcast.ClosingSlowConsumer,
		orgcast.ClosingShutdown, orgcast.ClosingByClient, orgcast.ClosingByOperator, hub.ClosedPage, closedNone,
	} {
		m.closed.WithLabelValues(string(reason))
	}
	for _, reason := range []delivery.Lost{delivery.LostPeer, delivery.LostStalled, delivery.LostLog} {
		m.lost.WithLabelValues(string(reason))
	}
	for _, reason := range []orgcast.ResetReason{
		orgcast.ResetTooOld, orgcast.ResetTooMany, orgcast.ResetEpoch, orgcast.ResetAhead, orgcast.ResetMalformed,
	} {
		m.resets.WithLabelValues(string(reason))
	}
}

// closedNone is the reason of a stream whose client left.
const closedNone = "none"

// Withholdable makes a table's counters of withheld rows stand at zero.
func (m *Metrics) Withholdable(table string, reasons []route.Reason) {
	for _, reason := range reasons {
		m.withheld.WithLabelValues(table, string(reason))
	}
}

// Build says which version runs.
func (m *Metrics) Build(version string) {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "orgcast", Name: "build_info", Help: "1, with the version that runs.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	m.Registry.MustRegister(info)
}

// Gauge registers a figure that is read when it is asked for.
func (m *Metrics) Gauge(name, help string, value func() float64) {
	m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "orgcast", Name: name, Help: help}, value))
}

// Route counts what the router does. refused is told of every published event that
// is not sent.
func (m *Metrics) Route(refused func(publish.Reason, []publish.Problem)) route.Hooks {
	for _, reason := range append(publish.Reasons(), route.ReasonNoMember) {
		m.said.WithLabelValues(string(reason)) // so that the first rise is seen
	}
	return route.Hooks{
		Withheld: func(table string, reason route.Reason) {
			m.withheld.WithLabelValues(table, string(reason)).Inc()
			m.explained.withheld.add(table, string(reason))
			m.totals.withheld.Add(1)
		},
		ColumnMissing: func(table, column string) { m.columns.WithLabelValues(table, column).Inc() },
		Refused: func(reason publish.Reason, problems []publish.Problem) {
			m.said.WithLabelValues(string(reason)).Inc()
			m.explained.refused.add("", string(reason))
			refused(reason, problems)
		},
	}
}

// Feed counts what the feed does.
func (m *Metrics) Feed() feed.Hooks {
	return feed.Hooks{
		Received: m.stages.receive,
		Committed: func(_ orgcast.Transaction, changes, events int) {
			m.transactions.Inc()
			m.changes.Add(float64(changes))
			m.events.Add(float64(events))
			m.stages.dispatch()
			m.totals.events.Add(int64(events))
		},
		Skipped: m.skipped.Inc,
		Spilled: m.spilled.Inc,
	}
}

// Hub counts what the hub does.
func (m *Metrics) Hub() hub.Hooks {
	return hub.Hooks{
		Opened: m.opened.Inc,
		Closed: func(reason string) {
			if reason == "" {
				reason = closedNone
			}
			m.closed.WithLabelValues(reason).Inc()
		},
		Delivered: func(events int) {
			m.delivered.Add(float64(events))
			m.totals.delivered.Add(int64(events))
		},
		Replayed: func(events int) { m.replayed.Add(float64(events)) },
		Reset:    func(reason orgcast.ResetReason) { m.resets.WithLabelValues(string(reason)).Inc() },
	}
}

// Delivery counts what a driver does.
func (m *Metrics) Delivery() delivery.Hooks {
	return delivery.Hooks{
		Wrote:   func(bytes int) { m.wrote.Add(float64(bytes)) },
		Written: m.stages.write,
		Lost:    func(reason delivery.Lost, _ error) { m.lost.WithLabelValues(string(reason)).Inc() },
	}
}

// Log counts what the log does. failed is told of the error that ends it.
func (m *Metrics) Log(damaged, failed func(error)) eventlog.Hooks {
	return eventlog.Hooks{
		Durable: m.stages.durable,
		Failed:  failed,
		Retired: func(events, bytes int64) { m.retiredEvents.Add(float64(events)); m.retiredBytes.Add(float64(bytes)) },
		Trimmed: func(organizations int, events, bytes int64) {
			m.trimmed.Add(float64(organizations))
			m.trimmedEvents.Add(float64(events))
			m.trimmedBytes.Add(float64(bytes))
		},
		Folded:  func(organizations int) { m.folded.Add(float64(organizations)) },
		Purged:  func(events, _ int64) { m.purgedEvents.Add(float64(events)) },
		Damaged: func(err error) { m.logDamaged.Inc(); damaged(err) },
		Trouble: func(n int64, _ error) { m.logTrouble.Add(float64(n)) },
		Stalled: func(on bool) {
			if on {
				m.stalled.Inc()
			}
		},
	}
}

// Refused counts a refused request.
func (m *Metrics) Refused(reason string) { m.refused.WithLabelValues(reason).Inc() }

// Refusable makes a reason's counter stand at zero before it first happens, so
// that its first rise is seen.
func (m *Metrics) Refusable(reason string) { m.refused.WithLabelValues(reason) }

// Published counts a call that published over HTTP, by its outcome.
func (m *Metrics) Published(outcome string) { m.published.WithLabelValues(outcome).Inc() }

// Publishable makes an outcome's counter stand at zero before it first happens.
func (m *Metrics) Publishable(outcome string) { m.published.WithLabelValues(outcome) }

// Named counts how the address of a request's client was found; Nameable makes
// a way's counter stand at zero.
func (m *Metrics) Named(how string)    { m.named.WithLabelValues(how).Inc() }
func (m *Metrics) Nameable(how string) { m.named.WithLabelValues(how) }

// Interrupted counts a feed that broke.
func (m *Metrics) Interrupted() { m.interruptions.Inc() }
