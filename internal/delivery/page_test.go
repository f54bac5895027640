package delivery

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/hub"
)

// pager is a hub without a server, and what a page of it is asked with.
type pager struct {
	*fixture
	wake chan struct{}
}

func newPager(t *testing.T, b barrier) *pager {
	f := &fixture{t: t, lsn: 100, handler: &Handler{Barrier: b}}
	f.hub = hub.New(log{read: func(context.Context) error { return errNo }}, members{}, hub.Config{})
	f.hub.Reset(1, f.lsn)
	f.hub.SetFeed(orgcast.FeedLive, time.Now())
	return &pager{f, make(chan struct{}, 1)}
}

// ask asks for one page, and tells how long that took.
func (p *pager) ask(ctx context.Context, after orgcast.Cursor, wait time.Duration) (hub.Page, time.Duration, error) {
	s := p.hub.Register(hub.Spec{
		User: "u", Organizations: []orgcast.OrganizationID{"a"}, ExpiresAt: time.Now().Add(time.Hour),
		HasResume: !after.IsZero(), Resume: after,
	})
	defer s.Close()
	s.Start([]orgcast.Membership{member}, time.Now(), func() {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	})
	page := hub.Page{Limit: 10, MaxBytes: 1 << 20}
	begun := time.Now()
	err := p.handler.Page(ctx, s, p.wake, wait, &page)
	return page, time.Since(begun), err
}

func TestAPageWaitsForTheFirstEventAndNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPager(t, func(context.Context) error { t.Error("the barrier was asked"); return nil })
		go func() {
			<-time.After(3 * time.Second)
			p.dispatch(10)
		}()
		page, took, err := p.ask(t.Context(), orgcast.Position(1, 100), 25*time.Second)
		if err != nil || len(page.Events) != 1 || took != 3*time.Second {
			t.Fatalf("%d events after %v, %v", len(page.Events), took, err)
		}
		if text := string(page.Events[0]); !strings.HasPrefix(text, `{"id":"`) || !strings.HasSuffix(text, "}") {
			t.Errorf("event %q", text)
		}
		again, took, err := p.ask(t.Context(), page.Cursor, 25*time.Second)
		if err != nil || len(again.Events) != 0 || again.Cursor != page.Cursor || took != 25*time.Second {
			t.Fatalf("%d events after %v, from %v to %v, %v", len(again.Events), took, page.Cursor, again.Cursor, err)
		}
		if _, took, err = p.ask(t.Context(), page.Cursor, 0); err != nil || took != 0 {
			t.Fatalf("without a wait: %v, %v", took, err)
		}
	})
}

func TestAPageAheadOfTheDatabaseIsResetAndOneAheadOfTheProcessWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPager(t, passed)
		page, took, err := p.ask(t.Context(), orgcast.Position(1, 500), 25*time.Second)
		if err != nil || page.Reset != orgcast.ResetAhead || page.Cursor != orgcast.Position(1, 100) || took != 0 {
			t.Fatalf("%+v after %v, %v", page, took, err)
		}
		p = newPager(t, func(context.Context) error {
			<-time.After(time.Second)
			p.lsn = 700
			p.dispatch(10) // what the feed had not passed yet
			return nil
		})
		page, _, err = p.ask(t.Context(), orgcast.Position(1, 500), 25*time.Second)
		if err != nil || page.Reset != "" || len(page.Events) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		p = newPager(t, func(context.Context) error { return errNo })
		if _, _, err = p.ask(t.Context(), orgcast.Position(1, 500), 0); !errors.Is(err, errNo) {
			t.Fatalf("the barrier failed, and the page says %v", err)
		}
	})
}

func TestAPageEndsWithWhoAskedForItAndWithTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPager(t, passed)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, took, err := p.ask(ctx, orgcast.Position(1, 100), 25*time.Second); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("the client left: %v after %v", err, took)
		}
		go func() {
			<-time.After(time.Second)
			p.hub.Shutdown()
		}()
		if page, took, err := p.ask(t.Context(), orgcast.Position(1, 100), 25*time.Second); err != nil || page.Ended != orgcast.ClosingShutdown || took != time.Second {
			t.Errorf("shutdown: %+v, %v after %v", page, err, took)
		}
		p = newPager(t, passed)
		p.dispatch(10) // nobody listens: it is in the log only, which can't be read
		if _, _, err := p.ask(t.Context(), orgcast.Position(1, 105), 0); !errors.Is(err, errNo) {
			t.Errorf("the log can't be read, and the page says %v", err)
		}
		if n := p.hub.Streams(); n != 0 {
			t.Errorf("%d streams are left", n)
		}
	})
}
