package telemetry

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/hub"
)

// stages is where the time goes between a commit and the sockets.
type stages struct {
	received, logged, dispatched, written, total *latency

	arrived time.Time // when the commit of the transaction at hand did; the feed's
	pending pending
}

const clockCaveat = " It compares two clocks, the database's and this machine's: what they differ by is in it, and what is below zero counts as zero."

func newStages(registry *prometheus.Registry) *stages {
	stage := func(name string) *latency {
		l := newLatency("stage_seconds", "How long a stage takes on the way from a commit to the sockets. "+
			"received: from the commit in the database until all of the transaction is here."+clockCaveat+" "+
			"logged: from then until it is durable in the event log. "+
			"dispatched: from then, too, until its events are on the tails of the streams; it does not wait for logged. "+
			"written: from the tails until the kernel has the bytes, for every write to a live stream, by the newest event in it.",
			prometheus.Labels{"stage": name})
		registry.MustRegister(l)
		return l
	}
	s := &stages{received: stage("received"), logged: stage("logged"), dispatched: stage("dispatched"), written: stage("written")}
	s.total = newLatency("commit_to_socket_seconds", "From the commit until the kernel has the bytes, for every write to a live stream, by the newest event in it."+clockCaveat, nil)
	registry.MustRegister(s.total)
	return s
}

// receive, dispatch are the feed's, in this order for each transaction.
func (s *stages) receive(tx orgcast.Transaction, at time.Time) {
	s.arrived = at
	s.received.observe(at.Sub(tx.CommitTime))
	s.pending.add(tx.EndLSN, at)
}

func (s *stages) dispatch() { s.dispatched.observe(time.Since(s.arrived)) }

// durable is the log's: all up to end is on disk.
func (s *stages) durable(end orgcast.LSN) {
	now := time.Now()
	for at := range s.pending.upTo(end) {
		s.logged.observe(now.Sub(at))
	}
}

// write is the streams', all at one time.
func (s *stages) write(newest hub.Stamp) {
	now := time.Now()
	s.total.observe(now.Sub(newest.Committed))
	if !newest.Dispatched.IsZero() {
		s.written.observe(now.Sub(newest.Dispatched))
	}
}

// maxPending is more than the log lets wait for an fsync at one time.
const maxPending = 64

// pending is which transactions wait for their fsync, and since when. It is a
// ring: if the log fails, what will never be durable is written over.
type pending struct {
	mu   sync.Mutex // the feed's and the log's goroutine, once for each transaction
	ring [maxPending]struct {
		end orgcast.LSN
		at  time.Time
	}
	first, n int
}

func (p *pending) add(end orgcast.LSN, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n > 0 && end <= p.ring[(p.first+p.n-1)%maxPending].end {
		p.n = 0 // it came again, or another epoch began: what waited was not stored
	}
	if p.n == maxPending {
		p.first, p.n = (p.first+1)%maxPending, p.n-1
	}
	e := &p.ring[(p.first+p.n)%maxPending]
	e.end, e.at = end, at
	p.n++
}

// upTo takes those that end at or before end.
func (p *pending) upTo(end orgcast.LSN) func(yield func(time.Time) bool) {
	return func(yield func(time.Time) bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for p.n > 0 && p.ring[p.first].end <= end {
			at := p.ring[p.first].at
			p.first, p.n = (p.first+1)%maxPending, p.n-1
			if !yield(at) {
				return
			}
		}
	}
}
