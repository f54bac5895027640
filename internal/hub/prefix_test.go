package hub

import (
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// A stream is given, and ended by, what is its organization's alone, however much
// the names are alike.
func TestNearlyTheSameNameIsAnother(t *testing.T) {
	alike := []orgcast.OrganizationID{"org_1", "org_10", "org_1\x00", "org_", "ORG_1", "org_1 ", orgcast.OrganizationID("org_1" + strings.Repeat("0", 250))}
	t.Run("key-prefix-organizations", func(t *testing.T) {
		h, log, members := newHub(Config{})
		streams := map[orgcast.OrganizationID]*Stream{}
		for _, o := range alike {
			members.set(place{"u", o}, "AGENT", 0)
			m, _ := members.Membership("u", o)
			s := h.Register(Spec{User: "u", Organizations: []orgcast.OrganizationID{o}, ExpiresAt: noon.Add(time.Hour)})
			defer s.Close()
			s.Start([]orgcast.Membership{m}, noon, func() {})
			s.Confirmed()
			expect(t, s, noon, "connection", "ready")
			streams[o] = s
		}
		lsn := orgcast.LSN(200)
		for _, o := range alike {
			lsn += 10
			e := makeEvent(at(lsn, 0), o, orgcast.KindEvent, orgcast.DataSync, orgcast.Audience{}, 10)
			log.append(e)
			h.Dispatch(lsn+2, []orgcast.Event{e}, nil, nil, false)
			for other, s := range streams {
				for _, m := range parse(t, s.Step(noon).Frames) {
					if m.Organization != other || other != o {
						t.Errorf("%.20q is given an event of %.20q, which is for %.20q", other, m.Organization, o)
					}
				}
			}
		}
		for i, o := range alike {
			lsn += 10
			m, _ := members.Membership("u", o)
			members.unset(place{"u", o})
			h.Dispatch(lsn+2, nil, []orgcast.MemberChange{{Cursor: at(lsn, 0), Before: member(m)}}, nil, false)
			open := 0
			for other, s := range streams {
				if s.Step(noon).Done {
					if other != o {
						t.Errorf("%.20q is ended by a removal from %.20q", other, o)
					}
					delete(streams, other)
				} else {
					open++
				}
			}
			expected := len(alike) - i - 1
			if open != expected {
				t.Errorf("%d streams are open after %d removals, want %d", open, i+1, expected)
			}
		}
	})
}
