package hub

import (
	"cmp"
	"slices"

	"github.com/oikion/orgcast"
)

// SetFilter gives a user's own open stream another filter. It holds from the
// driver's next step on, at the place where the stream stands: what lies behind
// it is not sent again to a filter that became wider, and what lies before it,
// also of a replay, goes through the new one. It tells whether the user has such
// a stream.
func (h *Hub) SetFilter(user orgcast.UserID, id string, filter orgcast.Filter) bool {
	s := h.own(user, id)
	if s == nil {
		return false
	}
	s.filter.Store(&filter)
	s.Wake()
	return true
}

// End ends a user's own open stream where it stands, with
// [orgcast.ClosingByClient]. It tells whether the user has such a stream.
func (h *Hub) End(user orgcast.UserID, id string) bool {
	s := h.own(user, id)
	if s == nil {
		return false
	}
	h.mu.Lock()
	s.close(orgcast.ClosingByClient)
	h.mu.Unlock()
	s.Wake()
	return true
}

// own is a user's stream, by its id; nil if there is none or it is another
// user's.
func (h *Hub) own(user orgcast.UserID, id string) *Stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.ids[id]; s != nil && s.spec.User == user {
		return s
	}
	return nil
}

// Kick ends the streams of a user, of an organization or, if both are given, of
// the user that follow the organization, where they stand, with
// [orgcast.ClosingByOperator]. It tells how many; with neither it ends none. It
// takes nothing away: who is a member may come again.
func (h *Hub) Kick(user orgcast.UserID, organization orgcast.OrganizationID) int {
	if user == "" && organization == "" {
		return 0
	}
	var wake []*Stream
	h.mu.Lock()
	for s := range h.streams {
		if (user == "" || s.spec.User == user) && (organization == "" || slices.Contains(s.spec.Organizations, organization)) &&
			s.close(orgcast.ClosingByOperator) {
			wake = append(wake, s)
		}
	}
	h.mu.Unlock()
	wakeAll(wake)
	return len(wake)
}

// Forget drops what the tail of an organization holds, of which the log has been
// purged. A stream that has not come so far is told to refetch by its log; one that
// has notices nothing.
func (h *Hub) Forget(organization orgcast.OrganizationID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.tails[organization]; t != nil {
		t.lap(h.watermark.Load().cursor())
	}
}

// Listening tells how many streams of a user follow an organization now, and how
// many of them take events of a type.
func (h *Hub) Listening(user orgcast.UserID, organization orgcast.OrganizationID, t orgcast.EventType) (streams, taking int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.streams {
		if !s.started || s.spec.User != user || !slices.Contains(s.spec.Organizations, organization) {
			continue
		}
		streams++
		if s.filter.Load().Passes(t) {
			taking++
		}
	}
	return streams, taking
}

// Stats is who listens, and where the feed is.
type Stats struct {
	// Streams is how many streams were started, and Subscriptions how many
	// organizations they follow, each counted for itself.
	Streams, Subscriptions int
	// Organizations is how many organizations somebody listens to, and Largest
	// those with the most streams, the first first.
	Organizations int
	Largest       []Listened
	Epoch         orgcast.Epoch
	// Position is the end of the WAL that was handed out.
	Position orgcast.LSN
	Feed     orgcast.FeedState
}

// Listened is how many streams follow an organization.
type Listened struct {
	Organization orgcast.OrganizationID
	Streams      int
}

// Stats counts, with at most so many of the largest organizations. It looks at
// every stream.
func (h *Hub) Stats(largest int) Stats {
	m := h.watermark.Load()
	st := Stats{Epoch: m.epoch, Position: m.end, Feed: h.feed.Load().state}
	counts := map[orgcast.OrganizationID]int{}
	h.mu.Lock()
	for s := range h.streams {
		if !s.started {
			continue
		}
		st.Streams++
		for _, organization := range s.spec.Organizations {
			counts[organization]++
		}
	}
	h.mu.Unlock()
	st.Organizations = len(counts)
	for organization, n := range counts {
		st.Subscriptions += n
		st.Largest = append(st.Largest, Listened{organization, n})
	}
	slices.SortFunc(st.Largest, func(a, b Listened) int {
		return cmp.Or(cmp.Compare(b.Streams, a.Streams), cmp.Compare(a.Organization, b.Organization))
	})
	st.Largest = st.Largest[:min(largest, len(st.Largest))]
	return st
}
