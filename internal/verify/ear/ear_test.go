package ear

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oikion/orgcast/internal/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen runs a client of a kind against a handler until enough is recorded.
func listen(t *testing.T, kind string, handler http.HandlerFunc, enough func([]verify.Entry) bool) []verify.Entry {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	record := &verify.Record{Client: t.Name(), Kind: kind, User: "user_0", Organizations: []string{"org_0"}}
	begun := time.Now()
	e, err := New(Options{
		Address: func() string { return server.Listener.Addr().String() }, Cookie: "a=b", Record: record, Seed: 1,
		Clock: func() int64 { return int64(time.Since(begun)) }, Intern: NewIntern(100), Pace: 10 * time.Millisecond, Heartbeat: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); e.Run(ctx) }()
	look := func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return enough(record.Entries)
	}
	for !look() && ctx.Err() == nil {
		_ = verify.Pause(ctx, time.Millisecond)
	}
	if ctx.Err() != nil {
		t.Errorf("not enough: %+v", record.Entries)
	}
	cancel()
	<-done
	return record.Entries
}

func begin(w http.ResponseWriter, cursor string) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store, no-cache, no-transform")
	if cursor != "" {
		fmt.Fprintf(w, "retry: 10\nid: %s\n", cursor)
	}
	fmt.Fprint(w, `data: {"type":"connection","status":"connected","connectionId":"c1","cursor":"e.1.0","scope":"s","organizations":[{"id":"org_0"}]}`+"\n\n")
	w.(http.Flusher).Flush()
}

func event(cursor string) string {
	return fmt.Sprintf("id: %s\ndata: {\"id\":%q,\"type\":\"data.sync\",\"organizationId\":\"org_0\"}\n\n", cursor, cursor)
}

func whats(entries []verify.Entry) (list []verify.What) {
	for _, e := range entries {
		list = append(list, e.What)
	}
	return list
}

func cursor(t *testing.T, text string) verify.Cursor {
	t.Helper()
	c, err := verify.ParseCursor(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAClientGoesOnFromTheLastWholeBlock(t *testing.T) {
	var n atomic.Int32
	entries := listen(t, EventSource, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			begin(w, "e.1.0")
			fmt.Fprint(w, event("e.2.0"), "id: e.3.0\ndata: {\"id\"") // cut within a block
			return
		}
		if got := r.Header.Get("Last-Event-ID"); got != "e.2.0" && n.Load() == 2 {
			t.Errorf("Last-Event-ID %q", got)
		}
		begin(w, "")
		fmt.Fprint(w, event("e.3.0"), "id: e.3.0\ndata: {\"type\":\"ready\",\"cursor\":\"e.3.0\",\"replayed\":1}\n\n", ": heartbeat 1\nid: e.4.0\n\n")
	}, func(l []verify.Entry) bool { return slices.Contains(whats(l), verify.Beat) })
	want := []verify.What{verify.Asked, verify.Connected, verify.Heard, verify.Cut, verify.Asked, verify.Connected, verify.Heard, verify.Ready, verify.Beat}
	if got := whats(entries)[:len(want)]; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	if got, want := entries[4].Cursor, cursor(t, "e.2.0"); got != want {
		t.Errorf("asked from %v, want %v", got, want)
	}
	if got := *entries[2].Data; !strings.Contains(got, `"e.2.0"`) {
		t.Errorf("heard %s", got)
	}
}

func TestWhatNoStreamMaySayIsRecorded(t *testing.T) {
	for _, text := range []string{
		"event: x\ndata: {}\n\n", "data: {}\ndata: {}\n\n", "data: {\"type\":\"no\"}\n\n", "id: x\n\n", "data:\n\n", "data: \x00\n\n", "\n",
		"id: e.2.0\ndata: {\"id\":\"e.2.0\",\"type\":\"nothing\"}\n\n", "data: {\"type\":\"reset\",\"reason\":\"why\",\"cursor\":\"e.1.0\"}\n\n",
		"data: {\"type\":\"closing\",\"reason\":\"lease\",\"reconnect\":false,\"retryMs\":1}\n\n",
	} {
		entries := listen(t, EventSource, func(w http.ResponseWriter, _ *http.Request) {
			begin(w, "e.1.0")
			fmt.Fprint(w, text)
		}, func(l []verify.Entry) bool { return slices.Contains(whats(l), verify.Cut) })
		if !slices.Contains(whats(entries), verify.Broken) {
			t.Errorf("%q is taken: %+v", text, entries)
		}
	}
}

