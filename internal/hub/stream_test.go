package hub

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/sse"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.UnixMilli(1763881200000)

// newHub is a hub of epoch 1 at 100, with the user "u" in the organization "a".
func newHub(config Config) (*Hub, *memoryLog, *memoryMembers) {
	log := &memoryLog{epoch: 1, floor: orgcast.Position(1, 100)}
	members := &memoryMembers{rows: map[place]orgcast.Membership{}}
	members.set(place{"u", "a"}, "AGENT", 0)
	h := New(log, members, config)
	h.Reset(1, 100)
	h.SetFeed(orgcast.FeedLive, noon)
	return h, log, members
}

func open(h *Hub, spec Spec) *Stream {
	if spec.ExpiresAt.IsZero() {
		spec.ExpiresAt = noon.Add(24 * time.Hour)
	}
	spec.User = "u"
	spec.Organizations = []orgcast.OrganizationID{"a"}
	s := h.Register(spec)
	m, _ := h.members.Membership("u", "a")
	s.Start([]orgcast.Membership{m}, noon, func() {})
	return s
}

func at(lsn orgcast.LSN, index uint64) orgcast.Cursor {
	return orgcast.Cursor{Epoch: 1, LSN: lsn, Index: index}
}

// commit commits one event for "a" at lsn.
func commit(h *Hub, log *memoryLog, lsn orgcast.LSN, size int) {
	e := makeEvent(at(lsn, 0), "a", orgcast.KindEvent, orgcast.DataSync, orgcast.Audience{}, size)
	log.append(e)
	h.Dispatch(lsn+2, []orgcast.Event{e}, nil, nil, false)
}

// said is what a step says, as "type" or "type reason", or "heartbeat".
func said(t *testing.T, s *Stream, now time.Time) (words []string, st Step) {
	t.Helper()
	st = s.Step(now)
	for _, m := range parse(t, st.Frames) {
		switch {
		case m.Type == "":
			words = append(words, "heartbeat "+m.id)
		default:
			words = append(words, strings.TrimSpace(m.Type+" "+m.Reason+string(m.State)))
		}
	}
	return words, st
}

func expect(t *testing.T, s *Stream, now time.Time, want ...string) Step {
	t.Helper()
	got, st := said(t, s, now)
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	return st
}

func TestReadyComesOnlyWhenTheFeedIsKnownToBeFresh(t *testing.T) {
	h, log, _ := newHub(Config{})
	s := open(h, Spec{})
	defer s.Close()
	expect(t, s, noon, "connection")
	commit(h, log, 200, 10)
	expect(t, s, noon, "data.sync")
	h.SetFeed(orgcast.FeedStale, noon)
	s.Confirmed()
	expect(t, s, noon, "status stale")
	h.SetFeed(orgcast.FeedLive, noon)
	expect(t, s, noon, "ready")
	h.SetFeed(orgcast.FeedStale, noon)
	expect(t, s, noon, "status stale")
	h.SetFeed(orgcast.FeedLive, noon)
	expect(t, s, noon, "status live")
	expect(t, s, noon)
}

func TestSilenceIsBrokenByAHeartbeatWithThePositionReached(t *testing.T) {
	h, log, _ := newHub(Config{})
	s := open(h, Spec{})
	defer s.Close()
	s.Confirmed()
	st := expect(t, s, noon, "connection", "ready")
	if want := noon.Add(15 * time.Second); !st.Next.Equal(want) {
		t.Fatalf("next step at %v, want %v", st.Next, want)
	}
	expect(t, s, st.Next.Add(-time.Nanosecond))
	h.Advance(300)
	expect(t, s, st.Next, "heartbeat "+orgcast.Position(1, 300).String())
	commit(h, log, 300, 10)
	st = expect(t, s, noon.Add(20*time.Second), "data.sync")
	if want := noon.Add(35 * time.Second); !st.Next.Equal(want) {
		t.Fatalf("an event is no silence: next step at %v, want %v", st.Next, want)
	}
}

func TestAHeartbeatBeforeReadyGivesNoPosition(t *testing.T) {
	h, _, _ := newHub(Config{})
	s := open(h, Spec{HasResume: true, Resume: at(5000, 0)})
	defer s.Close()
	expect(t, s, noon, "connection")
	if st := s.Step(noon.Add(15 * time.Second)); len(st.Frames) != 1 || bytes.Contains(st.Frames[0], []byte("id:")) {
		t.Fatalf("got %q", st.Frames)
	}
}

