package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/oikion/orgcast/internal/verify"
)

// Incident is something that was broken, as far as it excuses what is said of it.
type Incident struct {
	Kind  string
	At    int64 // ns since the run's beginning
	Until int64 // when the server was ready again; 0 if never
	Epoch bool  // a new epoch may begin because of it
	Early bool  // what the log had before it may be gone: `too_old` has a reason
}

// Options are the promises in figures.
type Options struct {
	// Fresh is how far a stream that says it is live may be behind what was
	// acknowledged, ns: 10 s of the contract, and what the machine needs.
	Fresh int64
	// Many and Bytes are what may be behind a cursor before it is `too_many`.
	Many, Bytes int
	// Kept is how much of the newest events the log keeps whatever happens, in bytes
	// of their payloads: a cursor in it is not `too_old`.
	Kept int64
	// Behind is how far a server may be behind what was acknowledged before it answers
	// a request, ns; after an incident, behind its end.
	Behind int64
	// Answer is how long after a removal was acknowledged it may still be unknown
	// when it happened, ns.
	Answer int64
}

// Defaults are those of the contract, with room for a busy machine.
func Defaults() Options {
	return Options{Fresh: 12e9, Many: 9_000, Bytes: 3 << 20, Kept: 32 << 20, Behind: 3e9, Answer: 10e9}
}

// World is what all records are held against. It is made once and then only
// read.
type World struct {
	options   Options
	facts     []verify.Fact
	of        map[string][]int32 // by organization, indexes into facts
	members   map[string]map[string][]verify.Member
	sizes     []int64         // of all facts before each, bytes
	commits   []verify.Commit // by LSN
	acked     []acked         // by time
	incidents []Incident

	mu     sync.Mutex
	events map[*string]verify.Event // what was parsed: many hear the same
}

// acked says that all up to a commit was acknowledged by a time.
type acked struct {
	at  int64
	lsn uint64 // the furthest up to at
}

// New makes a world. It sorts what it is given.
func New(t verify.Truth, incidents []Incident, o Options) *World {
	w := &World{options: o, facts: t.Facts, commits: t.Commits, incidents: incidents, of: map[string][]int32{}, events: map[*string]verify.Event{}, members: map[string]map[string][]verify.Member{}}
	slices.SortStableFunc(w.facts, func(a, b verify.Fact) int {
		return cmp.Or(cmp.Compare(a.LSN, b.LSN), cmp.Compare(a.Ordinal, b.Ordinal))
	})
	w.sizes = make([]int64, len(w.facts)+1)
	for i, f := range w.facts {
		w.of[f.Organization] = append(w.of[f.Organization], int32(i))
		w.sizes[i+1] = w.sizes[i] + int64(len(f.Payload))
	}
	for _, m := range t.Members {
		if w.members[m.User] == nil {
			w.members[m.User] = map[string][]verify.Member{}
		}
		w.members[m.User][m.Organization] = append(w.members[m.User][m.Organization], m)
	}
	slices.SortFunc(w.commits, func(a, b verify.Commit) int { return cmp.Compare(a.LSN, b.LSN) })
	for _, c := range w.commits {
		if c.Acked > 0 {
			w.acked = append(w.acked, acked{c.Acked, c.LSN})
		}
	}
	slices.SortFunc(w.acked, func(a, b acked) int { return cmp.Compare(a.at, b.at) })
	for i := 1; i < len(w.acked); i++ {
		w.acked[i].lsn = max(w.acked[i].lsn, w.acked[i-1].lsn)
	}
	return w
}

// ackedBy is the furthest commit that was acknowledged before a time.
func (w *World) ackedBy(at int64) uint64 {
	i, _ := slices.BinarySearchFunc(w.acked, at, func(a acked, at int64) int { return cmp.Compare(a.at, at) })
	if i == 0 {
		return 0
	}
	return w.acked[i-1].lsn
}

// commit is the commit at an LSN, or the zero one.
func (w *World) commit(lsn uint64) verify.Commit {
	i, ok := slices.BinarySearchFunc(w.commits, lsn, func(c verify.Commit, lsn uint64) int { return cmp.Compare(c.LSN, lsn) })
	if !ok {
		return verify.Commit{}
	}
	return w.commits[i]
}

