package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oikion/orgcast"
)

// from asks for a stream from an address.
func from(ctx context.Context, s *Server, remote string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/realtime/stream?organizationId=org_a", nil)
	r.RemoteAddr = remote
	r.Header.Set("Cookie", "session=good")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

const someone = "203.0.113.7:4711"

// Who has just signed in has a cookie before the feed has his session.
func TestWhoJustSignedInIsNotTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.config.BarrierWait = 0 // the contract's
		w.session = orgcast.ErrUnknownSession
		w.barrier = func(ctx context.Context) error {
			select {
			case <-time.After(1900 * time.Millisecond):
				w.session = nil
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		begin := time.Now()
		if got := from(t.Context(), w.server(), someone); got.Code != http.StatusOK {
			t.Errorf("got %d %q", got.Code, got.Body)
		}
		if took := time.Since(begin); took != 1900*time.Millisecond {
			t.Errorf("took %s", took)
		}
		want := []string{"authenticate", "barrier", "authenticate", "register", "membership org_a", "serve", "close"}
		if got := w.calls(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestA401ForAnUnknownSessionIsGivenOnlyWhenTheFeedHasCaughtUp(t *testing.T) {
	for _, c := range []struct {
		name    string
		barrier func(context.Context) error
		then    error // what the session is after the wait
		took    time.Duration
		code    int
		reason  Reason
	}{
		{"caught up", func(context.Context) error { return nil }, orgcast.ErrUnknownSession, 0, 401, ReasonUnauthorized},
		{"broken", func(context.Context) error { return errors.New("no database") }, orgcast.ErrUnknownSession, 0, 503, ReasonSessionUnconfirmed},
		{"too slow", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, orgcast.ErrUnknownSession, 2 * time.Second, 503, ReasonSessionUnconfirmed},
		{"bad for good", func(context.Context) error { return errors.New("no database") }, errors.New("no user"), 0, 401, ReasonUnauthorized},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.session = orgcast.ErrUnknownSession
			w.config.BarrierWait, w.barrier = 0, func(ctx context.Context) error {
				err := c.barrier(ctx)
				w.session = c.then
				return err
			}
			begin := time.Now()
			got := from(t.Context(), w.server(), someone)
			if got.Code != c.code || time.Since(begin) != c.took || !slices.Equal(w.reasons(), []Reason{c.reason}) {
				t.Errorf("%s: got %d %q after %s, counted %v", c.name, got.Code, got.Body, time.Since(begin), w.reasons())
			}
			if n := w.open(); n != 0 {
				t.Errorf("%s: %d places are still held", c.name, n)
			}
		})
	}
}

// A session that is none for sure costs the database nothing.
func TestABadSessionNeverWaitsForTheBarrier(t *testing.T) {
	w := newWorld()
	w.session = errors.New("tampered")
	if got := from(t.Context(), w.server(), someone); got.Code != http.StatusUnauthorized || slices.Contains(w.calls(), "barrier") {
		t.Errorf("got %d, called %v", got.Code, w.calls())
	}
}

func TestUnknownSessionsAreRationedPerAddressAndTheAnswerIsNeverAWrong401(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.session = orgcast.ErrUnknownSession
		s := w.server()
		for i := range failureBurst {
			if got := from(t.Context(), s, someone); got.Code != http.StatusUnauthorized {
				t.Fatalf("ask %d: got %d", i, got.Code)
			}
		}
		waits := len(w.calls())
		if got := from(t.Context(), s, someone); got.Code != http.StatusTooManyRequests || got.Header().Get("Retry-After") == "" {
			t.Errorf("beyond the ration: got %d, Retry-After %q", got.Code, got.Header().Get("Retry-After"))
		}
		if slices.Contains(w.calls()[waits:], "barrier") {
			t.Error("the database was asked beyond the ration")
		}
		for range 2 * failureBurst { // everybody is behind a proxy's address
			if got := from(t.Context(), s, "10.0.0.1:4711"); got.Code != http.StatusUnauthorized {
				t.Fatalf("behind a proxy: got %d", got.Code)
			}
		}
		w.session = nil
		if got := from(t.Context(), s, someone); got.Code != http.StatusOK {
			t.Errorf("a known session from there: got %d", got.Code)
		}
		time.Sleep(failureEvery)
		// Sign-ins cost nothing of it.
		for i := range 2 * failureBurst {
			w.session = orgcast.ErrUnknownSession
			w.barrier = func(context.Context) error { w.session = nil; return nil }
			if got := from(t.Context(), s, someone); got.Code != http.StatusOK {
				t.Fatalf("sign-in %d: got %d", i, got.Code)
			}
		}
	})
}

func TestWhoLeavesWhileHisSessionIsWaitedForIsNotAnswered(t *testing.T) {
	w := newWorld()
	w.session = orgcast.ErrUnknownSession
	ctx, leave := context.WithCancel(t.Context())
	w.barrier = func(ctx context.Context) error { leave(); <-ctx.Done(); return ctx.Err() }
	w.config.BarrierWait = time.Hour
	if got := from(ctx, w.server(), someone); got.Body.Len() != 0 || !slices.Equal(w.reasons(), []Reason{ReasonClientGone}) || w.open() != 0 {
		t.Errorf("got %d %q, counted %v, %d places held", got.Code, got.Body, w.reasons(), w.open())
	}
}

// signingOut is a session that ends while a page is waited for.
type signingOut struct {
	*world
	asked int
	then  orgcast.Principal
}

func (s *signingOut) Authenticate([]string, time.Time) (orgcast.Principal, error) {
	s.asked++
	if s.asked == 1 {
		return orgcast.Principal{User: "user_a", Session: orgcast.SessionID{1}}, nil
	}
	if s.then.User == "" {
		return orgcast.Principal{}, orgcast.ErrUnknownSession
	}
	return s.then, nil
}

// A stream is told when its session ends; a page is not, so it is held back.
func TestAPageIsHeldBackIfItsSessionHasEnded(t *testing.T) {
	for name, c := range map[string]struct {
		then orgcast.Principal
		code int
	}{
		"signed out": {orgcast.Principal{}, 401},
		"another's":  {orgcast.Principal{User: "user_b", Session: orgcast.SessionID{1}}, 401},
		"as before":  {orgcast.Principal{User: "user_a", Session: orgcast.SessionID{1}}, 200},
	} {
		w := newWholeWorld()
		s := w.server()
		s.deps.Sessions = &signingOut{world: w, then: c.then}
		if got := w.call(s, "GET", "/api/realtime/events", nil); got.Code != c.code {
			t.Errorf("%s: got %d %q", name, got.Code, got.Body)
		}
	}
}
