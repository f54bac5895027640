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

// open asks the handler for a stream of the organizations.
func open(ctx context.Context, s *Server, organizations ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/realtime/stream", nil)
	q := r.URL.Query()
	q["organizationId"] = organizations
	r.URL.RawQuery = q.Encode()
	r.Header.Set("Cookie", "session=good")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// A revocation that comes at any point between the check and the first byte
// finds a stream to end, because the stream was known before it was checked.
func TestAStreamIsRegisteredBeforeItIsCheckedAndClosedAfterAll(t *testing.T) {
	w := newWorld()
	if got := open(t.Context(), w.server(), "org_a", "org_b"); got.Code != http.StatusOK {
		t.Fatalf("got %d %q", got.Code, got.Body)
	}
	want := []string{"authenticate", "register", "membership org_a", "membership org_b", "serve", "close"}
	if got := w.calls(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// revoking ends, as the hub does, every stream that is registered when a
// membership is removed.
type revoking struct {
	*world
	registered, revoked bool
	served              bool
}

func (v *revoking) Register(StreamRequest) Registration { v.registered = true; return v }

func (v *revoking) Serve(w http.ResponseWriter, _ *http.Request, _ []orgcast.Membership) {
	v.served = !v.revoked
	w.WriteHeader(http.StatusOK)
}

func (v *revoking) Close() { v.registered = false }

// Membership removes the membership just after it was found.
func (v *revoking) Membership(user orgcast.UserID, organization orgcast.OrganizationID) (orgcast.Membership, bool) {
	m, ok := v.world.Membership(user, organization)
	delete(v.world.members, organization)
	v.revoked = v.registered
	return m, ok
}

func TestARevocationBetweenCheckAndServeIsNotLost(t *testing.T) {
	v := &revoking{world: newWorld()}
	s := v.world.server()
	s.deps.Access, s.deps.Streams = v, v
	open(t.Context(), s, "org_a")
	if v.served {
		t.Error("who was removed after the check is served")
	}
	if v.registered {
		t.Error("the stream is still registered")
	}
}

func TestAUserWhoJustJoinedIsNotTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.config.BarrierWait = 0 // the contract's
		w.members = map[orgcast.OrganizationID]bool{"org_a": true}
		w.barrier = func(ctx context.Context) error {
			select {
			case <-time.After(1900 * time.Millisecond):
				w.mu.Lock()
				w.members["org_new"] = true
				w.mu.Unlock()
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		begin := time.Now()
		if got := open(t.Context(), w.server(), "org_a", "org_new"); got.Code != http.StatusOK {
			t.Errorf("got %d %q", got.Code, got.Body)
		}
		if took := time.Since(begin); took != 1900*time.Millisecond {
			t.Errorf("took %s", took)
		}
	})
}

func TestAMemberNeverWaitsForTheBarrier(t *testing.T) {
	w := newWorld()
	open(t.Context(), w.server(), "org_a")
	if slices.Contains(w.calls(), "barrier") {
		t.Error("a member waited for the barrier")
	}
}

// Whether an organization exists can't be told from the answer.
func TestNotAMemberAndNoSuchOrganizationAreOneAnswer(t *testing.T) {
	w := newWorld()
	s := w.server()
	a, b := open(t.Context(), s, "org_c"), open(t.Context(), s, "nobody's")
	if a.Code != http.StatusForbidden || a.Code != b.Code || a.Body.String() != b.Body.String() {
		t.Errorf("got %d %q and %d %q", a.Code, a.Body, b.Code, b.Body)
	}
}

func TestA403IsGivenOnlyWhenTheFeedHasCaughtUp(t *testing.T) {
	for _, c := range []struct {
		name    string
		barrier func(context.Context) error
		took    time.Duration
		code    int
		reason  Reason
	}{
		{"caught up", func(context.Context) error { return nil }, 0, 403, ReasonNotMember},
		{"broken", func(context.Context) error { return errors.New("no database") }, 0, 503, ReasonUnconfirmed},
		{"too slow", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 2 * time.Second, 503, ReasonUnconfirmed},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.config.BarrierWait, w.barrier = 0, c.barrier
			begin := time.Now()
			got := open(t.Context(), w.server(), "org_c")
			if got.Code != c.code || time.Since(begin) != c.took || !slices.Equal(w.reasons(), []Reason{c.reason}) {
				t.Errorf("%s: got %d %q after %s, counted %v", c.name, got.Code, got.Body, time.Since(begin), w.reasons())
			}
		})
	}
}

