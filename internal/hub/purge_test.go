package hub

import (
	"testing"

	"github.com/oikion/orgcast"
)

// TestWhoResumesBehindAPurgeIsTold, though the tail would have had it; who is
// live notices nothing.
func TestWhoResumesBehindAPurgeIsTold(t *testing.T) {
	h, log, _ := newHub(Config{TailBytes: 1 << 20})
	live := open(h, Spec{})
	defer live.Close()
	live.Confirmed()
	expect(t, live, noon, "connection", "ready")
	for i := range orgcast.LSN(5) {
		commit(h, log, 200+8*i, 50)
	}
	expect(t, live, noon, "data.sync", "data.sync", "data.sync", "data.sync", "data.sync")
	resume := Spec{HasResume: true, Resume: at(216, 0)}
	before := open(h, resume)
	defer before.Close()
	expect(t, before, noon, "connection", "data.sync", "data.sync")
	log.purge("a", h.Position())
	h.Forget("a")
	if bytes := h.tailBytes; bytes != 0 {
		t.Errorf("the tail still holds %d bytes", bytes)
	}
	behind := open(h, resume)
	defer behind.Close()
	expect(t, behind, noon, "connection", "reset too_old")
	at := open(h, Spec{HasResume: true, Resume: h.Position()})
	defer at.Close()
	expect(t, at, noon, "connection")
	commit(h, log, 300, 50)
	for name, s := range map[string]*Stream{"live": live, "behind": behind, "at": at} {
		if words, _ := said(t, s, noon); len(words) != 1 || words[0] != "data.sync" {
			t.Errorf("%s: %q", name, words)
		}
	}
	h.Forget("nobody listens to this one")
}

// TestListeningCountsAUsersStreamsAndWhatTheyTake.
func TestListeningCountsAUsersStreamsAndWhatTheyTake(t *testing.T) {
	h, _, members := newHub(Config{})
	members.set(place{"v", "a"}, "AGENT", 0)
	var property orgcast.Filter
	property.AddChannel(orgcast.ChannelProperty)
	for _, filter := range []orgcast.Filter{{}, property} {
		defer open(h, Spec{Filter: filter}).Close()
	}
	defer h.Register(Spec{User: "v", Organizations: []orgcast.OrganizationID{"a"}}).Close() // not started
	for _, c := range []struct {
		user            orgcast.UserID
		organization    orgcast.OrganizationID
		t               orgcast.EventType
		streams, taking int
	}{
		{"u", "a", orgcast.PropertyUpdate, 2, 2}, {"u", "a", orgcast.DataSync, 2, 1}, {"u", "b", orgcast.DataSync, 0, 0}, {"v", "a", orgcast.DataSync, 0, 0},
	} {
		if streams, taking := h.Listening(c.user, c.organization, c.t); streams != c.streams || taking != c.taking {
			t.Errorf("%s in %s: %d streams, of which %d take %s", c.user, c.organization, streams, taking, c.t)
		}
	}
}
