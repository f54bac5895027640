package hub

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/oikion/orgcast"
)

// Streams come, read and are removed while the feed writes: each gets every
// event behind its beginning, in order, up to its end. The race detector
// watches.
func TestStreamsReadWhileTheFeedWrites(t *testing.T) {
	const readers, transactions = 8, 2000
	h, log, members := newHub(Config{TailBytes: 4000, TotalBytes: 20_000, StepBytes: 900, ReplayEvents: 1 << 30})
	var running sync.WaitGroup
	begun := make(chan struct{}, readers)
	for n := range readers {
		user := orgcast.UserID(fmt.Sprint("user", n))
		members.set(place{user, "a"}, "AGENT", 0)
		members.set(place{user, "b"}, "AGENT", 0)
		running.Go(func() {
			organizations := []orgcast.OrganizationID{"a", "b"}[:1+n%2]
			spec := Spec{User: user, Organizations: organizations, ExpiresAt: noon.AddDate(1, 0, 0)}
			spec.HasResume, spec.Resume = n%4 < 2, orgcast.Position(1, 100)
			s := h.Register(spec)
			defer s.Close()
			var found []orgcast.Membership
			for _, o := range organizations {
				m, _ := members.Membership(user, o)
				found = append(found, m)
			}
			wake := make(chan struct{}, 1)
			s.Start(found, noon, func() {
				select {
				case wake <- struct{}{}:
				default:
				}
			})
			var fresh orgcast.Cursor
			confirmed := make(chan struct{})
			defer func() { <-confirmed }()
			go func() {
				defer close(confirmed)
				fresh = h.Position()
				s.Confirmed()
			}()
			var got []string
			var from string
			for {
				st := s.Step(noon)
				for _, m := range parse(t, st.Frames) {
					switch m.Type {
					case "connection":
						from = m.Cursor
						begun <- struct{}{}
					case "ready":
						<-confirmed
						if c, err := orgcast.ParseCursor(m.Cursor); err != nil || c.Compare(fresh) < 0 {
							t.Errorf("ready at %s, before %v, which was confirmed", m.Cursor, fresh)
						}
					case "closing":
						if m.Reason != "membership_revoked" {
							t.Errorf("closed for %s", m.Reason)
						}
					default:
						got = append(got, m.id)
					}
				}
				if st.Done {
					break
				}
				if st.Load {
					if err := s.Load(t.Context()); err != nil {
						t.Error(err)
						return
					}
				} else if !st.More {
					<-wake
				}
			}
			after, err := orgcast.ParseCursor(from)
			if err != nil {
				t.Error(err)
				return
			}
			var want []string
			log.mu.Lock()
			defer log.mu.Unlock()
			for _, e := range log.events {
				if e.Cursor.Compare(after) > 0 && (e.Organization == orgcast.Everyone || slices.Contains(organizations, e.Organization)) {
					want = append(want, e.Cursor.String())
				}
				if e.Type == orgcast.MemberLeave {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("stream %d got %d events, want %d", n, len(got), len(want))
			}
		})
	}
	commits := 0
	write := func(typ orgcast.EventType, changes ...orgcast.MemberChange) {
		commits++
		lsn := orgcast.LSN(100 + 10*commits)
		o := []orgcast.OrganizationID{"a", "b", orgcast.Everyone, "nobody"}[commits%4]
		if typ == orgcast.MemberLeave {
			o = orgcast.Everyone
		}
		e := makeEvent(at(lsn, 0), o, orgcast.KindEvent, typ, orgcast.Audience{}, commits%300)
		f := makeEvent(at(lsn, 8), o, orgcast.KindEvent, orgcast.DataSync, orgcast.Audience{}, 0)
		log.append(e, f)
		h.Dispatch(lsn+2, []orgcast.Event{e, f}, changes, nil, commits%100 == 0)
	}
	for range transactions / 2 {
		write(orgcast.DataSync)
	}
	for range readers {
		<-begun
	}
	// Others call beside the streams: what they do changes nothing of what each
	// stream is to get.
	var everything orgcast.Filter
	for c := range orgcast.Channel(8) {
		everything.AddChannel(c)
	}
	var beside sync.WaitGroup
	beside.Go(func() {
		for i := range 100 {
			h.mu.Lock()
			streams := h.all(nil)
			h.mu.Unlock()
			for _, s := range streams {
				if !h.SetFilter(s.spec.User, s.ID(), []orgcast.Filter{{}, everything}[i%2]) || h.SetFilter("somebody", s.ID(), orgcast.Filter{}) {
					t.Error("a filter was not set for the one user whose stream it is")
				}
			}
			if h.End("somebody", streams[0].ID()) || h.Kick("somebody", "") != 0 || h.Stats(1).Streams != readers {
				t.Error("somebody who is not there ended a stream")
			}
			runtime.Gosched()
		}
	})
	for range transactions / 2 {
		write(orgcast.DataSync)
	}
	beside.Wait()
	members.mu.Lock()
	clear(members.rows)
	members.mu.Unlock()
	write(orgcast.MemberLeave, orgcast.MemberChange{Cursor: at(orgcast.LSN(100+10*(commits+1)), 0), Everybody: true})
	running.Wait()
}
