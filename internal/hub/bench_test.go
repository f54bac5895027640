package hub

import (
	"fmt"
	"testing"

	"github.com/oikion/orgcast"
)

// BenchmarkDispatch hands one event of 200 bytes to an organization that so many
// streams listen to.
func BenchmarkDispatch(b *testing.B) {
	for _, streams := range []int{0, 1, 100, 1000} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			h, _, _ := newHub(Config{})
			for range streams {
				s := open(h, Spec{})
				defer s.Close()
			}
			events := []orgcast.Event{makeEvent(at(200, 0), "a", orgcast.KindEvent, orgcast.DataSync, orgcast.Audience{}, 50)}
			lsn := orgcast.LSN(200)
			b.ReportAllocs()
			for b.Loop() {
				events[0].Cursor.LSN = lsn
				h.Dispatch(lsn+8, events, nil, nil, false)
				lsn += 8
			}
		})
	}
}

// BenchmarkStep dispatches one event to a live stream, and takes it.
func BenchmarkStep(b *testing.B) {
	for _, kind := range []string{"open", "filtered"} {
		b.Run(kind, func(b *testing.B) {
			h, _, _ := newHub(Config{})
			spec := Spec{}
			if kind == "filtered" {
				spec.Filter.AddType(orgcast.DataSync)
			}
			s := open(h, spec)
			defer s.Close()
			s.Confirmed()
			s.Step(noon)
			events := []orgcast.Event{makeEvent(at(200, 0), "a", orgcast.KindEvent, orgcast.DataSync, orgcast.Audience{}, 50)}
			lsn := orgcast.LSN(200)
			b.ReportAllocs()
			for b.Loop() {
				events[0].Cursor.LSN = lsn
				h.Dispatch(lsn+8, events, nil, nil, false)
				if st := s.Step(noon); len(st.Frames) != 1 {
					b.Fatalf("%d frames", len(st.Frames))
				}
				lsn += 8
			}
		})
	}
}

// BenchmarkCatchUp takes 1,000 events that are on the tail, in as many steps as
// that needs.
func BenchmarkCatchUp(b *testing.B) {
	h, log, _ := newHub(Config{TailBytes: 1 << 20})
	keep := open(h, Spec{})
	defer keep.Close()
	for i := range orgcast.LSN(1000) {
		commit(h, log, 200+8*i, 50)
	}
	b.ReportAllocs()
	for b.Loop() {
		s := open(h, Spec{HasResume: true, Resume: orgcast.Position(1, 150)})
		for s.Step(noon).More {
		}
		s.Close()
	}
}
