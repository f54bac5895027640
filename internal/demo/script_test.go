package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/sse"
)

// TestThePagesScriptsReadTheWireAsGoDoes runs the page's modules in a browser.
func TestThePagesScriptsReadTheWireAsGoDoes(t *testing.T) {
	s := newSite(t)
	browser := startChromium(t)
	w := browser.open(t, browser.profile(t), "nobody", s.url)
	w.until(`document.querySelector("#users input")`)
	t.Run("order of cursors", func(t *testing.T) { testCursors(t, w) })
	t.Run("blocks", func(t *testing.T) { testBlocks(t, w) })
	t.Run("stream", func(t *testing.T) { testStream(t, w, s) })
}

func testCursors(t *testing.T, w *window) {
	numbers := []uint64{0, 1, 35, 36, 1<<53 - 1, 1 << 53, 1<<53 + 1, math.MaxUint64 - 1, math.MaxUint64}
	draw := func() uint64 { return numbers[rand.IntN(len(numbers))] }
	var pairs [][2]string
	var want []bool
	for range 2000 {
		a := orgcast.Cursor{Epoch: orgcast.Epoch(rand.IntN(2)), LSN: orgcast.LSN(draw()), Index: draw()}
		b := orgcast.Cursor{Epoch: orgcast.Epoch(rand.IntN(2)), LSN: orgcast.LSN(draw()), Index: draw()}
		pairs = append(pairs, [2]string{a.String(), b.String()})
		want = append(want, a.Epoch != b.Epoch || a.Compare(b) > 0)
	}
	list, err := json.Marshal(pairs)
	if err != nil {
		t.Fatal(err)
	}
	var got []bool
	w.eval(fmt.Sprintf(`import("/cursor.js").then(({isAfter}) => %s.map(([a, b]) => isAfter(a, b)))`, list), &got)
	for i := range pairs {
		if got[i] != want[i] {
			t.Fatalf("is %s after %s? %v, and Go says %v", pairs[i][0], pairs[i][1], got[i], want[i])
		}
	}
}

// testBlocks cuts a stream at every place.
func testBlocks(t *testing.T, w *window) {
	text := ": heartbeat 1\n\nretry: 50\nid: a.1.0\ndata: {\"x\":\"κτήμα\"}\n\n: heartbeat 2\r\nid: a.2.0\r\n\r\ndata: one\ndata: two\nevent: e\n\nretry: x\ndata\n\nid: cut\ndata: never"
	type block struct {
		ID, Data *string
		Retry    *int
	}
	var got []block
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	w.eval(fmt.Sprintf(`import("/parser.js").then(({Parser}) => {
		const text = %s;
		const at = (...cuts) => { const blocks = []; const p = new Parser((b) => blocks.push(b)); let from = 0;
			for (const c of [...cuts, text.length]) { p.push(text.slice(from, c)); from = c; } return blocks; };
		const whole = at();
		for (let i = 0; i <= text.length; i++) for (let j = i; j <= text.length; j += 7)
			if (JSON.stringify(at(i, j)) !== JSON.stringify(whole)) throw new Error("cut at " + i + " and " + j);
		return whole;
	})`, quoted), &got)
	r, id := sse.NewReader(strings.NewReader(text)), ""
	for i := 0; ; i++ {
		want, err := r.Next()
		if errors.Is(err, io.EOF) {
			if i != len(got) {
				t.Errorf("%d blocks, and Go reads %d", len(got), i)
			}
			return
		}
		if err != nil || i >= len(got) {
			t.Fatalf("block %d of %d: %v", i, len(got), err)
		}
		b := got[i]
		if b.ID != nil {
			id = *b.ID
		}
		if id != want.ID || (b.Data == nil) != (want.Data == nil) || b.Data != nil && *b.Data != string(want.Data) || b.Retry != nil && *b.Retry != want.RetryMS {
			t.Errorf("block %d is %+v, and Go reads %+v", i, b, want)
		}
	}
}

// testStream plays a server that does all that a client must withstand.
func testStream(t *testing.T, w *window, s *site) {
	event := func(id string) string {
		return fmt.Sprintf("id: %[1]s\ndata: {\"id\":\"%[1]s\",\"type\":\"data.sync\",\"timestamp\":1,\"payload\":{}}\n\n", id)
	}
	hello := `data: {"type":"connection","status":"connected"}` + "\n\n"
	connections := []string{
		"", // 503
		"retry: 20\nid: k.1.0\n" + hello + event("k.2.0") + event("k.2.0") + event("k.1.z") + event("k.2.8") + ": heartbeat 1\nid: k.9.0\n\nid: k.zz.0\ndata: {\"id\":\"k.zz.0\",\"type\":\"data",
		"retry: 20\n" + hello + event("k.9.0") + event("k.a.0") + event("k.10.0") + "id: k.10.0\ndata: {\"type\":\"ready\",\"cursor\":\"k.10.0\",\"replayed\":2}\n\n" +
			"data: {\"type\":\"status\",\"state\":\"stale\",\"since\":1}\n\ndata: {\"type\":\"status\",\"state\":\"live\",\"since\":1}\n\n" +
			"id: m.5.0\ndata: {\"type\":\"reset\",\"reason\":\"epoch\",\"cursor\":\"m.5.0\"}\n\n" + event("m.6.0") +
			"retry: 30\ndata: {\"type\":\"closing\",\"reason\":\"lease\",\"reconnect\":true,\"retryMs\":30}\n\n" + event("m.7.0"),
		hello + "data: {\"type\":\"closing\",\"reason\":\"membership_revoked\",\"reconnect\":false,\"retryMs\":30}\n\n",
	}
	var (
		mu      sync.Mutex
		resumed []string
	)
	upstream := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n := len(resumed)
		resumed = append(resumed, r.Header.Get("Last-Event-ID"))
		mu.Unlock()
		if n == 0 {
			rw.Header().Set("Retry-After", "1")
			http.Error(rw, "Service Unavailable", http.StatusServiceUnavailable)
			return
		}
		rw.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(rw, connections[min(n, len(connections)-1)])
	}))
	defer upstream.Close()
	defer s.realtime.close()
	s.forwardTo(upstream.Listener.Addr().(*net.TCPAddr))
	var told []string
	w.eval(`import("/stream.js").then(({Stream}) => new Promise((resolve) => {
		const told = [];
		const s = new Stream("/api/realtime/stream", {
			state: (name, detail) => { if (name !== "connecting") told.push(name); if (name === "closed") resolve([...told, detail]); },
			event: (e, {replayed}) => { told.push(e.id + (replayed ? " replayed" : "")); if (e.id === "k.a.0") throw new Error("a callback of the test fails"); },
			ready: (n) => told.push("ready " + n),
			refetch: (reason) => told.push("refetch " + reason),
		});
		window.reportError = () => told.push("reported");
		s.start();
		s.start();
	}))`, &told)
	want := []string{
		"catching-up", "refetch opened", "k.2.0 replayed", "k.2.8 replayed",
		"catching-up", "k.a.0 replayed", "reported", "k.10.0 replayed", "ready 2", "live", "stale", "live", "refetch epoch", "m.6.0",
		"catching-up", "closed", "you are no longer a member of this organization",
	}
	if !slices.Equal(told, want) {
		t.Errorf("the page was told\n%q, want\n%q", told, want)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"", "", "k.9.0", "m.6.0"}; !slices.Equal(resumed, want) {
		t.Errorf("it resumed at %q, want %q", resumed, want)
	}
}
