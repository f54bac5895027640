package telemetry

import (
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/hub"
)

// reading is a histogram as Prometheus sees it.
type reading struct {
	count   uint64
	sum     float64
	buckets map[float64]uint64
}

// read gathers a histogram; of several, the one of a stage.
func read(t testing.TB, g prometheus.Gatherer, name, stage string) (r reading) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if len(m.GetLabel()) > 0 && m.GetLabel()[0].GetValue() != stage {
				continue
			}
			h := m.GetHistogram()
			r = reading{h.GetSampleCount(), h.GetSampleSum(), map[float64]uint64{}}
			for _, b := range h.GetBucket() {
				r.buckets[b.GetUpperBound()] = b.GetCumulativeCount()
			}
			return r
		}
	}
	t.Fatalf("no %s of stage %q", name, stage)
	return r
}

func TestATimeIsCountedInItsBucketAndInTheMean(t *testing.T) {
	registry := prometheus.NewRegistry()
	l := newLatency("x_seconds", "x", nil)
	registry.MustRegister(l)
	if l.mean() != 0 {
		t.Errorf("the mean of nothing is %v", l.mean())
	}
	times := []time.Duration{-time.Hour, 0, 500 * time.Microsecond, 501 * time.Microsecond, 30 * time.Millisecond, time.Minute, 24 * time.Hour}
	total := time.Duration(0)
	for _, d := range times {
		l.observe(d)
		total += max(d, 0)
	}
	got := read(t, registry, "orgcast_x_seconds", "")
	if got.count != uint64(len(times)) || math.Abs(got.sum-total.Seconds()) > 1e-5 || l.mean() != (total/7).Truncate(time.Microsecond) {
		t.Errorf("count %d, sum %v, mean %v; want %d, %v, %v", got.count, got.sum, l.mean(), len(times), total.Seconds(), total/7)
	}
	for bound, n := range got.buckets {
		want := uint64(0)
		for _, d := range times {
			if d.Seconds() <= bound {
				want++
			}
		}
		if n != want {
			t.Errorf("up to %v s: %d, want %d", bound, n, want)
		}
	}
	if len(got.buckets) != len(latencyBounds) {
		t.Errorf("%d buckets", len(got.buckets))
	}
}

// Sixty-four writers and a scraper: nothing is lost.
func TestObservationsFromEverywhereAddUp(t *testing.T) {
	l := newLatency("x_seconds", "x", nil)
	registry := prometheus.NewRegistry()
	registry.MustRegister(l)
	var writing sync.WaitGroup
	for range 64 {
		writing.Go(func() {
			for range 1000 {
				l.observe(time.Millisecond)
			}
		})
	}
	for range 20 {
		read(t, registry, "orgcast_x_seconds", "")
	}
	writing.Wait()
	if got := read(t, registry, "orgcast_x_seconds", ""); got.count != 64_000 || got.buckets[0.001] != 64_000 || got.buckets[0.0005] != 0 || l.mean() != time.Millisecond {
		t.Errorf("%+v, mean %v", got, l.mean())
	}
}

// A transaction's way, with a time for each stage that is its own.
func TestEveryStageIsMeasuredFromWhereTheOneBeforeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics()
		feed, log, driver := m.Feed(), m.Log(nil, nil), m.Delivery()
		tx := orgcast.Transaction{EndLSN: 100, CommitTime: time.Now()}
		time.Sleep(3 * time.Millisecond)
		feed.Received(tx, time.Now())
		time.Sleep(20 * time.Millisecond)
		dispatched := time.Now()
		feed.Committed(tx, 1, 1)
		time.Sleep(40 * time.Millisecond)
		log.Durable(100)
		time.Sleep(140 * time.Millisecond)
		driver.Written(hub.Stamp{Committed: tx.CommitTime, Dispatched: dispatched})
		driver.Written(hub.Stamp{Committed: tx.CommitTime}) // read from the log: how long it was on no tail is not known
		for stage, want := range map[string]float64{"received": .003, "dispatched": .02, "logged": .06, "written": .18} {
			if got := read(t, m.Registry, "orgcast_stage_seconds", stage); got.count != 1 || math.Abs(got.sum-want) > 1e-6 {
				t.Errorf("%s: %d of %v s, want one of %v s", stage, got.count, got.sum, want)
			}
		}
		if got := read(t, m.Registry, "orgcast_commit_to_socket_seconds", ""); got.count != 2 || math.Abs(got.sum-2*.203) > 1e-6 {
			t.Errorf("in all: %+v", got)
		}
		if got := m.Totals().Latency; got != 203*time.Millisecond {
			t.Errorf("the operator's mean is %v", got)
		}
	})
}

func TestWhatIsNeverDurableIsForgotten(t *testing.T) {
	var p pending
	taken := func(end orgcast.LSN) (n int) {
		for range p.upTo(end) {
			n++
		}
		return n
	}
	now := time.Now()
	for lsn := orgcast.LSN(10); lsn <= 50; lsn += 10 {
		p.add(lsn, now)
	}
	if n := taken(5) + taken(39); n != 3 {
		t.Errorf("%d up to 39", n)
	}
	p.add(40, now) // it came again, on another connection
	if n := taken(1000); n != 1 {
		t.Errorf("%d after a redelivery, want the one", n)
	}
	for lsn := range orgcast.LSN(10 * maxPending) {
		p.add(1000+lsn, now)
	}
	if n := taken(1 << 40); n != maxPending {
		t.Errorf("%d are kept", n)
	}
}

// BenchmarkObserve is what the measure costs at every write, from one goroutine
// and from all processors at one time.
func BenchmarkObserve(b *testing.B) {
	m := NewMetrics()
	newest := hub.Stamp{Committed: time.Now(), Dispatched: time.Now()}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.stages.write(newest)
		}
	})
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				m.stages.write(newest)
			}
		})
	})
}

func TestAnObservationAllocatesNothing(t *testing.T) {
	m := NewMetrics()
	newest := hub.Stamp{Committed: time.Now(), Dispatched: time.Now()}
	tx := orgcast.Transaction{EndLSN: 1, CommitTime: time.Now()}
	if n := testing.AllocsPerRun(100, func() {
		m.stages.write(newest)
		tx.EndLSN++
		m.stages.receive(tx, newest.Dispatched)
		m.stages.dispatch()
		m.stages.durable(tx.EndLSN)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