// known is when a commit was certainly known to somebody; 0 if never.
func (w *World) known(lsn uint64) int64 {
	c := w.commit(lsn)
	if c.Acked > 0 && (c.Seen == 0 || c.Acked < c.Seen) {
		return c.Acked
	}
	return c.Seen
}

// at are the facts of one change, of all organizations.
func (w *World) at(p verify.Place) (first, end int) {
	order := func(f verify.Fact, p verify.Place) int {
		return cmp.Or(cmp.Compare(f.LSN, p.LSN), cmp.Compare(f.Ordinal, p.Ordinal()))
	}
	first, _ = slices.BinarySearchFunc(w.facts, p, order)
	for end = first; end < len(w.facts) && order(w.facts[end], p) == 0; end++ {
	}
	return first, end
}

// between is how many bytes of events there are between two places.
func (w *World) between(from, to verify.Place) int64 {
	first, _ := w.at(from)
	end, _ := w.at(to)
	return w.sizes[max(first, end)] - w.sizes[first]
}

// merged are the facts of some organizations, and of all, in their order.
func (w *World) merged(organizations []string) []int32 {
	list := slices.Clone(w.of["*"])
	for _, o := range organizations {
		list = append(list, w.of[o]...)
	}
	slices.Sort(list)
	return list
}

// Epochs holds the epochs that were seen against the incidents that may begin one.
func (w *World) Epochs(records []*verify.Record) (findings []Finding) {
	type sight struct {
		epoch, client string
		at            int64
		entry         int
	}
	first := map[string]sight{}
	for _, r := range records {
		for i, e := range r.Entries {
			if e.What == verify.Asked || e.Cursor.Epoch == "" {
				continue
			}
			if s, ok := first[e.Cursor.Epoch]; !ok || e.At < s.at {
				first[e.Cursor.Epoch] = sight{e.Cursor.Epoch, r.Client, e.At, i}
			}
		}
	}
	var sights []sight
	for _, s := range first {
		sights = append(sights, s)
	}
	slices.SortFunc(sights, func(a, b sight) int { return cmp.Compare(a.at, b.at) })
	for n, s := range sights {
		reasons := 0
		for _, i := range w.incidents {
			if i.Epoch && i.At <= s.at {
				reasons++
			}
		}
		if n > reasons {
			findings = append(findings, Finding{FalseEpoch, s.client, s.at, s.entry, fmt.Sprintf("epoch %s is the %d. new one, after %d incidents that may begin one", s.epoch, n, reasons)})
		}
	}
	return findings
}

// upToDate is the time up to which a server has certainly heard of what was
// acknowledged, when it is asked something.
func (w *World) upToDate(asked int64) int64 {
	to := asked
	for _, i := range w.incidents {
		if i.At <= asked && (i.Until == 0 || asked <= i.Until+w.options.Behind) {
			to = min(to, i.At)
		}
	}
	return to - w.options.Behind
}

// cutBehind says whether an incident may have cut off the log behind a place: before
// its end there was something more recent.
func (w *World) cutBehind(p verify.Place) bool {
	i, _ := slices.BinarySearchFunc(w.commits, p.LSN+1, func(c verify.Commit, lsn uint64) int { return cmp.Compare(c.LSN, lsn) })
	if i == len(w.commits) {
		return false
	}
	after := w.known(w.commits[i].LSN)
	return slices.ContainsFunc(w.incidents, func(i Incident) bool { return i.Early && (i.Until == 0 || after <= i.Until) })
}

// same says whether a payload of one organization is another's, but for its name.
func same(f verify.Fact, e verify.Event) bool {
	return f.Type == e.Type && (f.Payload == e.Payload ||
		strings.ReplaceAll(f.Payload, `"organizationId":"`+f.Organization+`"`, `"organizationId":"`+e.Organization+`"`) == e.Payload)
}

// parse parses a data line, once for all that share it.
func (w *World) parse(data *string) (verify.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := w.events[data]; ok {
		return e, nil
	}
	e, err := verify.ParseEvent(*data)
	if err == nil {
		w.events[data] = e
	}
	return e, err
}
