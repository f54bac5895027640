package admin

import (
	"net/http"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
)

// Stats is what GET /api/realtime/stats tells: figures of this process, since it
// started where they are sums.
type Stats struct {
	// ActiveConnections is how many streams are open, with the pages that wait for
	// an event. TotalSubscriptions counts each for every organization that it
	// follows.
	ActiveConnections  int `json:"activeConnections"`
	TotalSubscriptions int `json:"totalSubscriptions"`
	// EventsProcessed is how many events changes became, EventsDelivered how many
	// were handed to streams and pages, EventsFailed how many rows were mapped and
	// withheld: see orgcast_rows_withheld_total for why.
	EventsProcessed int64 `json:"eventsProcessed"`
	EventsDelivered int64 `json:"eventsDelivered"`
	EventsFailed    int64 `json:"eventsFailed"`
	// AverageLatency is from the commit, by the database's clock, until the kernel
	// had the bytes: the mean of orgcast_commit_to_socket_seconds, in milliseconds.
	AverageLatency float64 `json:"averageLatency"`
	// Uptime is in seconds.
	Uptime float64 `json:"uptime"`
	// OrganizationCount is how many organizations somebody listens to,
	// ConnectionsByOrg those with the most streams.
	OrganizationCount int                            `json:"organizationCount"`
	ConnectionsByOrg  map[orgcast.OrganizationID]int `json:"connectionsByOrg"`
	// UntrustedProxies is how many requests came from a loopback or private peer
	// that names a client, as a proxy does, and is no trusted one.
	UntrustedProxies int64       `json:"untrustedProxies"`
	Replication      Replication `json:"replication"`
}

// Replication is how far the change feed is. Positions are PostgreSQL's.
type Replication struct {
	State orgcast.FeedState `json:"state"`
	// Reason is why the feed is not fresh; empty if it is.
	Reason    string `json:"reason,omitempty"`
	Connected bool   `json:"connected"`
	Slot      string `json:"slot"`
	// Position is what was handed to the streams, Durable what is safe on disk and
	// confirmed to the slot, Flushed where the database was when it was last asked.
	Position string `json:"position"`
	Durable  string `json:"durable,omitempty"`
	Flushed  string `json:"flushed,omitempty"`
	// Lag is how long ago, in seconds, the feed was last known to hold all that was
	// committed; absent until it did for the first time. It is asked every two
	// seconds, so that a healthy one goes from 0 to a little above 2. LagBytes is
	// from Position to Flushed.
	Lag      *float64 `json:"lag,omitempty"`
	LagBytes *uint64  `json:"lagBytes,omitempty"`
}

func stats(tell func() Stats) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, tell()) }
}

// answer answers with JSON.
func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = codec.Line(w, v) // plain figures and texts; an operator who left needs no answer
}
