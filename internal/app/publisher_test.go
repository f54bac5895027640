package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/publish"
	"github.com/oikion/orgcast/internal/server"
)

// desk is a publisher whose database and feed are the test's.
type desk struct {
	*publisher
	bearer  string
	mu      sync.Mutex
	emitted []publish.Sealed
	emitErr error
	stale   error
	behind  []orgcast.OrganizationID // that the feed learns of when it catches up
	stuck   bool                     // the feed does not find what is emitted
	slow    time.Duration            // the log's fsync
	known   places
	how     []outcome
	next    orgcast.LSN
}

type places map[orgcast.OrganizationID][]orgcast.UserID

func (p places) Exists(o orgcast.OrganizationID) bool { _, ok := p[o]; return ok }

func (p places) Membership(u orgcast.UserID, o orgcast.OrganizationID) (orgcast.Membership, bool) {
	return orgcast.Membership{}, slices.Contains(p[o], u)
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	store := publish.NewStore(filepath.Join(t.TempDir(), "keys.json"))
	bearer, _, err := store.New("test", publish.Scope{AllOrganizations: true, Types: []orgcast.EventType{orgcast.NotificationNew}})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{bearer: bearer, known: places{"org_a": {"u1"}}, next: 100}
	d.publisher = &publisher{
		keys: store, secret: &publish.Secret{1}, receipts: publish.NewReceipts(), places: d.known,
		fresh: func() error { return d.stale },
		catchUp: func(context.Context) error {
			for _, o := range d.behind {
				d.known[o] = []orgcast.UserID{"u1"}
			}
			return d.stale
		},
		durable: func(ctx context.Context, _ orgcast.Cursor) error {
			select {
			case <-time.After(d.slow):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		done: func(o outcome) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.how = append(d.how, o)
		},
	}
	d.emit = d.feed
	return d
}

// feed emits, and finds what was emitted as the router does.
func (d *desk) feed(_ context.Context, seal func(time.Time) ([][]byte, error)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if errors.Is(d.emitErr, errNotEmitted) {
		return d.emitErr
	}
	now := time.Now()
	messages, err := seal(now)
	if err != nil {
		return err
	}
	d.next += 100
	for i, m := range messages {
		s, err := publish.Open(d.secret, m, now)
		if err != nil {
			return err
		}
		d.emitted = append(d.emitted, *s)
		before := d.receipts.Request(s.Idempotency, now)
		if d.stuck || before != nil && before.ID != s.ID {
			continue
		}
		r := d.receipts.Batch(s.ID)
		if r == nil {
			r = &publish.Receipt{ID: s.ID, Request: s.Idempotency, IssuedAt: s.IssuedAt, Total: s.Total}
		}
		r = r.With(publish.ReceiptPart{First: s.First, Events: len(s.Drafts), Told: 0xff, At: orgcast.Cursor{Epoch: 1, LSN: d.next, Index: uint64(i) * orgcast.SubIndexes}})
		if err := d.receipts.Apply([]orgcast.StateChange{{Space: orgcast.SpaceReceipts, Key: s.ID[:], Value: r.Append(nil)}}); err != nil {
			return err
		}
	}
	return d.emitErr
}

func toUser(organization, user string) string {
	return fmt.Sprintf(`{"type":"notification.new","organizationId":%q,"payload":{"userId":%q,"title":"t","message":"","priority":"low","category":"c"}}`, organization, user)
}

func (d *desk) say(key, body string) (server.Published, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return d.Publish(ctx, d.bearer, key, []byte(body))
}

func (d *desk) want(t *testing.T, what string, err, target error, how outcome) {
	t.Helper()
	if !errors.Is(err, target) || d.how[len(d.how)-1] != how {
		t.Errorf("%s: %v, %v; want %v, %v", what, err, d.how[len(d.how)-1], target, how)
	}
}

func TestEachOutcomeOfPublishingIsWhatIsKnownOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		good := toUser("org_a", "u1")
		got, err := d.say("", good)
		d.want(t, "good", err, nil, outcomePublished)
		if len(got.Cursors) != 1 || got.Cursors[0] != (orgcast.Cursor{Epoch: 1, LSN: 200}) {
			t.Errorf("cursors %v", got.Cursors)
		}

		d.emitErr = fmt.Errorf("%w: refused", errNotEmitted)
		_, err = d.say("", good)
		d.want(t, "not emitted", err, server.ErrFeedDown, outcomeDown)
		d.emitErr = errors.New("connection lost") // behind the commit
		_, err = d.say("", good)
		d.want(t, "connection lost, and the feed found it", err, nil, outcomePublished)
		d.stuck = true
		_, err = d.say("", good)
		d.want(t, "connection lost, and the feed found nothing", err, server.ErrUnknownOutcome, outcomeUnknown)
		d.emitErr = nil
		_, err = d.say("", good)
		d.want(t, "the feed is late", err, server.ErrUnknownOutcome, outcomeUnknown)
		d.stuck, d.slow = false, time.Minute
		_, err = d.say("", good)
		d.want(t, "the log is late", err, server.ErrUnknownOutcome, outcomeUnknown)
		d.slow = 0

		before := len(d.emitted)
		d.stale = errors.New("the feed is stale")
		_, err = d.say("", good)
		d.want(t, "stale", err, server.ErrFeedDown, outcomeDown)
		d.stale = nil
		for what, body := range map[string]string{"no organization": toUser("org_b", "u1"), "no member": toUser("org_a", "u2"), "no JSON": "x"} {
			_, err = d.say("", "["+good+","+body+"]")
			invalid, ok := errors.AsType[*server.Invalid](err)
			if !ok || len(invalid.Problems) == 0 || d.how[len(d.how)-1] != outcomeRefused {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err = d.Publish(t.Context(), "orgc_none", "", []byte(good)); !errors.Is(err, server.ErrKey) {
			t.Errorf("no key: %v", err)
		}
		if len(d.emitted) != before {
			t.Errorf("%d were emitted that were refused", len(d.emitted)-before)
		}
		d.behind = []orgcast.OrganizationID{"org_b"} // just made
		_, err = d.say("", toUser("org_b", "u1"))
		d.want(t, "the feed was behind", err, nil, outcomePublished)
	})
}

func TestARequestIsDoneOnceAndAnsweredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		good := toUser("org_a", "u1")
		first, err := d.say("k", good)
		d.want(t, "first", err, nil, outcomePublished)
		delete(d.known, "org_a") // those whom it was for are gone
		d.stale = errors.New("the feed is stale")
		again, err := d.say("k", good)
		d.want(t, "again", err, nil, outcomeRepeated)
		if len(d.emitted) != 1 || !slices.Equal(again.Cursors, first.Cursors) {
			t.Errorf("again: %v, want %v; %d emitted", again, first, len(d.emitted))
		}
		d.known["org_a"], d.stale = []orgcast.UserID{"u1"}, nil
		other, err := d.say("k", good+" ")
		d.want(t, "another body", err, nil, outcomePublished)
		time.Sleep(publish.KeepRequest + time.Second)
		late, err := d.say("k", good)
		d.want(t, "a day later", err, nil, outcomePublished)
		if slices.Equal(other.Cursors, first.Cursors) || slices.Equal(late.Cursors, first.Cursors) {
			t.Errorf("first %v, another body %v, a day later %v", first, other, late)
		}

		// Two at once, of which the feed finds one first: neither knows of the other
		// when it emits.
		d.emit = func(ctx context.Context, seal func(time.Time) ([][]byte, error)) error {
			time.Sleep(time.Second)
			return d.feed(ctx, seal)
		}
		results := make(chan []orgcast.Cursor, 2)
		for range 2 {
			go func() {
				got, err := d.say("both", good)
				if err != nil {
					t.Error(err)
				}
				results <- got.Cursors
			}()
			time.Sleep(time.Millisecond)
		}
		if one, other := <-results, <-results; len(one) != 1 || !slices.Equal(one, other) {
			t.Errorf("at once: %v and %v", one, other)
		}
	})
}
