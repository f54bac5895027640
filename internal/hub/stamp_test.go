package hub

import (
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// commitAt commits one event that tells when it was committed.
func commitAt(h *Hub, log *memoryLog, lsn orgcast.LSN, when time.Time, size int) {
	h.Committed(when)
	commit(h, log, lsn, size)
}

func TestAStepTellsOfItsNewestEventWhenItWasCommittedAndDispatched(t *testing.T) {
	h, log, _ := newHub(Config{})
	s := open(h, Spec{})
	defer s.Close()
	expect(t, s, noon, "connection")
	commitAt(h, log, 150, noon, 10)
	if st := expect(t, s, noon, "data.sync"); !st.Newest.Committed.IsZero() {
		t.Errorf("a stream that is not live yet was told %+v", st.Newest)
	}
	s.Confirmed()
	if st := expect(t, s, noon, "ready"); !st.Newest.Committed.IsZero() {
		t.Errorf("without an event: %+v", st.Newest)
	}
	before := time.Now()
	commitAt(h, log, 200, noon.Add(time.Second), 10)
	commitAt(h, log, 210, noon.Add(2*time.Second), 10)
	between := time.Now()
	// Another organization's transaction is no news for this stream.
	h.Committed(noon.Add(time.Hour))
	h.Dispatch(222, []orgcast.Event{makeEvent(at(220, 0), "b", orgcast.KindEvent, orgcast.DataSync, orgcast.Audience{}, 10)}, nil, nil, false)
	st := expect(t, s, noon, "data.sync", "data.sync")
	if !st.Newest.Committed.Equal(noon.Add(2*time.Second)) || st.Newest.Dispatched.Before(before) || st.Newest.Dispatched.After(between) {
		t.Errorf("got %+v, dispatched between %v and %v", st.Newest, before, between)
	}
	commit(h, log, 300, 10) // nobody said when: no measure is better than a wrong one
	if st := expect(t, s, noon, "data.sync"); !st.Newest.Committed.IsZero() {
		t.Errorf("not told when: %+v", st.Newest)
	}
}

// A stream that fell behind is measured too, or the slowest would not count.
func TestALappedStreamIsMeasuredByWhatTheLogHas(t *testing.T) {
	h, log, _ := newHub(Config{})
	s := open(h, Spec{})
	defer s.Close()
	s.Confirmed()
	expect(t, s, noon, "connection", "ready")
	e := makeEvent(at(200, 0), "a", orgcast.KindEvent, orgcast.DataSync, orgcast.Audience{}, 10)
	log.append(e)
	h.Committed(noon)
	h.Dispatch(202, nil, nil, nil, true)
	if st := expect(t, s, noon); !st.Load {
		t.Fatal("the tail has it")
	}
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	st := expect(t, s, noon, "data.sync")
	if st.Newest.Committed.UnixMilli() != 1 || !st.Newest.Dispatched.IsZero() { // as makeEvent has it
		t.Errorf("got %+v", st.Newest)
	}
}
