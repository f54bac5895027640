package hub

import (
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/plant"
)

// tail holds an organization's newest events. One writer appends; streams read.
type tail struct {
	hub     *Hub
	streams map[*Stream]struct{} // guarded by Hub.mu

	round uint64 // of the dispatch that last woke its streams; guarded by Hub.mu

	mu sync.RWMutex
	// floor is where the tail begins: it holds all that lies after it, up to the
	// watermark.
	floor  orgcast.Cursor
	chunks []*chunk
	bytes  int // what chunks take; guarded by Hub.mu

	giant    atomic.Pointer[giant] // the last transaction that was left to the log; nil: none since the last lap
	counting *giant                // of the one that comes in parts; guarded by Hub.mu
}

// chunk is a piece of a tail. Its bytes never move and never change once
// written, so that they can be sent without a lock.
type chunk struct {
	entries []entry
	frames  []byte
	// open says that every entry is for every member: a stream that takes all
	// takes the bytes as they are.
	open bool
	// named is what the entries' audiences take.
	named int
}

type entry struct {
	cursor   orgcast.Cursor
	end      int // in chunk.frames
	kind     orgcast.Kind
	typ      orgcast.EventType
	audience orgcast.Audience
	stamp    stamp
}

const (
	minChunk = 2 << 10
	maxChunk = 64 << 10
	// entryBytes is what an entry takes beside its frame.
	entryBytes = 128
	// nameBytes is what the header of one of an audience's names takes: users may
	// be a thousand.
	nameBytes = 16
)

func (c *chunk) size() int { return cap(c.frames) + len(c.entries)*entryBytes + c.named }

// names is what an audience's names take.
func names(a *orgcast.Audience) (n int) {
	for _, u := range a.Users {
		n += nameBytes + len(u)
	}
	for _, r := range a.Roles {
		n += nameBytes + len(r)
	}
	return n + len(a.User)
}

// append adds an event. The frame is copied.
func (t *tail) append(e *orgcast.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.room(len(e.Frame))
	c.frames = append(c.frames, e.Frame...)
	audience := e.Audience
	audience.Users, audience.Roles = slices.Clone(audience.Users), slices.Clone(audience.Roles)
	named := names(&audience)
	c.entries = append(c.entries, entry{e.Cursor, len(c.frames), e.Kind, e.Type, audience, t.hub.stamp})
	c.open = c.open && audience.All()
	c.named += named
	t.grow(entryBytes + named)
}

// room finds or makes a chunk with n free bytes, and drops the oldest chunks
// that are too many.
func (t *tail) room(n int) *chunk {
	size := minChunk
	if len(t.chunks) > 0 {
		last := t.chunks[len(t.chunks)-1]
		if cap(last.frames)-len(last.frames) >= n {
			return last
		}
		size = min(2*cap(last.frames), maxChunk)
	}
	size = max(size, n)
	c := &chunk{frames: make([]byte, 0, size), open: true}
	t.grow(size)
	for len(t.chunks) > 0 && t.bytes > t.hub.config.TailBytes {
		t.drop()
	}
	t.chunks = append(t.chunks, c)
	return c
}

// drop forgets the oldest chunk: streams that had not come so far read the log.
func (t *tail) drop() {
	c := t.chunks[0]
	t.floor = c.entries[len(c.entries)-1].cursor
	t.grow(-c.size())
	t.chunks[0] = nil
	t.chunks = t.chunks[1:]
}

// shrink drops the oldest chunk, if there is one.
func (t *tail) shrink() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.chunks) > 0 {
		t.drop()
	}
}

func (t *tail) grow(n int) {
	t.bytes += n
	t.hub.tailBytes += n
}

// lap forgets everything: what lies before at is in the log.
func (t *tail) lap(at orgcast.Cursor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.grow(-t.bytes)
	t.chunks, t.floor = nil, at
	t.counting = nil
	t.giant.Store(nil)
}

// run is bytes to send: one event's, or those of several in a row.
type run struct {
	last   orgcast.Cursor
	frames []byte
	events int
	resets int          // of the events
	kind   orgcast.Kind // of the first; the one that counts where each is a run
	stamp  stamp        // of the last
}

// merge puts the runs of several organizations, of one event each, into one
// order. What is for everyone came from each of them: once is enough.
func merge(runs []run) []run {
	slices.SortStableFunc(runs, func(a, b run) int { return a.last.Compare(b.last) })
	return slices.CompactFunc(runs, func(a, b run) bool { return a.last == b.last })
}

// collect appends to runs what a view may see with after < cursor <= upTo, until
// budget bytes are there. It returns the cursor up to which all was collected.
// ok is false if the tail does not reach back to after. Events in a row that a
// view may see are one run if joined.
func (t *tail) collect(runs []run, after, upTo orgcast.Cursor, v view, joined bool, budget int) (_ []run, reached orgcast.Cursor, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if after.Compare(t.floor) < 0 {
		return runs, after, false
	}
	first := sort.Search(len(t.chunks), func(i int) bool {
		e := t.chunks[i].entries
		return e[len(e)-1].cursor.Compare(after) > 0
	})
	for _, c := range t.chunks[first:] {
		i := sort.Search(len(c.entries), func(i int) bool { return c.entries[i].cursor.Compare(after) > 0 })
		start := 0
		if i > 0 {
			start = c.entries[i-1].end
		}
		fresh := true // the next event begins a run
		for ; i < len(c.entries); i++ {
			e := &c.entries[i]
			if e.cursor.Compare(upTo) > 0 {
				return runs, upTo, true
			}
			if budget <= 0 {
				return runs, after, true
			}
			after = e.cursor
			if !c.open && !v.allows(e.typ, e.kind, e.audience) || c.open && !v.passes(e.typ, e.kind) {
				start, fresh = e.end, true
				continue
			}
			budget -= e.end - start
			if fresh || !joined {
				runs = append(runs, run{frames: c.frames[start:start:len(c.frames)], kind: e.kind})
				fresh = false
			}
			r := &runs[len(runs)-1]
			r.frames = r.frames[:len(r.frames)+e.end-start]
			r.last, r.events, r.stamp = e.cursor, r.events+1, e.stamp
			if e.kind == orgcast.KindReset {
				r.resets++
			}
			start = e.end
		}
	}
	return runs, upTo, true
}

// view is what a stream may and wants to see of one organization.
type view struct {
	user   orgcast.UserID
	role   string
	filter orgcast.Filter
}

// passes tells whether the client wants the event. A reset is never filtered.
func (v view) passes(t orgcast.EventType, k orgcast.Kind) bool {
	return k == orgcast.KindReset || v.filter.Passes(t)
}

// allows tells whether the client may see the event and wants it.
func (v view) allows(t orgcast.EventType, k orgcast.Kind, a orgcast.Audience) bool {
	return v.passes(t, k) && (a.Allows(v.user, v.role) || plant.AudienceIgnored)
}
