package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/oikion/orgcast"
)

// desk is a listener that is asked over the wire.
type desk struct {
	*Client
	log  *memoryLog
	url  string
	stop context.CancelCauseFunc

	mu    sync.Mutex
	ended []TailEnd
}

func (d *desk) ends() []TailEnd {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.ended)
}

func newDesk(t *testing.T, more func(*Deps)) *desk {
	t.Helper()
	base, stop := context.WithCancelCause(context.Background())
	d := &desk{log: newLog(), stop: stop}
	all := deps(nil)
	all.Tail = d.log
	all.TailEnded = func(end TailEnd) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.ended = append(d.ended, end)
	}
	if more != nil {
		more(&all)
	}
	s := httptest.NewUnstartedServer(nil)
	s.Config.Handler = New(Config{Address: s.Listener.Addr().String(), Token: secret}, all)
	s.Config.BaseContext = func(net.Listener) context.Context { return base }
	s.Start()
	t.Cleanup(func() {
		stop(ErrStopping)
		s.Close()
	})
	d.url = s.URL
	d.Client = NewClient(ClientConfig{URL: s.URL, Token: secret})
	return d
}

// tail reads so many lines, then leaves; at each it calls what is to happen then.
func (d *desk) tail(t *testing.T, q TailQuery, lines int, then func(n int)) (got []Line) {
	t.Helper()
	enough := errors.New("enough")
	err := d.Tail(t.Context(), q, func(l Line, text []byte) error {
		if !json.Valid(text) {
			t.Errorf("a line is no JSON: %q", text)
		}
		l.Event = slices.Clone(l.Event)
		got = append(got, l)
		if then != nil {
			then(len(got))
		}
		if len(got) == lines {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("tail: %v, after %+v", err, got)
	}
	return got
}

func shown(lines []Line) (texts []string) {
	for _, l := range lines {
		texts = append(texts, show(l))
	}
	return texts
}

func TestATailFollowsOneOrganizationFromWhereItIsAsked(t *testing.T) {
	d := newDesk(t, nil)
	d.log.commit(110, event(at(110, 0), "org_1", orgcast.PropertyUpdate, orgcast.Audience{}, `{"propertyId":"p"}`),
		event(at(110, 8), "org_10", orgcast.PropertyUpdate, orgcast.Audience{}, `{"secret":"of another"}`))
	d.log.commit(120, event(at(120, 0), "org_1", orgcast.DataSync, orgcast.Audience{Roles: []string{"ADMIN"}}, `{"entityType":"invitation"}`), moved(at(120, 8), "org_1"))
	live := func(n int) {
		if n == 1 {
			d.log.commit(130, event(at(130, 0), "org_1", orgcast.NotificationNew, orgcast.Audience{User: "u"}, `{"title":"t"}`),
				event(at(130, 8), orgcast.Everyone, orgcast.SystemAlert, orgcast.Audience{}, `{"message":"m"}`))
		}
	}
	for name, c := range map[string]struct {
		query TailQuery
		then  func(int)
		want  []string
	}{
		"from now on":     {TailQuery{}, live, []string{"begin  10.3h.0", "10.3m.0 notifications", "10.3m.8 system"}},
		"behind an event": {TailQuery{After: "10.32.0"}, nil, []string{"begin  10.32.0", "10.3c.0 organization", "10.3c.8 "}},
		"from the oldest": {TailQuery{After: "oldest"}, nil, []string{"begin  10.1d.0", "10.32.0 property", "10.3c.0 organization"}},
		"too far back":    {TailQuery{After: "10.1.0"}, nil, []string{"begin  10.1.0", "reset too_old 10.1d.0", "10.32.0 property"}},
		"another epoch":   {TailQuery{After: "11.1.0"}, nil, []string{"begin  11.1.0", "reset epoch 10.3h.0"}},
		"one type":        {TailQuery{After: "oldest", Types: []string{"data.sync"}}, nil, []string{"begin  10.1d.0", "10.3c.0 organization", "10.3c.8 "}},
		"one channel":     {TailQuery{After: "oldest", Channels: []string{"property"}}, nil, []string{"begin  10.1d.0", "10.32.0 property", "10.3c.8 "}},
	} {
		t.Run(name, func(t *testing.T) {
			d.log.mu.Lock() // as it was before the others
			d.log.events = slices.DeleteFunc(d.log.events, func(e orgcast.Event) bool { return e.Cursor.LSN > 120 })
			d.log.position = orgcast.Position(36, 126)
			d.log.mu.Unlock()
			c.query.Organization = "org_1"
			got := d.tail(t, c.query, len(c.want), c.then)
			if !slices.Equal(shown(got), c.want) {
				t.Errorf("got %q, want %q", shown(got), c.want)
			}
			for _, l := range got {
				if strings.Contains(string(l.Event), "another") {
					t.Errorf("another organization's event: %s", l.Event)
				}
			}
		})
	}
	d.log.mu.Lock() // the organization is deleted: who was there reads on, and who comes does not
	kept := d.log.floor
	d.log.kept, d.log.floor = kept, at(110, 0)
	d.log.mu.Unlock()
	if got := shown(d.tail(t, TailQuery{Organization: "org_1", After: kept.String()}, 3, nil)); !slices.Equal(got, []string{"begin  10.1d.0", "reset too_old 10.32.0", "10.3c.0 organization"}) {
		t.Errorf("behind a deletion: %q", got)
	}
	d.log.mu.Lock()
	d.log.floor = kept
	d.log.mu.Unlock()
	got := d.tail(t, TailQuery{Organization: "org_1", After: "oldest"}, 4, nil)
	if a := got[2].Audience; got[1].Audience != nil || a == nil || !slices.Equal(a.Roles, []string{"ADMIN"}) {
		t.Errorf("audiences %+v", got)
	}
	if want := `{"id":"10.32.0","type":"property.update","organizationId":"org_1","timestamp":1763881200000,"source":"postgres","version":"1.0.0","payload":{"propertyId":"p"}}`; string(got[1].Event) != want {
		t.Errorf("event %s", got[1].Event)
	}
	if want := `{"type":"reset","reason":"moved","cursor":"10.3c.8"}`; string(got[3].Event) != want {
		t.Errorf("reset %s", got[3].Event)
	}
}

func TestALongTailComesWholeAndInOrder(t *testing.T) {
	d := newDesk(t, nil)
	const n = 3000 // more than a page
	for i := range orgcast.LSN(n) {
		d.log.commit(110+8*i, event(at(110+8*i, 0), "o", orgcast.DataSync, orgcast.Audience{}, `"`+strings.Repeat("x", 300)+`"`))
	}
	got := d.tail(t, TailQuery{Organization: "o", After: "oldest"}, n+1, nil)
	for i, l := range got[1:] {
		if want := at(110+8*orgcast.LSN(i), 0).String(); l.Cursor != want {
			t.Fatalf("event %d is %s, want %s", i, l.Cursor, want)
		}
	}
}

func TestAnEndedTailSaysWhy(t *testing.T) {
	d := newDesk(t, nil)
	// The process stops: the last line says so, and Tail is no error.
	var last Line
	err := d.Tail(t.Context(), TailQuery{Organization: "o"}, func(l Line, _ []byte) error {
		last = l
		d.stop(ErrStopping)
		return nil
	})
	if err != nil || last.Control != ControlClosing || last.Reason != string(TailShutdown) {
		t.Errorf("stopped: %v, %+v", err, last)
	}

	d = newDesk(t, nil)
	d.log.broken = errors.New("a bad block")
	d.log.commit(110)
	err = d.Tail(t.Context(), TailQuery{Organization: "o", After: "oldest"}, func(l Line, _ []byte) error {
		last = l
		return nil
	})
	if err != nil || last.Control != ControlClosing || last.Reason != string(TailLog) || !slices.Equal(d.ends(), []TailEnd{TailLog}) {
		t.Errorf("a log that can't be read: %v, %+v, %v", err, last, d.ends())
	}
}

func TestTailsAreBoundedAndOneThatLeavesMakesRoom(t *testing.T) {
	d := newDesk(t, nil)
	ctx, leave := context.WithCancel(t.Context())
	var open sync.WaitGroup
	begun := make(chan struct{})
	for range maxTails {
		open.Go(func() {
			err := d.Tail(ctx, TailQuery{Organization: "o"}, func(l Line, _ []byte) error {
				if l.Control == ControlBegin {
					begun <- struct{}{}
				}
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("tail: %v", err)
			}
		})
	}
	for range maxTails {
		<-begun
	}
	err := d.Tail(t.Context(), TailQuery{Organization: "o"}, func(Line, []byte) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "429") || orgcast.Hint(err) == "" || !slices.Contains(d.ends(), TailMany) {
		t.Errorf("one too many: %v, %v", err, d.ends())
	}
	leave()
	open.Wait()
	for len(d.ends()) < maxTails+1 { // until the server has noticed
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
	d.tail(t, TailQuery{Organization: "o"}, 1, nil)
}

func TestWhatATailCannotBeAskedIsRefused(t *testing.T) {
	d := newDesk(t, nil)
	h := New(Config{Address: "127.0.0.1:4051"}, func() Deps { all := deps(nil); all.Tail = d.log; return all }())
	for query, want := range map[string]string{
		"":                 "organizationId is missing",
		"organizationId=*": "organizationId: one organization, not all of them",
		"organizationId=" + strings.Repeat("x", 256): "organizationId is too long",
		"organizationId=a&organizationId=b":          "organizationId is given twice",
		"organizationId=a&after=x":                   "after: malformed cursor",
		"organizationId=a&type=x":                    "type: it is one of " + orgcast.EventTypeNames(),
		"organizationId=a&channel=x":                 "channel: it is one of " + orgcast.ChannelNames(),
		"organizationId=a&user=x":                    `unknown parameter "user"`,
		"organizationId=%":                           "the query can't be read",
	} {
		w := call(t, h, "/api/realtime/tail?"+query, "localhost:4051", nil)
		if w.Code != http.StatusBadRequest || w.Body.String() != "Bad Request: "+want {
			t.Errorf("%.60s: %d %s", query, w.Code, w.Body)
		}
	}
	d.log.position = orgcast.Cursor{}
	if w := call(t, h, "/api/realtime/tail?organizationId=a", "localhost:4051", nil); w.Code != http.StatusServiceUnavailable {
		t.Errorf("before the feed was ever anywhere: %d", w.Code)
	}
}

// TestAReaderThatTakesNothingIsCut in its time, and holds no place of the log.
func TestAReaderThatTakesNothingIsCut(t *testing.T) {
	log := newLog()
	for i := range orgcast.LSN(100) {
		log.commit(110+8*i, event(at(110+8*i, 0), "o", orgcast.DataSync, orgcast.Audience{}, `"`+strings.Repeat("x", 60_000)+`"`))
	}
	var ended TailEnd
	w := &stuckWriter{header: http.Header{}}
	newTails(log, func(end TailEnd) { ended = end }).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/realtime/tail?organizationId=o&after=oldest", nil))
	if ended != TailSlow {
		t.Errorf("ended with %q", ended)
	}
	if w.deadlines == 0 {
		t.Error("it was given no time")
	}
}
