package eventlog

import (
	"sync"
	"sync/atomic"
)

// damage remembers up to which segment a bad block was met.
type damage struct {
	mu      sync.Mutex
	segment uint32
	any     bool
}

// through is how many of the oldest segments end with the damaged one: a floor
// can't have holes below it.
func (d *damage) through(old []segment) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.any {
		return 0
	}
	for i := range old {
		if old[i].id >= d.segment {
			d.any = false
			if old[i].id > d.segment { // it is gone already
				return i
			}
			return i + 1
		}
	}
	return 0 // it is the newest: when another is begun
}

// corrupted is told of a bad block within [start, end]. In events it costs the
// segments up to it. Anywhere else what the log knows can't be trusted any more:
// writing ends, and the next Open sets the log aside.
func (l *Log) corrupted(start, end []byte, err error) {
	first, ok := segmentOfKey(start)
	last, okEnd := segmentOfKey(end)
	if !ok || !okEnd || start[0] != prefixEvent || end[0] != prefixEvent {
		if l.loaded.Load() { // before that, the reading in Open fails by itself
			l.fail(err)
		}
		return
	}
	// Tables are cut at segments; if this one is not, its newest events may be
	// good, but no floor below them would be true.
	id := max(first, last)
	l.bad.mu.Lock()
	known := l.bad.any && l.bad.segment >= id
	l.bad.segment, l.bad.any = max(l.bad.segment, id), true
	l.bad.mu.Unlock()
	l.rotate.Store(true)
	l.poke()
	if !known && l.opts.Hooks.Damaged != nil {
		l.opts.Hooks.Damaged(err)
	}
}

// troubles counts background errors. On a full disk Pebble tries again without a
// pause, ten thousands of times a second.
type troubles struct {
	n    atomic.Int64
	last atomic.Pointer[error]
}

func (l *Log) trouble(err error) {
	l.noted.last.Store(&err)
	l.noted.n.Add(1)
}

func (l *Log) tellTrouble() {
	if n := l.noted.n.Swap(0); n > 0 && l.opts.Hooks.Trouble != nil {
		l.opts.Hooks.Trouble(n, *l.noted.last.Load())
	}
}