func TestAClientThatLeavesWhileItWaitsIsNotAnsweredAndNotForgotten(t *testing.T) {
	w := newWorld()
	ctx, leave := context.WithCancel(t.Context())
	w.barrier = func(ctx context.Context) error { leave(); <-ctx.Done(); return ctx.Err() }
	w.config.BarrierWait = time.Hour
	if got := open(ctx, w.server(), "org_c"); got.Body.Len() != 0 || !slices.Equal(w.reasons(), []Reason{ReasonClientGone}) {
		t.Errorf("got %d %q, counted %v", got.Code, got.Body, w.reasons())
	}
	if calls := w.calls(); calls[len(calls)-1] != "close" || w.open() != 0 {
		t.Errorf("called %v, %d places held", calls, w.open())
	}
}

func TestTheBarrierIsRationedPerUserAndTheAnswerIsNeverAWrong403(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := w.server()
		for i := range askBurst {
			if got := open(t.Context(), s, "org_c"); got.Code != http.StatusForbidden {
				t.Fatalf("ask %d: got %d", i, got.Code)
			}
		}
		got := open(t.Context(), s, "org_c")
		if got.Code != http.StatusTooManyRequests || got.Header().Get("Retry-After") == "" {
			t.Errorf("beyond the ration: got %d, Retry-After %q", got.Code, got.Header().Get("Retry-After"))
		}
		if got := open(t.Context(), s, "org_a"); got.Code != http.StatusOK {
			t.Errorf("a member whose ration is used up: got %d", got.Code)
		}
		time.Sleep(askEvery)
		if got := open(t.Context(), s, "org_c"); got.Code != http.StatusForbidden {
			t.Errorf("a second later: got %d", got.Code)
		}
	})
}

func TestEveryoneIsNoOrganization(t *testing.T) {
	w := newWorld()
	w.members[orgcast.Everyone] = true
	if got := open(t.Context(), w.server(), "*"); got.Code != http.StatusForbidden {
		t.Errorf("got %d %q", got.Code, got.Body)
	}
}

func TestASessionWithoutAUserIsNone(t *testing.T) {
	w := newWorld()
	s := w.server()
	s.deps.Sessions = nobody{}
	if got := open(t.Context(), s, "org_a"); got.Code != http.StatusUnauthorized {
		t.Errorf("got %d", got.Code)
	}
}

type nobody struct{}

func (nobody) Authenticate([]string, time.Time) (orgcast.Principal, error) {
	return orgcast.Principal{}, nil
}

func TestAStartThatTakesLongHoldsRequestsAndAnswersThem(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(w *world, s *Server, leave context.CancelFunc)
		took time.Duration
		code int
		want []Reason
	}{
		{"becomes ready", func(w *world, _ *Server, _ context.CancelFunc) { close(w.ready) }, 5 * time.Second, 200, nil},
		{"is stopped", func(_ *world, s *Server, _ context.CancelFunc) { s.Drain() }, 5 * time.Second, 503, []Reason{ReasonDraining}},
		{"client leaves", func(_ *world, _ *Server, leave context.CancelFunc) { leave() }, 5 * time.Second, 200, []Reason{ReasonClientGone}},
		{"never becomes ready", func(*world, *Server, context.CancelFunc) {}, 20 * time.Second, 503, []Reason{ReasonNeverReady}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.ready, w.config.ReadyWait = make(chan struct{}), 0
			s := w.server()
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			begin := time.Now()
			go func() {
				time.Sleep(5 * time.Second)
				c.then(w, s, leave)
			}()
			got := open(ctx, s, "org_a")
			if time.Since(begin) != c.took || got.Code != c.code || !slices.Equal(w.reasons(), c.want) {
				t.Errorf("%s: got %d %q after %s, counted %v", c.name, got.Code, got.Body, time.Since(begin), w.reasons())
			}
			if w.open() != 0 {
				t.Errorf("%s: %d places are still held", c.name, w.open())
			}
		})
	}
}
