package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// figures are the operator's.
type figures struct {
	ActiveConnections, TotalSubscriptions          int
	EventsProcessed, EventsDelivered, EventsFailed int
	AverageLatency, Uptime                         float64
	OrganizationCount                              int
	ConnectionsByOrg                               map[string]int
	Replication                                    struct {
		State, Reason, Slot, Position, Durable, Flushed string
		Connected                                       bool
		Lag                                             *float64
		LagBytes                                        *int64
	}
}

func (s *instance) stats(t testing.TB) (f figures) {
	t.Helper()
	text := must(t, http.StatusOK, http.MethodGet, "http://"+s.oper+"/api/realtime/stats", "", "")
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return f
}

// TestTheOperatorsFiguresAddUpAndKickEndsStreams over the wire.
func TestTheOperatorsFiguresAddUpAndKickEndsStreams(t *testing.T) {
	h := settled(t, 2)
	h.member(t, "user_1", "org_2")
	s := serve(t, h.environ, nil)
	s.ready(t)
	mine, theirs := h.cookie(t, "user_1"), h.cookie(t, "user_2")
	first, _ := open(t, s.address, "organizationId=org_1", mine, "")
	both, _ := open(t, s.address, "organizationId=org_1&organizationId=org_2", mine, "")
	other, _ := open(t, s.address, "organizationId=org_2", theirs, "")
	before := s.stats(t)
	const changes = 5
	for range changes {
		h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id = 'property_1'`)
		first.await(t, "property.update")
		both.await(t, "property.update")
	}
	var after figures
	until(t, 10*time.Second, func() string { // who is told may be faster than who counts it
		after = s.stats(t)
		processed, delivered := after.EventsProcessed-before.EventsProcessed, after.EventsDelivered-before.EventsDelivered
		if processed != changes || delivered != 2*changes || after.EventsFailed != 0 {
			return fmt.Sprintf("%d events processed, %d delivered, %d failed, want %d, %d, 0", processed, delivered, after.EventsFailed, changes, 2*changes)
		}
		return ""
	})
	if after.ActiveConnections != 3 || after.TotalSubscriptions != 4 || after.OrganizationCount != 2 ||
		after.ConnectionsByOrg["org_1"] != 2 || after.ConnectionsByOrg["org_2"] != 2 || len(after.ConnectionsByOrg) != 2 {
		t.Errorf("%+v", after)
	}
	if after.AverageLatency <= 0 || after.AverageLatency > 60_000 || after.Uptime <= before.Uptime {
		t.Errorf("latency %v ms, uptime %v s, then %v s", after.AverageLatency, before.Uptime, after.Uptime)
	}
	r := after.Replication
	position, err := orgcast.ParseLSN(r.Position)
	durable, err2 := orgcast.ParseLSN(r.Durable)
	if err != nil || err2 != nil || position == 0 || durable > position || r.State != "live" || r.Reason != "" || !r.Connected ||
		r.Slot != "orgcast_"+h.Name || r.Lag == nil || *r.Lag < 0 || *r.Lag > 10 || r.LagBytes == nil {
		t.Errorf("%+v, %v, %v", r, err, err2)
	}

	// Without a database, too, there are figures, and the reason.
	deaf := serve(t, h.environ, map[string]string{"ORGCAST_DATABASE_URL": "postgres://u:the-password@" + freeAddress(t) + "/db"})
	until(t, time.Minute, func() string {
		if status, _, err := get("http://" + deaf.oper + "/api/realtime/stats"); err != nil || status != http.StatusOK {
			return fmt.Sprint("stats: ", status, err)
		}
		return ""
	})
	if r := deaf.stats(t).Replication; r.State != "stale" || r.Reason == "" || r.Connected || r.Lag != nil || r.LagBytes != nil {
		t.Errorf("without a database: %+v", r)
	}

	kick := "http://" + s.oper + "/api/realtime/kick"
	for body, want := range map[string]string{`{"userId":"user_3"}`: `{"closed":0}`, `{"userId":"user_2","organizationId":"org_1"}`: `{"closed":0}`} {
		if text := must(t, http.StatusOK, http.MethodPost, kick, "", body); text != want+"\n" {
			t.Errorf("kick %s: %s", body, text)
		}
	}
	must(t, http.StatusBadRequest, http.MethodPost, kick, "", `{}`)
	if text := must(t, http.StatusOK, http.MethodPost, kick, "", `{"userId":"user_1","organizationId":"org_2"}`); text != "{\"closed\":1}\n" {
		t.Errorf("kick: %s", text)
	}
	if m := both.await(t, "closing"); m.Reason != "closed_by_operator" || m.Reconnect == nil || *m.Reconnect {
		t.Errorf("%+v", m)
	}
	if text := must(t, http.StatusOK, http.MethodPost, kick, "", `{"organizationId":"org_1"}`); text != "{\"closed\":1}\n" {
		t.Errorf("kick: %s", text)
	}
	first.await(t, "closing")
	until(t, 30*time.Second, func() string {
		if f := s.stats(t); f.ActiveConnections != 1 || f.ConnectionsByOrg["org_2"] != 1 || len(f.ConnectionsByOrg) != 1 {
			return fmt.Sprintf("%+v", f)
		}
		return ""
	})
	_, text, err := get("http://" + s.oper + "/metrics")
	if err != nil || !strings.Contains(text, "\norgcast_streams_closed_total{reason=\"closed_by_operator\"} 2\n") {
		t.Errorf("what was kicked is not counted: %v", err)
	}
	h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id = 'property_2'`)
	other.await(t, "property.update")
}
