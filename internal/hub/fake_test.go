package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/sse"
)

// memoryLog is a log that is a slice.
type memoryLog struct {
	mu     sync.Mutex
	epoch  orgcast.Epoch // zero: wiped
	floor  orgcast.Cursor
	events []orgcast.Event
}

var errOtherEpoch = errors.New("other epoch")

func (l *memoryLog) Read(_ context.Context, organization orgcast.OrganizationID, after, upTo orgcast.Cursor, fn func(*orgcast.Event) bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if after.Epoch != l.epoch || upTo.Epoch != l.epoch {
		return errOtherEpoch
	}
	if after.Compare(l.floor) < 0 {
		return orgcast.ErrBelowFloor
	}
	for _, e := range l.events {
		if e.Organization != organization && e.Organization != orgcast.Everyone || e.Cursor.Compare(after) <= 0 || e.Cursor.Compare(upTo) > 0 {
			continue
		}
		// Good only during the call: what is kept of it must have been copied.
		e.Frame = bytes.Clone(e.Frame)
		more := fn(&e)
		clear(e.Frame)
		if !more {
			break
		}
	}
	return nil
}

func (l *memoryLog) Floor() orgcast.Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.floor
}

func (l *memoryLog) append(events ...orgcast.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, events...)
}

type place struct {
	user         orgcast.UserID
	organization orgcast.OrganizationID
}

// memoryMembers is a membership table.
type memoryMembers struct {
	mu   sync.Mutex
	rows map[place]orgcast.Membership
	// sessions are those of the database.
	sessions map[orgcast.SessionID]orgcast.Session
	// asked is called whenever the hub asks, in the middle of what it does.
	asked func()
}

func (m *memoryMembers) Membership(u orgcast.UserID, o orgcast.OrganizationID) (orgcast.Membership, bool) {
	if m.asked != nil {
		m.asked()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	found, ok := m.rows[place{u, o}]
	return found, ok
}

func (m *memoryMembers) Session(id orgcast.SessionID) (orgcast.Session, bool) {
	if m.asked != nil {
		m.asked()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessions[id]
	return s, ok
}

// setSession sets a session or, with a nil one, ends it.
func (m *memoryMembers) setSession(id orgcast.SessionID, s *orgcast.Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s == nil {
		delete(m.sessions, id)
		return
	}
	if m.sessions == nil {
		m.sessions = map[orgcast.SessionID]orgcast.Session{}
	}
	m.sessions[id] = *s
}

func (m *memoryMembers) Name(o orgcast.OrganizationID) string { return "Name of " + string(o) }

func (m *memoryMembers) set(at place, role string, since orgcast.LSN) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows[at] = orgcast.Membership{Organization: at.organization, User: at.user, Role: role, Since: since}
}

func (m *memoryMembers) unset(at place) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rows, at)
}

func member(m orgcast.Membership) *orgcast.Member {
	return &orgcast.Member{Row: "r", Organization: m.Organization, User: m.User, Role: m.Role, Since: m.Since}
}

// makeEvent makes an event whose frame is about size bytes.
func makeEvent(c orgcast.Cursor, o orgcast.OrganizationID, k orgcast.Kind, t orgcast.EventType, a orgcast.Audience, size int) orgcast.Event {
	e := orgcast.Event{Cursor: c, Organization: o, Kind: k, Type: t, Audience: a}
	if k == orgcast.KindReset {
		e.Frame = sse.AppendReset(nil, orgcast.ResetMoved, c)
		return e
	}
	e.Frame = sse.AppendEventHead(nil, c, t, o, 1, sse.SourcePostgres)
	e.Frame = sse.AppendString(e.Frame, string(bytes.Repeat([]byte{'x'}, size)))
	e.Frame = sse.AppendEventTail(e.Frame, false)
	return e
}

// message is what the tests read of one frame.
type message struct {
	id           string
	Type         string
	Reason       string
	State        orgcast.FeedState
	Cursor       string
	Replayed     int
	Reconnect    *bool
	RetryMS      int                    `json:"retryMs"`
	Organization orgcast.OrganizationID `json:"organizationId"`
}

func parse(t failer, frames [][]byte) (messages []message) {
	for _, f := range frames {
		one := sse.NewReader(bytes.NewReader(f))
		for {
			m, err := one.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("read frame: %v", err)
			}
			out := message{id: m.ID}
			if m.Data != nil {
				if err := json.Unmarshal(m.Data, &out); err != nil {
					t.Fatalf("read %q: %v", m.Data, err)
				}
			}
			messages = append(messages, out)
		}
	}
	return messages
}

type failer interface {
	Fatalf(format string, args ...any)
}
