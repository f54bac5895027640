package hub

import (
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// While nobody knows who belongs where, no stream goes on and none begins; what
// was found a moment before counts no more.
func TestNoStreamGoesOnWhileMembershipsAreUnknown(t *testing.T) {
	h, log, members := newHub(Config{})
	running := open(h, Spec{})
	defer running.Close()
	running.Confirmed()
	expect(t, running, noon, "connection", "ready")
	checked := h.Register(Spec{User: "u", Organizations: []orgcast.OrganizationID{"a"}, ExpiresAt: noon.Add(time.Hour)})
	defer checked.Close()
	found, _ := members.Membership("u", "a")
	h.Suspend()
	commit(h, log, 200, 10)
	if st := expect(t, running, noon, "closing lease"); !st.Done {
		t.Error("a stream goes on")
	}
	late := h.Register(Spec{User: "u", Organizations: []orgcast.OrganizationID{"a"}, ExpiresAt: noon.Add(time.Hour)})
	defer late.Close()
	members.unset(place{"u", "a"}) // the directory is emptied after
	for _, s := range []*Stream{checked, late} {
		s.Start([]orgcast.Membership{found}, noon, func() {})
		if st := expect(t, s, noon, "connection", "closing lease"); !st.Done {
			t.Error("a stream begins")
		}
	}
	members.set(place{"u", "a"}, "AGENT", 0)
	h.Reset(1, 300)
	again := open(h, Spec{})
	defer again.Close()
	again.Confirmed()
	expect(t, again, noon, "connection", "ready")
}