func TestALateClientBeginsWithoutACursorOrFromThatOfItsPage(t *testing.T) {
	var without, with atomic.Int32
	listen(t, Late, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/cursor") {
			fmt.Fprint(w, `{"cursor":"e.7.0"}`)
			return
		}
		switch r.URL.Query().Get("lastEventId") {
		case "":
			without.Add(1)
			begin(w, "e.1.0")
		case "e.7.0":
			with.Add(1)
			begin(w, "")
		default:
			t.Errorf("asked from %s", r.URL.RawQuery)
		}
	}, func([]verify.Entry) bool { return without.Load() > 3 && with.Load() > 3 })
}

func TestChangedFiltersAreRecordedBeforeTheyAreAskedFor(t *testing.T) {
	var puts atomic.Int32
	entries := listen(t, Filtered, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/cursor"):
			fmt.Fprint(w, `{"cursor":"e.1.0"}`)
		case r.Method == http.MethodPut:
			puts.Add(1)
			if r.URL.Query().Get("connectionId") != "c1" || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("PUT %s", r.URL)
			}
			w.WriteHeader(http.StatusNoContent)
		default:
			begin(w, "e.1.0")
			fmt.Fprint(w, "id: e.1.0\ndata: {\"type\":\"ready\",\"cursor\":\"e.1.0\",\"replayed\":0}\n\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}, func(l []verify.Entry) bool {
		return slices.ContainsFunc(l, func(e verify.Entry) bool { return e.Reason == "put done" })
	})
	i := slices.IndexFunc(entries, func(e verify.Entry) bool { return e.Reason == "put" })
	j := slices.IndexFunc(entries, func(e verify.Entry) bool { return e.Reason == "put done" })
	if i < 0 || j < i || entries[i].Filter != entries[j].Filter || entries[j].Cursor != cursor(t, "e.1.0") || puts.Load() == 0 {
		t.Errorf("%+v", entries)
	}
}

func TestAPollerGoesFromPageToPage(t *testing.T) {
	entries := listen(t, Poller, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("after") {
		case "":
			fmt.Fprint(w, `{"events":[],"cursor":"e.1.0","reset":null}`)
		case "e.1.0":
			fmt.Fprint(w, `{"events":[{"id":"e.2.0","type":"data.sync"},{"id":"e.2.8","type":"data.sync"}],"cursor":"e.3.0","reset":null}`)
		case "e.3.0":
			fmt.Fprint(w, `{"events":[{"id":"e.4.0","type":"data.sync"}],"cursor":"e.5.0","reset":"moved"}`)
		default:
			fmt.Fprint(w, `{"events":[],"cursor":"e.9.0","reset":"too_old"}`)
		}
	}, func(l []verify.Entry) bool { return slices.Contains(whats(l), verify.Reset) })
	want := []verify.What{verify.Asked, verify.Paged, verify.Asked, verify.Heard, verify.Heard, verify.Paged, verify.Asked, verify.Moved, verify.Heard, verify.Paged, verify.Asked, verify.Reset}
	if got := whats(entries)[:len(want)]; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	if m := entries[7]; m.Cursor != cursor(t, "e.5.0") {
		t.Errorf("%+v", m)
	}
	if r := entries[11]; r.Reason != "too_old" || r.Cursor != cursor(t, "e.9.0") {
		t.Errorf("%+v", r)
	}
}

func TestSilenceEndsAStream(t *testing.T) {
	entries := listen(t, EventSource, func(w http.ResponseWriter, r *http.Request) {
		begin(w, "e.1.0")
		<-r.Context().Done()
	}, func(l []verify.Entry) bool { return slices.Contains(whats(l), verify.Cut) })
	if e := entries[2]; e.What != verify.Cut || e.Reason != CutSilent {
		t.Errorf("%+v", e)
	}
}

func TestARefusalIsRecordedWithItsStatus(t *testing.T) {
	entries := listen(t, Churned, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Forbidden: No access to this organization", http.StatusForbidden)
	}, func(l []verify.Entry) bool { return len(l) > 3 })
	if e := entries[1]; e.What != verify.Refused || e.Status != http.StatusForbidden || !strings.HasPrefix(e.Reason, "Forbidden") {
		t.Errorf("%+v", e)
	}
}
