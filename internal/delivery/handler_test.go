package delivery

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/hub"
)

var errNo = errors.New("no")

func TestHeadersAndHelloGoOutInOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := connect(t, hub.Config{}, passed, hub.Spec{}, log{})
		f.expect("connection", "ready")
		synctest.Wait()
		f.server.mu.Lock()
		defer f.server.mu.Unlock()
		first := f.server.writes[0]
		if !bytes.HasPrefix(first, []byte("HTTP/1.1 200 OK\r\n")) || !bytes.Contains(first, []byte(`"type":"connection"`)) {
			t.Errorf("first write: %q", first)
		}
		if bytes.Contains(first, []byte("chunked")) {
			t.Error("the answer is chunked")
		}
		body := bytes.SplitN(bytes.Join(f.server.writes, nil), []byte("\r\n\r\n"), 2)[1]
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.wrote != len(body) {
			t.Errorf("%d bytes counted, %d written", f.wrote, len(body))
		}
	})
}

func TestASilentStreamBeatsEvery15Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := connect(t, hub.Config{}, passed, hub.Spec{}, log{})
		f.expect("connection", "ready")
		for range 3 {
			before := time.Now()
			f.expect("")
			if d := time.Since(before); d != 15*time.Second {
				t.Fatalf("silent for %v", d)
			}
		}
		<-time.After(10 * time.Second)
		f.dispatch(10)
		f.expect("data.sync")
		before := time.Now()
		f.expect("")
		if d := time.Since(before); d != 15*time.Second {
			t.Fatalf("silent for %v after an event", d)
		}
	})
}

func TestWhatIsPendingGoesOutInOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := connect(t, hub.Config{}, passed, hub.Spec{}, log{})
		f.expect("connection", "ready")
		synctest.Wait()
		f.server.mu.Lock()
		before := len(f.server.writes)
		f.server.mu.Unlock()
		for range 5 {
			f.dispatch(100) // the first wakes the driver; none of them blocks
		}
		f.expect("data.sync", "data.sync", "data.sync", "data.sync", "data.sync")
		synctest.Wait()
		f.server.mu.Lock()
		defer f.server.mu.Unlock()
		if n := len(f.server.writes) - before; n > 2 {
			t.Errorf("5 events in %d writes", n)
		}
	})
}

func TestALeaseAndASessionEndWithAWord(t *testing.T) {
	for name, tt := range map[string]struct {
		lease, session time.Duration
		word           string
		from, to       time.Duration
	}{
		"lease":   {time.Minute, time.Hour, "closinglease", 48 * time.Second, 72 * time.Second},
		"session": {time.Hour, 20 * time.Second, "closingsession_expired", 20 * time.Second, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				f := connect(t, hub.Config{Lease: tt.lease}, passed, hub.Spec{ExpiresAt: begin.Add(tt.session)}, log{})
				f.expect("connection", "ready")
				word := ""
				for word == "" {
					var err error
					if word, err = f.next(); err != nil {
						t.Fatal(err)
					}
				}
				if d := time.Since(begin); word != tt.word || d < tt.from || d > tt.to {
					t.Fatalf("%s after %v", word, d)
				}
				if _, err := f.next(); err != io.EOF {
					t.Fatalf("after the last word: %v", err)
				}
				f.ends()
			})
		})
	}
}

func TestShutdownEndsWithAWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := connect(t, hub.Config{}, passed, hub.Spec{}, log{})
		f.expect("connection", "ready")
		f.hub.Shutdown()
		f.expect("", "closingshutdown") // how far it got, and why it ends
		f.ends()
	})
}

func TestAPeerThatTakesNothingIsLostAsStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := connect(t, hub.Config{}, passed, hub.Spec{}, log{})
		f.expect("connection", "ready")
		synctest.Wait()
		begin := time.Now()
		for range 10 {
			f.dispatch(10_000) // the feed does not wait for anybody
		}
		f.ends(LostStalled)
		if d := time.Since(begin); d != 30*time.Second {
			t.Errorf("given up after %v", d)
		}
	})
}

func TestAPeerThatLeavesIsLostAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		f := connect(t, hub.Config{}, never, hub.Spec{}, log{})
		f.expect("connection")
		begin := time.Now()
		f.conn.Close()
		f.ends(LostPeer)
		if d := time.Since(begin); d != 0 || f.hub.Streams() != 0 {
			t.Errorf("noticed after %v, %d streams are left", d, f.hub.Streams())
		}
	})
}

func TestTheHandlerOutlivesItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cancelled, release := make(chan struct{}), make(chan struct{})
		f := connect(t, hub.Config{}, func(ctx context.Context) error {
			<-ctx.Done()
			close(cancelled)
			<-release
			return ctx.Err()
		}, hub.Spec{}, log{})
		f.expect("connection")
		f.conn.Close()
		<-cancelled
		synctest.Wait()
		select {
		case <-f.over:
			t.Error("the handler returned before its goroutine")
		default:
		}
		close(release)
		f.ends(LostPeer)
	})
}

func TestABarrierThatFailsIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		begin := time.Now()
		f := connect(t, hub.Config{}, func(ctx context.Context) error {
			switch asked++; asked {
			case 1, 2:
				return errNo
			case 3: // what it waits for never comes
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}, hub.Spec{}, log{})
		f.expect("connection")
		word := ""
		for word == "" { // heartbeats without a position are comments alone
			var err error
			if word, err = f.next(); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(begin); word != "ready" || d != 33*time.Second {
			t.Errorf("%s after %v", word, d)
		}
	})
}

func TestReadyWaitsForTheBarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		f := connect(t, hub.Config{}, func(context.Context) error { <-open; return nil }, hub.Spec{}, log{})
		f.expect("connection")
		f.dispatch(10)
		f.expect("data.sync")
		f.dispatch(10)
		close(open)
		f.expect("data.sync", "ready")
	})
}

func TestAFeedThatGoesStaleIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := connect(t, hub.Config{}, passed, hub.Spec{}, log{})
		f.expect("connection", "ready")
		f.hub.SetFeed(orgcast.FeedStale, time.Now())
		f.expect("statusstale")
		f.hub.SetFeed(orgcast.FeedLive, time.Now())
		f.expect("statuslive")
	})
}

func TestALogThatCannotBeReadEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := log{read: func(context.Context) error { return errNo }}
		f := connect(t, hub.Config{}, passed, hub.Spec{}, l)
		f.expect("connection", "ready")
		f.hub.Dispatch(200, nil, nil, nil, true)
		f.ends(LostLog)
	})
}

func TestAPeerThatLeavesDuringAReplayIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reading := make(chan struct{})
		l := log{read: func(ctx context.Context) error { close(reading); <-ctx.Done(); return ctx.Err() }}
		f := connect(t, hub.Config{}, passed, hub.Spec{}, l)
		f.expect("connection", "ready")
		f.hub.Dispatch(200, nil, nil, nil, true)
		<-reading
		f.conn.Close()
		f.ends(LostPeer)
	})
}

// kept is a log that keeps what is dispatched.
type kept struct {
	mu     sync.Mutex
	events []orgcast.Event
}

func (k *kept) Read(_ context.Context, _ orgcast.OrganizationID, after, upTo orgcast.Cursor, fn func(*orgcast.Event) bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.events {
		if e.Cursor.Compare(after) > 0 && e.Cursor.Compare(upTo) <= 0 && !fn(&e) {
			break
		}
	}
	return nil
}

func (k *kept) Floor(orgcast.OrganizationID) orgcast.Cursor { return orgcast.Position(1, 100) }

// flood commits an event of about a kilobyte, ten times a second.
func (f *fixture) flood(k *kept, until <-chan struct{}) {
	for {
		k.mu.Lock()
		k.events = append(k.events, f.event(1000))
		e := k.events[len(k.events)-1]
		k.mu.Unlock()
		f.hub.Committed(time.Now())
		f.hub.Dispatch(f.lsn+2, []orgcast.Event{e}, nil, nil, false)
		select {
		case <-until:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Ten kilobytes come in a second, and the peer takes four.
func TestAPeerThatTakesTooLittleIsToldThatItIsTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kept{}
		f := connect(t, hub.Config{TailBytes: 8 << 10, StepBytes: 4 << 10}, passed, hub.Spec{}, k)
		f.expect("connection", "ready")
		over := make(chan struct{})
		defer close(over)
		go f.flood(k, over)
		begun, events := time.Now(), 0
		for {
			word, err := f.next()
			if err != nil {
				t.Fatalf("ended after %v with %v, and without a word", time.Since(begun), err)
			}
			if word == "closingslow_consumer" {
				break
			}
			if word == "data.sync" {
				events++
			}
			<-time.After(250 * time.Millisecond)
		}
		if d := time.Since(begun); d < 30*time.Second || d > time.Minute || events < 100 {
			t.Errorf("told after %v and %d events", d, events)
		}
		if _, err := f.next(); err != io.EOF {
			t.Errorf("after the last word: %v", err)
		}
		f.ends() // it heard why: it is not lost
	})
}

func TestAPeerThatStopsWhileItIsTooSlowIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kept{}
		f := connect(t, hub.Config{TailBytes: 8 << 10, StepBytes: 4 << 10}, passed, hub.Spec{}, k)
		f.expect("connection", "ready")
		over := make(chan struct{})
		defer close(over)
		go f.flood(k, over)
		for range 40 {
			f.expect("data.sync")
			<-time.After(250 * time.Millisecond)
		}
		begun := time.Now()
		f.ends(LostStalled)
		if d := time.Since(begun); d > 30*time.Second {
			t.Errorf("cut after %v", d)
		}
	})
}

func TestAWriteTellsOfItsNewestEventAfterItWasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := connect(t, hub.Config{}, passed, hub.Spec{}, log{})
		f.expect("connection", "ready")
		synctest.Wait()
		committed := time.Now()
		<-time.After(2 * time.Second)
		f.hub.Committed(committed)
		f.dispatch(10)
		dispatched := time.Now()
		<-time.After(3 * time.Second) // the peer takes its time
		f.expect("data.sync")
		synctest.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.written) != 1 || !f.written[0].Committed.Equal(committed) || !f.written[0].Dispatched.Equal(dispatched) || f.writtenAt[0].Sub(dispatched) != 3*time.Second {
			t.Errorf("told %+v at %v", f.written, f.writtenAt)
		}
	})
}
