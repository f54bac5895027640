package ear

import (
	"hash/maphash"
	"sync"
)

// Intern lets all clients share the lines that they hear, and what is in them. It
// forgets those that were not heard for long: then a line is kept twice.
type Intern struct {
	seed   maphash.Seed
	shards [64]shard
	bound  int
}

// shard has two generations of lines. When the new one is full, the old one goes.
type shard struct {
	mu       sync.Mutex
	now, old map[string]line
}

// line is a data line, and what it says.
type line struct {
	text *string
	message
}

// NewIntern makes one that remembers at least so many lines, and at most twice as
// many.
func NewIntern(lines int) *Intern {
	i := &Intern{seed: maphash.MakeSeed(), bound: max(1, lines/64)}
	for s := range i.shards {
		i.shards[s].now = map[string]line{}
	}
	return i
}

// line returns the line of data. Only events are kept: of the others there is one
// each.
func (i *Intern) line(data []byte) (line, error) {
	s := &i.shards[maphash.Bytes(i.seed, data)%uint64(len(i.shards))]
	s.mu.Lock()
	l, ok := s.now[string(data)]
	if !ok {
		l, ok = s.old[string(data)]
	}
	s.mu.Unlock()
	if ok {
		return l, nil
	}
	m, err := parseMessage(data)
	if err != nil {
		return line{}, err
	}
	text := string(data)
	l = line{text: &text, message: m}
	if m.ID == "" {
		return l, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, ok := s.now[text]; ok {
		return first, nil // another client was faster
	}
	if len(s.now) >= i.bound {
		s.old, s.now = s.now, make(map[string]line, i.bound)
	}
	s.now[text] = l
	return l, nil
}
