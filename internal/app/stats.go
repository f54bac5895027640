package app

import (
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/admin"
)

// largestOrganizations is how many organizations are told by name.
const largestOrganizations = 100

// stats is what the operator is told.
func (h *house) stats() admin.Stats {
	listening, totals := h.hub.Stats(largestOrganizations), h.app.metrics.Totals()
	st := admin.Stats{
		ActiveConnections: listening.Streams, TotalSubscriptions: listening.Subscriptions,
		EventsProcessed: totals.Events, EventsDelivered: totals.Delivered, EventsFailed: totals.Withheld,
		AverageLatency:    float64(totals.Latency) / float64(time.Millisecond),
		Uptime:            time.Since(h.started).Seconds(),
		OrganizationCount: listening.Organizations, ConnectionsByOrg: map[orgcast.OrganizationID]int{},
		UntrustedProxies: h.untrusted.Load(),
		Replication:      h.source.stats(listening.Position),
	}
	for _, o := range listening.Largest {
		st.ConnectionsByOrg[o.Organization] = o.Streams
	}
	st.Replication.State = listening.Feed
	return st
}

// stats is how far the feed is; position is what was handed out.
func (s *source) stats(position orgcast.LSN) admin.Replication {
	r := admin.Replication{Slot: s.slot, Position: position.String(), Connected: s.conn.Load() != nil}
	if events := s.opened.Load(); events != nil {
		r.Durable = events.Durable().String()
	}
	if fresh := s.freshness.last(); !fresh.IsZero() {
		lag := time.Since(fresh).Seconds()
		r.Lag = &lag
	}
	if behind, ok := s.behind(position); ok {
		r.Flushed, r.LagBytes = orgcast.LSN(s.flushed.Load()).String(), &behind
	}
	if err := s.Fresh(); err != nil {
		r.Reason = err.Error()
	}
	return r
}

// behind is how much WAL lies between a position and where the database was when
// it was last asked; false before that.
func (s *source) behind(position orgcast.LSN) (bytes uint64, ok bool) {
	flushed := orgcast.LSN(s.flushed.Load())
	if flushed > position {
		bytes = uint64(flushed - position)
	}
	return bytes, flushed > 0
}