func TestACursorAheadOfTheProcessWaitsAndOneAheadOfTheDatabaseIsReset(t *testing.T) {
	h, log, _ := newHub(Config{})
	behind := open(h, Spec{HasResume: true, Resume: at(300, 0)})
	defer behind.Close()
	beyond := open(h, Spec{HasResume: true, Resume: at(5000, 0)})
	defer beyond.Close()
	expect(t, behind, noon, "connection")
	expect(t, beyond, noon, "connection")
	for _, lsn := range []orgcast.LSN{200, 300, 400} {
		commit(h, log, lsn, 10)
	}
	behind.Confirmed()
	beyond.Confirmed()
	expect(t, behind, noon, "data.sync", "ready")
	expect(t, beyond, noon, "reset ahead", "ready")
}

func TestAStreamEndsAtItsSessionsEndAndAtItsLease(t *testing.T) {
	h, _, _ := newHub(Config{Lease: time.Minute})
	short := open(h, Spec{ExpiresAt: noon.Add(5 * time.Second)})
	defer short.Close()
	long := open(h, Spec{})
	defer long.Close()
	if st := expect(t, short, noon, "connection"); !st.Next.Equal(noon.Add(5 * time.Second)) {
		t.Fatalf("next step at %v", st.Next)
	}
	if st := expect(t, short, noon.Add(5*time.Second), "closing session_expired"); !st.Done {
		t.Fatal("not done")
	}
	expect(t, long, noon, "connection")
	if long.lease.Before(noon.Add(48*time.Second)) || long.lease.After(noon.Add(72*time.Second)) {
		t.Fatalf("lease until %v, want a minute ± 20%%", long.lease)
	}
	expect(t, long, long.lease, "closing lease")
}

// TestWhoIsToComeBackIsToldHowFarHeGot: he resumes there, and not at his last event,
// behind which all may have changed by then.
func TestWhoIsToComeBackIsToldHowFarHeGot(t *testing.T) {
	h, log, _ := newHub(Config{})
	s, behind := open(h, Spec{}), open(h, Spec{})
	defer s.Close()
	defer behind.Close()
	s.Confirmed()
	expect(t, s, noon, "connection", "ready")
	expect(t, behind, noon, "connection")
	commit(h, log, 200, 10)
	expect(t, s, noon, "data.sync")
	h.Advance(900)
	h.Shutdown()
	id := []byte("\nid: " + h.Position().String() + "\n\n")
	st := s.Step(noon)
	if all := bytes.Join(st.Frames, nil); !st.Done || !bytes.Contains(all, id) || bytes.Index(all, id) > bytes.Index(all, []byte(`"closing"`)) {
		t.Errorf("a live stream ends with %q", all)
	}
	if st := behind.Step(noon); !st.Done || bytes.Contains(bytes.Join(st.Frames, nil), []byte("id:")) {
		t.Errorf("a stream that has not got all ends with %q", st.Frames)
	}
}

// TestTheEndOfTheProcessTellsNothingThatARoleOrARemovalEnds: what comes after it, or
// after a changed role, is not handed out with the last words.
func TestTheEndOfTheProcessTellsNothingThatARoleOrARemovalEnds(t *testing.T) {
	h, log, members := newHub(Config{})
	removed, demoted := open(h, Spec{}), open(h, Spec{})
	defer removed.Close()
	for _, s := range []*Stream{removed, demoted} {
		s.Confirmed()
		expect(t, s, noon, "connection", "ready")
	}
	demoted.endAfter(at(150, 0), "a", orgcast.ClosingLease)
	commit(h, log, 200, 10)
	h.Shutdown()
	found, _ := members.Membership("u", "a")
	members.unset(place{"u", "a"})
	e := makeEvent(at(300, 8), "a", orgcast.KindEvent, orgcast.PropertyUpdate, orgcast.Audience{}, 10)
	log.append(e)
	h.Dispatch(302, []orgcast.Event{e}, []orgcast.MemberChange{{Cursor: at(300, 0), Before: member(found)}}, nil, false)
	expect(t, removed, noon, "data.sync", "heartbeat 1.5l.0", "closing shutdown")
	expect(t, demoted, noon, "closing shutdown")
	demoted.Close()
}

