package admin

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/sse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memoryLog is a log that is a slice.
type memoryLog struct {
	mu       sync.Mutex
	position orgcast.Cursor
	floor    orgcast.Cursor
	kept     orgcast.Cursor // the floor of who reads already, if that is lower
	events   []orgcast.Event
	broken   error
}

func (l *memoryLog) Position() orgcast.Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.position
}

func (l *memoryLog) Floor(orgcast.OrganizationID) orgcast.Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.floor
}

func (l *memoryLog) Read(ctx context.Context, organization orgcast.OrganizationID, after, upTo orgcast.Cursor, fn func(*orgcast.Event) bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.broken != nil:
		return l.broken
	case after.Compare(l.floor) < 0 && (l.kept.IsZero() || after.Compare(l.kept) < 0):
		return orgcast.ErrBelowFloor
	}
	for _, e := range l.events {
		if e.Organization != organization && e.Organization != orgcast.Everyone || e.Cursor.Compare(after) <= 0 || e.Cursor.Compare(upTo) > 0 {
			continue
		}
		frame := append([]byte(nil), e.Frame...)
		e.Frame = frame
		more := fn(&e)
		clear(frame) // good only during the call
		if !more || ctx.Err() != nil {
			break
		}
	}
	return ctx.Err()
}

// commit commits events, one transaction, at an LSN.
func (l *memoryLog) commit(lsn orgcast.LSN, events ...orgcast.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, events...)
	l.position = orgcast.Position(l.position.Epoch, lsn+8)
}

// newLog is at 100, in epoch 36, "10" in base 36.
func newLog() *memoryLog {
	return &memoryLog{position: orgcast.Position(36, 100), floor: orgcast.Position(36, 50)}
}

func at(lsn orgcast.LSN, index uint64) orgcast.Cursor {
	return orgcast.Cursor{Epoch: 36, LSN: lsn, Index: index}
}

func event(c orgcast.Cursor, o orgcast.OrganizationID, t orgcast.EventType, a orgcast.Audience, payload string) orgcast.Event {
	e := orgcast.Event{Cursor: c, Organization: o, Type: t, Audience: a}
	e.Frame = append(sse.AppendEventHead(nil, c, t, o, 1763881200000, sse.SourcePostgres), payload...)
	e.Frame = sse.AppendEventTail(e.Frame, false)
	return e
}

func moved(c orgcast.Cursor, o orgcast.OrganizationID) orgcast.Event {
	return orgcast.Event{Cursor: c, Organization: o, Kind: orgcast.KindReset, Frame: sse.AppendReset(nil, orgcast.ResetMoved, c)}
}

// show is a line in short.
func show(l Line) string {
	if l.Control != "" {
		return fmt.Sprintf("%s %s %s", l.Control, l.Reason, l.Cursor)
	}
	return fmt.Sprintf("%s %s", l.Cursor, l.Channel)
}

// stuckWriter is a peer that takes 64 KiB, and then nothing until its deadline.
type stuckWriter struct {
	header    http.Header
	taken     int
	deadlines int
}

func (w *stuckWriter) Header() http.Header { return w.header }
func (w *stuckWriter) WriteHeader(int)     {}
func (w *stuckWriter) FlushError() error   { return nil }

func (w *stuckWriter) SetWriteDeadline(at time.Time) error {
	if in := time.Until(at); in > 0 && in <= tailWrite {
		w.deadlines++
	}
	return nil
}

func (w *stuckWriter) Write(p []byte) (int, error) {
	if w.taken += len(p); w.taken > 64<<10 {
		return 0, os.ErrDeadlineExceeded
	}
	return len(p), nil
}
