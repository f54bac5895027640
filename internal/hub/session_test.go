package hub

import (
	"slices"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

var signedIn = orgcast.SessionID{7}

// signIn opens a stream with a session of the database.
func signIn(h *Hub, members *memoryMembers, expires time.Time, wake func()) *Stream {
	members.setSession(signedIn, &orgcast.Session{User: "u", ExpiresAt: expires})
	s := h.Register(Spec{User: "u", Session: signedIn, Organizations: []orgcast.OrganizationID{"a"}, ExpiresAt: expires})
	m, _ := members.Membership("u", "a")
	s.Start([]orgcast.Membership{m}, noon, wake)
	return s
}

func dispatchSession(h *Hub, log *memoryLog, lsn orgcast.LSN, c orgcast.SessionChange, events ...uint64) {
	var list []orgcast.Event
	for _, index := range events {
		list = append(list, makeEvent(at(lsn, index), "a", orgcast.KindEvent, orgcast.DataSync, orgcast.Audience{}, 10))
	}
	log.append(list...)
	h.Dispatch(lsn+2, list, nil, []orgcast.SessionChange{c}, false)
}

// Signing out has a place in the order of the commits: what was written before
// it in its transaction is sent, what was written behind it is not.
func TestASignOutEndsTheStreamAtItsPlace(t *testing.T) {
	for name, change := range map[string]orgcast.SessionChange{
		"deleted":   {Cursor: at(200, 8), ID: signedIn},
		"truncated": {Cursor: at(200, 15), Everybody: true},
	} {
		h, log, members := newHub(Config{})
		woken := 0
		s := signIn(h, members, noon.Add(time.Hour), func() { woken++ })
		other := open(h, Spec{})
		expect(t, s, noon, "connection")
		expect(t, other, noon, "connection")
		members.setSession(signedIn, nil)
		dispatchSession(h, log, 200, change, 0, 16)
		if woken == 0 {
			t.Errorf("%s: nobody was woken", name)
		}
		commit(h, log, 300, 10)
		if st := expect(t, s, noon, "data.sync", "closing session_expired"); !st.Done {
			t.Errorf("%s: not done", name)
		}
		expect(t, other, noon, "data.sync", "data.sync", "data.sync") // its session is all in its cookie
		s.Close()
		other.Close()
	}
}

// The application extends a session every so often while its user is there. Nobody
// is told, and nobody is woken.
func TestAnExtendedSessionIsNoNews(t *testing.T) {
	h, log, members := newHub(Config{Heartbeat: time.Hour, Lease: 3 * time.Hour})
	woken := 0
	s := signIn(h, members, noon.Add(10*time.Second), func() { woken++ })
	defer s.Close()
	if st := expect(t, s, noon, "connection"); !st.Next.Equal(noon.Add(10 * time.Second)) {
		t.Fatalf("next step at %v", st.Next)
	}
	members.setSession(signedIn, &orgcast.Session{User: "u", ExpiresAt: noon.Add(20 * time.Second)})
	dispatchSession(h, log, 200, orgcast.SessionChange{Cursor: at(200, 0), ID: signedIn})
	if woken != 0 {
		t.Errorf("woken %d times", woken)
	}
	// The driver comes when the session would have ended, and goes on in silence.
	if st := expect(t, s, noon.Add(10*time.Second)); !st.Next.Equal(noon.Add(20 * time.Second)) {
		t.Fatalf("next step at %v", st.Next)
	}
	if st := expect(t, s, noon.Add(20*time.Second), "closing session_expired"); !st.Done {
		t.Error("not done")
	}
}

func TestAShortenedSessionWakesItsStreamsAndEndsThemSooner(t *testing.T) {
	h, log, members := newHub(Config{})
	woken := 0
	s := signIn(h, members, noon.Add(time.Hour), func() { woken++ })
	defer s.Close()
	expect(t, s, noon, "connection")
	members.setSession(signedIn, &orgcast.Session{User: "u", ExpiresAt: noon.Add(time.Second)})
	dispatchSession(h, log, 200, orgcast.SessionChange{Cursor: at(200, 0), ID: signedIn})
	if woken != 1 {
		t.Errorf("woken %d times", woken)
	}
	if st := expect(t, s, noon); !st.Next.Equal(noon.Add(time.Second)) {
		t.Errorf("next step at %v", st.Next)
	}
	expect(t, s, noon.Add(time.Second), "closing session_expired")
}

// The session was found, and is gone before the stream starts; or its row is
// another user's by then.
func TestASessionThatEndsBetweenCheckAndStartEndsTheStreamAtOnce(t *testing.T) {
	for name, now := range map[string]*orgcast.Session{"gone": nil, "another's": {User: "v", ExpiresAt: noon.Add(time.Hour)}} {
		h, log, members := newHub(Config{})
		s := h.Register(Spec{User: "u", Session: signedIn, Organizations: []orgcast.OrganizationID{"a"}, ExpiresAt: noon.Add(time.Hour)})
		members.setSession(signedIn, now)
		dispatchSession(h, log, 200, orgcast.SessionChange{Cursor: at(200, 8), ID: signedIn}, 16)
		m, _ := members.Membership("u", "a")
		s.Start([]orgcast.Membership{m}, noon, func() {})
		words, st := said(t, s, noon)
		if !st.Done || !slices.Equal(words, []string{"connection", "closing session_expired"}) {
			t.Errorf("%s: got %q", name, words)
		}
		s.Close()
	}
}

// A new epoch is loaded from a new snapshot: who signed out in between is ended.
func TestANewEpochEndsTheStreamsOfSessionsThatAreNoMore(t *testing.T) {
	h, log, members := newHub(Config{})
	s := signIn(h, members, noon.Add(time.Hour), func() {})
	defer s.Close()
	expect(t, s, noon, "connection")
	members.setSession(signedIn, nil)
	log.epoch, log.floor, log.events = 2, orgcast.Position(2, 50), nil
	h.Reset(2, 50)
	words, st := said(t, s, noon)
	if !st.Done || words[len(words)-1] != "closing session_expired" {
		t.Errorf("got %q", words)
	}
}
