package hub

import (
	"time"

	"github.com/oikion/orgcast/internal/sse"
)

// Stamp says when an event came by, for who measures how long it takes. It
// decides nothing.
type Stamp struct {
	// Committed is by the database's clock; zero if there is nothing to measure.
	Committed time.Time
	// Dispatched is when the event was put on the tails; zero for one that was
	// read from the log.
	Dispatched time.Time
}

// stamp is a [Stamp] as the tails keep it: an entry is one of many.
type stamp struct {
	committed  int64         // Unix ns; 0: not told
	dispatched time.Duration // since Hub.born; 0: from the log
}

// stampOf is what a logged event itself tells of its commit, to the millisecond.
func stampOf(frame []byte) stamp {
	ms, _ := sse.Timestamp(frame)
	return stamp{committed: ms * int64(time.Millisecond)}
}

// Committed says when the database committed what Dispatch hands out next.
// Without it that is not measured. It is the feed's, as Dispatch is.
func (h *Hub) Committed(at time.Time) { h.stamp.committed = at.UnixNano() }

// stamped makes a tail's stamp one that can be told.
func (h *Hub) stamped(s stamp) (told Stamp) {
	if s.committed == 0 {
		return told
	}
	told.Committed = time.Unix(0, s.committed)
	if s.dispatched != 0 {
		told.Dispatched = h.born.Add(s.dispatched)
	}
	return told
}