// Streams that were opened together must not come back together.
func TestLeasesAreSpreadOverAllOfTheirJitter(t *testing.T) {
	h, _, _ := newHub(Config{})
	var first, last time.Duration
	for i := range 400 {
		s := open(h, Spec{})
		defer s.Close()
		d := s.lease.Sub(noon)
		if d < 12*time.Minute || d > 18*time.Minute {
			t.Fatalf("a lease of %v, want 15 min ± 20%%", d)
		}
		if first = min(first, d); i == 0 {
			first = d
		}
		last = max(last, d)
	}
	if last-first < 5*time.Minute {
		t.Errorf("400 leases end within %v", last-first)
	}
}

// A user's stream may be opened while his removal is on its way through the
// house: it is in the directory and not yet dispatched, or the other way round.
func TestARemovalBetweenCheckAndStartEndsTheStreamAtOnce(t *testing.T) {
	h, log, members := newHub(Config{})
	e := makeEvent(at(200, 0), "a", orgcast.KindEvent, orgcast.DataSync, orgcast.Audience{}, 10)
	s := h.Register(Spec{User: "u", Organizations: []orgcast.OrganizationID{"a"}, ExpiresAt: noon.Add(time.Hour)})
	defer s.Close()
	found, _ := members.Membership("u", "a")
	members.unset(place{"u", "a"})
	log.append(e)
	s.Start([]orgcast.Membership{found}, noon, func() {})
	h.Dispatch(202, []orgcast.Event{e}, []orgcast.MemberChange{{Cursor: at(200, 8), Before: member(found)}}, nil, false)
	if st := expect(t, s, noon, "connection", "closing membership_revoked"); !st.Done {
		t.Fatal("not done")
	}
}

// Positions of an epoch mean nothing in the next one: the place where a user
// joined, high up in the old one, must not make him miss the new one.
func TestAMemberOfTheOldEpochMissesNothingOfTheNewOne(t *testing.T) {
	h, log, members := newHub(Config{})
	h.Advance(1 << 40)
	members.set(place{"u", "a"}, "AGENT", 1<<40-100)
	s := open(h, Spec{})
	defer s.Close()
	s.Confirmed()
	expect(t, s, noon, "connection", "ready")
	members.set(place{"u", "a"}, "AGENT", 0)
	log.epoch, log.floor = 2, orgcast.Position(2, 500)
	h.Reset(2, 500)
	expect(t, s, noon, "reset epoch")
	e := makeEvent(orgcast.Cursor{Epoch: 2, LSN: 600}, "a", orgcast.KindEvent, orgcast.DataSync, orgcast.Audience{}, 10)
	log.append(e)
	h.Dispatch(602, []orgcast.Event{e}, nil, nil, false)
	expect(t, s, noon, "data.sync")
}

func TestAStreamConfirmedInTheOldEpochIsReadyInTheNewOne(t *testing.T) {
	h, log, _ := newHub(Config{})
	s := open(h, Spec{})
	defer s.Close()
	expect(t, s, noon, "connection")
	s.Confirmed()
	log.epoch, log.floor = 2, orgcast.Position(2, 50)
	h.Reset(2, 50)
	expect(t, s, noon, "reset epoch", "ready")
}

