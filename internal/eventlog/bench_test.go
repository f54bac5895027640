package eventlog_test

import (
	"fmt"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
)

func openBench(b *testing.B) *eventlog.Log {
	b.Helper()
	log, err := eventlog.Open(b.TempDir()+"/log", eventlog.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := log.Close(); err != nil {
			b.Error(err)
		}
	})
	eventlogtest.Begin(b, log)
	return log
}

func benchEvents(n int) []*orgcast.Event {
	events := make([]*orgcast.Event, n)
	for i := range events {
		events[i] = eventlogtest.Event(orgcast.OrganizationID(fmt.Sprintf("cm0000000000000000org%04d", i*7919%1000)), 0, uint64(i)*8)
		for len(events[i].Frame) < 400 {
			events[i].Frame = fmt.Appendf(events[i].Frame, `"k%d":"%x",`, i, len(events[i].Frame)*7919*(i+1))
		}
	}
	return events
}

// Appends with fsync, one batch a commit.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			log, events := openBench(b), benchEvents(n)
			b.ReportAllocs()
			for b.Loop() {
				lsn := log.Position()
				batch := log.Batch()
				for _, e := range events {
					e.Cursor.LSN = lsn
					batch.Event(e)
				}
				if err := log.Append(batch, lsn+100, eventlogtest.Committed); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
		})
	}
}

func BenchmarkRead1000(b *testing.B) {
	log := openBench(b)
	events := benchEvents(1000)
	for round := range 100 {
		for _, e := range events {
			e.Cursor.LSN = log.Position()
			log.Batch().Event(e)
		}
		if round%5 == 0 {
			log.Batch().Event(eventlogtest.Event(orgcast.Everyone, log.Position(), 1<<20))
		}
		if err := log.Append(log.Batch(), log.Position()+100, eventlogtest.Committed); err != nil {
			b.Fatal(err)
		}
	}
	org := events[0].Organization
	for range 10 {
		for i := range uint64(98) {
			log.Batch().Event(eventlogtest.Event(org, log.Position(), i))
		}
		if err := log.Append(log.Batch(), log.Position()+100, eventlogtest.Committed); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := log.Read(b.Context(), org, log.Floor(), eventlogtest.At(1<<62, 0), func(*orgcast.Event) bool { n++; return n < 1000 })
		if err != nil || n != 1000 {
			b.Fatal(n, err)
		}
	}
}
