package hub

import (
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/sse"
)

// Page is a part of what a stream would send, as one answer. A stream that fills
// a page says nothing else: it is filled with [Stream.Fill] instead of being
// stepped, and judged, filtered and ended as any other.
type Page struct {
	// Limit and MaxBytes bound the events. One is taken however large it is, so
	// that a client gets on.
	Limit, MaxBytes int

	// Events are the JSON texts of the events' data lines. They are good for ever.
	Events [][]byte
	// Cursor is where to go on from: that of the last event, or beyond it where
	// nothing more is known to lie between.
	Cursor orgcast.Cursor
	// Reset, if not empty, says why the client must refetch before it goes on from
	// Cursor. Rows that moved do not end a page, of which a transaction may have
	// thousands: what is fetched behind the page has all of it. Beside any other reason
	// there are no events: one that comes after some is left to the page after this one.
	Reset orgcast.ResetReason
	// Ahead says that the client's cursor lies beyond where the feed is. Whether
	// it lies beyond the database, too, is known after [Stream.Confirmed].
	Ahead bool
	// Ended is why the stream ended before the page was full, or "". What is in the
	// page was for its user to see up to that end.
	Ended orgcast.ClosingReason

	bytes int // of Events
}

// ClosedPage is what [Hooks.Closed] is told of a stream that filled a page.
const ClosedPage = "page"

// Fill takes what there is at now. It is the page's [Stream.Step]: the driver
// stops if Done, loads if Load, fills again if More, else waits for a wake. It
// does no I/O and does not block.
func (s *Stream) Fill(p *Page, now time.Time) (st Step) {
	s.reason = ClosedPage
	feed, upTo, end := s.look(now)
	defer func() {
		s.control = nil // words of a stream: a page has none
		if s.broken != "" && p.empty() {
			p.Reset, p.Cursor = s.broken, s.cursor
		}
		st.Done = st.Done || s.broken != ""
	}()
	if s.broken != "" {
		st.Done = true
		return st
	}
	full := false
	if s.over(end, upTo, now) == nil && s.cursor.Compare(upTo) < 0 && !s.stranded {
		runs, reached, ok := s.collect(upTo, false)
		if !ok {
			st.Load = true
			return st
		}
		if full = s.take(p, runs, reached); !full {
			st.More = s.cursor.Compare(upTo) < 0
		}
	}
	if p.empty() {
		p.Cursor = s.cursor
	}
	over := s.over(end, upTo, now)
	switch {
	case full:
		st.Done = true
	case over != nil:
		p.Ended, p.Cursor, st.Done = over.reason, s.cursor, true
		s.reason = string(over.reason)
	case st.More:
	case !p.empty():
		p.Cursor, st.Done = s.cursor, true
	default:
		if p.Ahead = s.ahead(); p.Ahead {
			s.fresh(feed)
		}
	}
	return st
}

// take puts the runs up to a cursor, of one event each, into the page. It tells
// whether the page is full: the stream then stands behind the last that is in it.
func (s *Stream) take(p *Page, runs []run, upTo orgcast.Cursor) (full bool) {
	before := len(p.Events)
	for _, r := range runs {
		if r.last.Compare(upTo) > 0 {
			break
		}
		if r.kind == orgcast.KindReset {
			p.Reset, p.Cursor = orgcast.ResetMoved, r.last
			continue
		}
		data := sse.Data(r.frames)
		if n := len(p.Events); n > 0 && (n == p.Limit || p.bytes+len(data) > p.MaxBytes) {
			full = true
			break
		}
		p.Events, p.Cursor = append(p.Events, data), r.last
		p.bytes += len(data)
	}
	s.cursor = upTo
	if full {
		s.cursor = p.Cursor
	}
	if hook := s.hub.config.Hooks.Delivered; hook != nil && len(p.Events) > before {
		hook(len(p.Events) - before)
	}
	return full
}

// empty tells whether there is nothing in the page to be told.
func (p *Page) empty() bool { return len(p.Events) == 0 && p.Reset == "" }
