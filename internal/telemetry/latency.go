package telemetry

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// latencyBounds are the buckets' upper bounds. Up to 10 ms they tell one good
// night from another, above it a slow disk from a lost network.
var latencyBounds = []time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
}

// latency is a histogram of times. An observation is two additions, without a
// lock or an allocation: it is made at every write to every stream. The buckets
// and the mean are of the same observations, so that Prometheus and the
// operator's figures can't differ.
type latency struct {
	desc   *prometheus.Desc
	counts []atomic.Uint64 // one for each bound, and one for what is above
	sum    atomic.Int64    // µs: in ns a busy node would overflow it within weeks
}

func newLatency(name, help string, labels prometheus.Labels) *latency {
	return &latency{
		desc:   prometheus.NewDesc("orgcast_"+name, help, nil, labels),
		counts: make([]atomic.Uint64, len(latencyBounds)+1),
	}
}

// observe counts a time. One below zero is one of two clocks that differ.
func (l *latency) observe(d time.Duration) {
	d = max(d, 0)
	i, _ := slices.BinarySearch(latencyBounds, d)
	l.counts[i].Add(1)
	l.sum.Add(d.Microseconds())
}

// mean is of all that was observed; zero before the first.
func (l *latency) mean() time.Duration {
	n := int64(0)
	for i := range l.counts {
		n += int64(l.counts[i].Load())
	}
	if n == 0 {
		return 0
	}
	return time.Duration(l.sum.Load()/n) * time.Microsecond
}

// Describe and Collect make it a [prometheus.Collector].
func (l *latency) Describe(to chan<- *prometheus.Desc) { to <- l.desc }

// Collect reads the buckets one after the other: what is observed meanwhile is in
// this reading or in the next.
func (l *latency) Collect(to chan<- prometheus.Metric) {
	sum := float64(l.sum.Load()) / 1e6
	buckets, n := make(map[float64]uint64, len(latencyBounds)), uint64(0)
	for i, bound := range latencyBounds {
		n += l.counts[i].Load()
		buckets[bound.Seconds()] = n
	}
	n += l.counts[len(latencyBounds)].Load()
	to <- prometheus.MustNewConstHistogram(l.desc, n, sum, buckets)
}
