package hub

import (
	"testing"

	"github.com/oikion/orgcast"
)

// giantOf stores a transaction for "a" in two parts and a rest.
func giantOf(h *Hub, log *memoryLog, lsn orgcast.LSN, count int, audience orgcast.Audience, changes ...orgcast.MemberChange) {
	var events []orgcast.Event
	for i := range count {
		events = append(events, makeEvent(at(lsn, uint64(i)*8), "a", orgcast.KindEvent, orgcast.DataSync, audience, 10))
	}
	log.append(events...)
	half := count / 2
	h.Part(events[:half], true) // the connection broke: it comes again
	h.Part(events[:half], true)
	h.Part(events[half:count-1], false)
	h.Dispatch(lsn+2, events[count-1:], changes, nil, true)
}

const bound = 20

func live(t *testing.T, h *Hub, spec Spec) *Stream {
	t.Helper()
	s := open(h, spec)
	t.Cleanup(s.Close)
	s.Confirmed()
	expect(t, s, noon, "connection", "ready")
	return s
}

func TestWhoCanOnlyRefetchAfterAGiantIsToldAtOnce(t *testing.T) {
	h, log, _ := newHub(Config{ReplayEvents: bound})
	s := live(t, h, Spec{})
	giantOf(h, log, 200, bound+1, orgcast.Audience{})
	if st := expect(t, s, noon, "reset too_many"); st.Load || st.More || s.cursor != orgcast.Position(1, 202) {
		t.Errorf("at %v: %+v", s.cursor, st)
	}
	commit(h, log, 300, 10)
	expect(t, s, noon, "data.sync")
	resumes := open(h, Spec{HasResume: true, Resume: orgcast.Position(1, 100)})
	defer resumes.Close()
	resumes.Confirmed()
	expect(t, resumes, noon, "connection", "reset too_many", "ready")
}

func TestWhoCanHaveAllOfAGiantIsToldAllOfIt(t *testing.T) {
	var alerts orgcast.Filter
	alerts.AddType(orgcast.SystemAlert)
	for name, tt := range map[string]struct {
		count    int
		spec     Spec
		audience orgcast.Audience
	}{
		"so many may be replayed": {count: bound},
		"a filter leaves it out":  {count: 2 * bound, spec: Spec{Filter: alerts}},
		"it is for another user":  {count: 2 * bound, audience: orgcast.Audience{User: "v"}},
		"half of it was received": {count: bound + 1, spec: Spec{HasResume: true, Resume: at(200, bound/2*8)}},
	} {
		t.Run(name, func(t *testing.T) {
			h, log, _ := newHub(Config{ReplayEvents: bound})
			s := open(h, tt.spec)
			defer s.Close()
			if !tt.spec.HasResume {
				s.Step(noon)
			}
			giantOf(h, log, 200, tt.count, tt.audience)
			for more := true; more; {
				words, st := said(t, s, noon)
				for _, word := range words {
					if word == "reset too_many" {
						t.Fatal(word)
					}
				}
				if more = st.Load || st.More; st.Load {
					if err := s.Load(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if s.cursor != orgcast.Position(1, 202) {
				t.Errorf("stands at %v", s.cursor)
			}
		})
	}
}

func TestWhoLeavesInAGiantIsToldWhatComesBefore(t *testing.T) {
	h, log, members := newHub(Config{ReplayEvents: bound})
	s := live(t, h, Spec{})
	m, _ := members.Membership("u", "a")
	members.unset(place{"u", "a"})
	giantOf(h, log, 200, 2*bound, orgcast.Audience{}, orgcast.MemberChange{Cursor: at(200, 8), Before: member(m)})
	expect(t, s, noon)
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, s, noon, "data.sync", "data.sync", "closing membership_revoked")
}