func TestHooksCountWhatHappens(t *testing.T) {
	var got []string
	note := func(word string) { got = append(got, word) }
	h, log, _ := newHub(Config{Hooks: Hooks{
		Opened:    func() { note("opened") },
		Closed:    func(reason string) { note("closed " + reason) },
		Delivered: func(int) { note("delivered") },
		Replayed:  func(int) { note("replayed") },
		Reset:     func(r orgcast.ResetReason) { note("reset " + string(r)) },
	}})
	refused := h.Register(Spec{User: "u", Organizations: []orgcast.OrganizationID{"a"}})
	refused.Close()
	s := open(h, Spec{Malformed: true})
	s.Confirmed()
	s.Step(noon)
	commit(h, log, 200, 10)
	s.Step(noon)
	if h.Streams() != 1 {
		t.Errorf("%d streams", h.Streams())
	}
	h.Shutdown()
	s.Step(noon)
	s.Close()
	s.Close()
	want := []string{"opened", "reset malformed", "replayed", "delivered", "closed shutdown"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	late := h.Register(Spec{User: "u", Organizations: []orgcast.OrganizationID{"a"}, ExpiresAt: noon.Add(time.Hour)})
	defer late.Close()
	m, _ := h.members.Membership("u", "a")
	late.Start([]orgcast.Membership{m}, noon, func() {})
	expect(t, late, noon, "connection", "closing shutdown")
	if late.ID() == s.ID() || len(late.ID()) != 22 {
		t.Errorf("ids %q and %q", late.ID(), s.ID())
	}
}

func TestADispatchWakesOnceWhomItConcernsAndNobodyElse(t *testing.T) {
	h, log, members := newHub(Config{})
	woken := map[string]int{}
	for _, o := range []orgcast.OrganizationID{"a", "b"} {
		members.set(place{"u", o}, "AGENT", 0)
		s := h.Register(Spec{User: "u", Organizations: []orgcast.OrganizationID{o}, ExpiresAt: noon.Add(time.Hour)})
		defer s.Close()
		m, _ := members.Membership("u", o)
		s.Start([]orgcast.Membership{m}, noon, func() { woken[string(o)]++ })
	}
	for n, tt := range []struct {
		to   []orgcast.OrganizationID
		want map[string]int
	}{
		{[]orgcast.OrganizationID{"a", "a", "a"}, map[string]int{"a": 1}},
		{[]orgcast.OrganizationID{"a", "b", "a", "b"}, map[string]int{"a": 1, "b": 1}},
		{[]orgcast.OrganizationID{orgcast.Everyone, "b", orgcast.Everyone}, map[string]int{"a": 1, "b": 1}},
		{[]orgcast.OrganizationID{"nobody"}, map[string]int{}},
		{nil, map[string]int{}},
	} {
		clear(woken)
		lsn := orgcast.LSN(200 + 100*n)
		var events []orgcast.Event
		for i, o := range tt.to {
			events = append(events, makeEvent(at(lsn, uint64(i)), o, orgcast.KindEvent, orgcast.DataSync, orgcast.Audience{}, 10))
		}
		log.append(events...)
		h.Dispatch(lsn+2, events, nil, nil, false)
		if !maps.Equal(woken, tt.want) {
			t.Errorf("%q woke %v, want %v", tt.to, woken, tt.want)
		}
	}
}

// The driver writes what a step gave it while the feed goes on.
func TestFramesStayAsTheyWereHandedOut(t *testing.T) {
	h, log, _ := newHub(Config{TailBytes: 1})
	s := open(h, Spec{})
	defer s.Close()
	s.Step(noon)
	commit(h, log, 200, 100)
	st := s.Step(noon)
	want := bytes.Clone(st.Frames[0])
	for lsn := orgcast.LSN(300); lsn < 400; lsn += 2 {
		commit(h, log, lsn, 100)
	}
	if !bytes.Equal(st.Frames[0], want) {
		t.Fatal("the frames changed")
	}
	if m, err := sse.NewReader(bytes.NewReader(want)).Next(); err != nil || m.ID != at(200, 0).String() {
		t.Fatalf("%+v %v", m, err)
	}
}

func TestAPageIsCountedAsAStreamAndTakesNoMoreThanItMay(t *testing.T) {
	var counted []string
	delivered := 0
	h, log, _ := newHub(Config{TailBytes: 1 << 20, Hooks: Hooks{
		Opened:    func() { counted = append(counted, "opened") },
		Closed:    func(reason string) { counted = append(counted, "closed "+reason) },
		Delivered: func(n int) { delivered += n },
	}})
	keep := h.Register(Spec{User: "u", Organizations: []orgcast.OrganizationID{"a"}})
	defer keep.Close()
	for i := range orgcast.LSN(5) {
		commit(h, log, 200+8*i, 50)
	}
	page := func(after orgcast.Cursor, limit, bytes int) (p Page) {
		s := open(h, Spec{HasResume: true, Resume: after})
		defer s.Close()
		p = Page{Limit: limit, MaxBytes: bytes}
		for !s.Fill(&p, noon).Done {
		}
		return p
	}
	all := page(at(150, 0), 100, 1<<20)
	if len(all.Events) != 5 || all.Cursor != h.Position() || all.Reset != "" {
		t.Fatalf("%d events up to %v", len(all.Events), all.Cursor)
	}
	two := len(all.Events[0]) + len(all.Events[1])
	for _, c := range []struct{ limit, bytes, want int }{{2, 1 << 20, 2}, {100, two, 2}, {100, two - 1, 1}, {100, 1, 1}} {
		p := page(at(150, 0), c.limit, c.bytes)
		if len(p.Events) != c.want || p.Cursor != at(200+8*orgcast.LSN(c.want-1), 0) {
			t.Errorf("at most %d events and %d bytes: %d up to %v", c.limit, c.bytes, len(p.Events), p.Cursor)
		}
		if rest := page(p.Cursor, 100, 1<<20); len(rest.Events) != 5-c.want || string(rest.Events[0]) != string(all.Events[c.want]) {
			t.Errorf("on from %v: %d events", p.Cursor, len(rest.Events))
		}
	}
	var moves []orgcast.Event // of one transaction
	for i := range uint64(300) {
		moves = append(moves, makeEvent(at(300, 8*i), "a", orgcast.KindReset, 0, orgcast.Audience{}, 0))
	}
	log.append(moves...)
	h.Dispatch(302, moves, nil, nil, false)
	commit(h, log, 310, 50)
	if p := page(at(150, 0), 5, 1<<20); len(p.Events) != 5 || p.Reset != orgcast.ResetMoved || p.Cursor != at(300, 8*299) {
		t.Errorf("a page over what moved has %d events, reset %q, up to %v", len(p.Events), p.Reset, p.Cursor)
	} else if p = page(p.Cursor, 5, 1<<20); len(p.Events) != 1 || p.Reset != "" {
		t.Errorf("the page after it has %d events, reset %q", len(p.Events), p.Reset)
	}
	if old := page(at(1, 0), 100, 1<<20); old.Reset != orgcast.ResetTooOld || old.Cursor != h.Position() || len(old.Events) > 0 {
		t.Errorf("below the floor: %+v", old)
	}
	if len(counted) != 24 || counted[0] != "opened" || counted[1] != "closed page" || delivered != 31 {
		t.Errorf("%d events delivered, %q", delivered, counted)
	}
}

// lap commits until the tail has forgotten where a stream stands.
func lap(h *Hub, log *memoryLog, lsn orgcast.LSN, events int) orgcast.LSN {
	for range events {
		commit(h, log, lsn, 100)
		lsn += 10
	}
	return lsn
}

func TestALiveStreamThatDoesNotCatchUpInTimeIsTold(t *testing.T) {
	h, log, _ := newHub(Config{TailBytes: 2000, StepBytes: 300, CatchUp: 30 * time.Second})
	s := open(h, Spec{})
	defer s.Close()
	s.Confirmed()
	expect(t, s, noon, "connection", "ready")
	lsn := lap(h, log, 200, 60)
	now := noon
	for now = now.Add(time.Second); ; now = now.Add(time.Second) { // it takes one step a second, and as much comes
		lsn = lap(h, log, lsn, 3)
		st := s.Step(now)
		for st.Load {
			if err := s.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			st = s.Step(now)
		}
		if st.Done {
			words := parse(t, st.Frames)
			if last := words[len(words)-1]; last.Type != "closing" || last.Reason != "slow_consumer" || last.Reconnect == nil || !*last.Reconnect || last.RetryMS < 1000 {
				t.Errorf("the last word is %+v", last)
			}
			break
		}
		if now.Sub(noon) > time.Minute {
			t.Fatal("it goes on")
		}
	}
	// What it waited for the log, microseconds, is not counted.
	if took := now.Sub(noon); took < 31*time.Second || took > 32*time.Second {
		t.Errorf("ended after %v", took)
	}
}

func TestAStreamThatCatchesUpInTimeOrIsNotLiveYetIsLeftAlone(t *testing.T) {
	h, log, _ := newHub(Config{TailBytes: 2000, StepBytes: 300, CatchUp: 30 * time.Second, Lease: 3 * time.Hour})
	s := open(h, Spec{})
	defer s.Close()
	behind := open(h, Spec{HasResume: true, Resume: orgcast.Position(1, 100)})
	defer behind.Close()
	s.Confirmed()
	expect(t, s, noon, "connection", "ready")
	lsn := lap(h, log, 200, 60)
	follow := func(s *Stream, now time.Time) (idle bool) {
		st := s.Step(now)
		for _, m := range parse(t, st.Frames) {
			if m.Type == "closing" {
				t.Fatalf("closed for %s at %v", m.Reason, now.Sub(noon))
			}
		}
		if st.Load {
			if err := s.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return !st.Load && !st.More
	}
	now := noon
	for !follow(s, now) {
		now = now.Add(100 * time.Millisecond)
	}
	if now.Sub(noon) < time.Second {
		t.Fatal("it was not behind")
	}
	// The bound begins anew.
	now = noon.Add(25 * time.Second)
	lap(h, log, lsn, 60)
	for !follow(s, now) {
		now = now.Add(100 * time.Millisecond)
	}
	// And who replays what it missed may take its time.
	for at := noon; !follow(behind, at); at = at.Add(10 * time.Second) {
	}
}
