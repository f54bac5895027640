package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
)

// call is one request as the application's page makes it. body is JSON, or "".
func call(ctx context.Context, method, url, cookie, body string) (status int, text string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(data), err
}

// must is a call that has to be answered so.
func must(t testing.TB, status int, method, url, cookie, body string) string {
	t.Helper()
	got, text, err := call(within(t, time.Minute), method, url, cookie, body)
	if err != nil || got != status {
		t.Fatalf("%s %s: status %d %s, %v, want %d", method, url, got, text, err, status)
	}
	return text
}

// position asks for a cursor.
func (s *instance) position(t testing.TB, query, cookie string) string {
	t.Helper()
	var answer struct{ Cursor string }
	text := must(t, http.StatusOK, http.MethodGet, "http://"+s.address+"/api/realtime/cursor?"+query, cookie, "")
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Cursor == "" {
		t.Fatalf("cursor: %s, %v", text, err)
	}
	return answer.Cursor
}

// page is an answer with events.
type page struct {
	Events []message
	Cursor string
	Reset  *string
}

func (s *instance) page(ctx context.Context, query, cookie string) (page, error) {
	var p page
	status, text, err := call(ctx, http.MethodGet, "http://"+s.address+"/api/realtime/events?"+query, cookie, "")
	if err != nil {
		return p, err
	}
	if status != http.StatusOK {
		return p, fmt.Errorf("status %d %s", status, text)
	}
	return p, json.Unmarshal([]byte(text), &p)
}

// write commits transactions of one to four changes, to the properties and notes
// of organizations 1 to n, until ctx ends.
func write(ctx context.Context, t testing.TB, conn *pgx.Conn, n int, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	for i := 0; ctx.Err() == nil; i++ {
		var sql strings.Builder
		sql.WriteString("BEGIN;")
		for k := range 1 + r.IntN(4) {
			o := 1 + r.IntN(n)
			switch r.IntN(3) {
			case 0:
				fmt.Fprintf(&sql, `UPDATE properties SET price = price + 1 WHERE id = 'property_%d';`, o)
			case 1:
				fmt.Fprintf(&sql, `INSERT INTO properties (id, price, "organizationId", "createdBy", "propertyType", status, "transactionType")
					VALUES ('p_%d_%d_%d', 1, 'org_%d', 'user_%d', 'HOUSE', 'AVAILABLE', 'SALE');`, seed, i, k, o, o)
			default:
				fmt.Fprintf(&sql, `INSERT INTO notes (id, content, "clientId", "createdBy") VALUES ('n_%d_%d_%d', 'text', 'client_%d', 'user_%d');`, seed, i, k, o, o)
			}
		}
		sql.WriteString("COMMIT")
		if _, err := conn.PgConn().Exec(context.WithoutCancel(ctx), sql.String()).ReadAll(); err != nil {
			t.Errorf("write: %v", err)
			return
		}
		pause(ctx, time.Duration(r.IntN(4))*time.Millisecond)
	}
}

// writing writes until the returned function is called.
func (h *house) writing(t testing.TB, n int, seed uint64) (stop func()) {
	t.Helper()
	conn := h.Conn(t)
	ctx, cancel := context.WithCancel(within(t, 2*time.Minute))
	var writer sync.WaitGroup
	writer.Go(func() { write(ctx, t, conn, n, seed) })
	stop = sync.OnceFunc(func() {
		cancel()
		writer.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// mark is the last thing that is written: a property of each organization.
func (h *house) mark(t testing.TB, organizations ...int) {
	t.Helper()
	for _, o := range organizations {
		h.Exec(t, `INSERT INTO properties (id, price, "organizationId", "createdBy", "propertyType", status, "transactionType")
			VALUES ($1, 1, $2, $3, 'HOUSE', 'AVAILABLE', 'SALE')`, fmt.Sprintf("mark_%d", o), org(o), fmt.Sprintf("user_%d", o))
	}
}

// upTo reads a stream up to the mark of an organization.
func (c *connection) upTo(t testing.TB, organization int) (all []message) {
	t.Helper()
	for {
		b, m, err := c.next()
		if err != nil {
			t.Fatalf("read up to the mark: %v after %d events", err, len(all))
		}
		switch m.Type {
		case "connection", "ready", "status":
		case "reset", "closing":
			t.Fatalf("%s %s after %d events", m.Type, m.Reason, len(all))
		default:
			if m.ID != b.id {
				t.Fatalf("id %q, in the event %q", b.id, m.ID)
			}
			all = append(all, m)
			if m.Payload.PropertyID == fmt.Sprintf("mark_%d", organization) {
				return all
			}
		}
	}
}

func ids(messages []message) []string {
	all := make([]string, len(messages))
	for i, m := range messages {
		all[i] = m.ID
	}
	return all
}

// sameIDs says the first difference.
func sameIDs(t testing.TB, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%s: %d events, want %d; the first difference is at %d: %q, want %q", what, len(got), len(want), i, got[i:min(i+2, len(got))], want[i:min(i+2, len(want))])
		}
	}
}

// TestACursorTakenBeforeAReadMissesNothing: a page takes a cursor, reads its
// rows, and opens a stream from the cursor, while others write. Every row is in
// what was read or on the stream.
func TestACursorTakenBeforeAReadMissesNothing(t *testing.T) {
	h := settled(t, 1)
	s := serve(t, h.environ, nil)
	s.ready(t)
	cookie, conn := h.cookie(t, "user_1"), h.Conn(t)
	stop := h.writing(t, 1, 1)
	type visit struct {
		read   map[string]bool
		stream *connection
	}
	read := func() map[string]bool {
		rows, err := conn.Query(t.Context(), `SELECT id FROM properties`)
		if err != nil {
			t.Fatal(err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]bool{}
		for _, id := range list {
			all[id] = true
		}
		return all
	}
	var visits []visit
	for range 12 {
		cursor := s.position(t, "organizationId=org_1", cookie)
		v := visit{read: read()}
		v.stream, _ = open(t, s.address, "organizationId=org_1&lastEventId="+cursor, cookie, "")
		v.stream.Close()
		// Opened again, to read all of it: what came with `ready` counts too.
		var err error
		if v.stream, err = connect(within(t, time.Minute), s.address, "organizationId=org_1&lastEventId="+cursor, cookie, ""); err != nil {
			t.Fatal(err)
		}
		visits = append(visits, v)
	}
	until(t, time.Minute, func() string {
		if n := len(read()); n < 20 {
			return fmt.Sprintf("%d rows", n)
		}
		return ""
	})
	stop()
	h.mark(t, 1)
	all := read()
	onStreams := 0
	for i, v := range visits {
		seen := map[string]bool{}
		for _, m := range v.stream.upTo(t, 1) {
			seen[m.Payload.PropertyID] = true
		}
		v.stream.Close()
		onStreams += len(seen)
		for id := range all {
			if !v.read[id] && !seen[id] {
				t.Errorf("visit %d: %s was neither read nor sent", i, id)
			}
		}
	}
	if onStreams < 50 {
		t.Errorf("the test is too quiet: %d rows, %d on streams", len(all), onStreams)
	}
}

// TestALongPollSeesExactlyWhatTheStreamSees: page by page, of any size, a client
// that polls gets the events that a stream with the same filters gets.
func TestALongPollSeesExactlyWhatTheStreamSees(t *testing.T) {
	h := settled(t, 3)
	h.member(t, "user_1", "org_2")
	s := serve(t, h.environ, nil)
	s.ready(t)
	cookie := h.cookie(t, "user_1")
	const both = "organizationId=org_1&organizationId=org_2"
	cursor := s.position(t, both, cookie)
	queries := []string{"organizationId=org_1", both, both + "&channel=property", both + "&type=data.sync&type=property.update", "organizationId=org_2"}
	polled := make([][]string, len(queries))
	ctx := within(t, 2*time.Minute)
	stop := h.writing(t, 3, 2)
	var polling sync.WaitGroup
	for i, query := range queries {
		last := "mark_2"
		if i == 0 {
			last = "mark_1"
		}
		polling.Go(func() {
			r := rand.New(rand.NewPCG(4, uint64(i)))
			for after := cursor; ; {
				limit := []int{1, 2, 7, 100, 1000}[r.IntN(5)]
				p, err := s.page(ctx, fmt.Sprintf("%s&after=%s&limit=%d&wait=%d", query, after, limit, r.IntN(3)), cookie)
				if err != nil || p.Reset != nil || len(p.Events) > limit {
					t.Errorf("%s after %s: %d events of %d, reset %v, %v", query, after, len(p.Events), limit, p.Reset, err)
					return
				}
				after = p.Cursor
				for _, m := range p.Events {
					polled[i] = append(polled[i], m.ID)
					if m.Payload.PropertyID == last {
						return
					}
				}
			}
		})
	}
	conn := h.Conn(t)
	until(t, time.Minute, func() string {
		var notes int
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM notes`).Scan(&notes); err != nil || notes < 100 {
			return fmt.Sprintf("%d notes, %v", notes, err)
		}
		return ""
	})
	stop()
	h.mark(t, 3, 1, 2)
	polling.Wait()
	for i, query := range queries {
		stream, err := connect(ctx, s.address, query, cookie, cursor)
		if err != nil {
			t.Fatal(err)
		}
		last := 2
		if i == 0 {
			last = 1
		}
		want := ids(stream.upTo(t, last))
		stream.Close()
		sameIDs(t, query, polled[i], want)
		if len(want) < 50 {
			t.Errorf("%s: only %d events", query, len(want))
		}
	}

	// What can't be resumed is said, with the place to go on from.
	for after, reason := range map[string]string{"nonsense": "malformed", "1.1.0": "epoch"} {
		p, err := s.page(ctx, both+"&wait=20&after="+after, cookie)
		if err != nil || p.Reset == nil || *p.Reset != reason || len(p.Events) != 0 {
			t.Errorf("after %s: %+v, %v", after, p, err)
			continue
		}
		if q, err := s.page(ctx, both+"&after="+p.Cursor, cookie); err != nil || q.Reset != nil {
			t.Errorf("on from %s: %+v, %v", p.Cursor, q, err)
		}
	}
	c, err := orgcast.ParseCursor(cursor)
	if err != nil {
		t.Fatal(err)
	}
	c.LSN += 1 << 40
	if p, err := s.page(ctx, both+"&after="+c.String(), cookie); err != nil || p.Reset == nil || *p.Reset != "ahead" {
		t.Errorf("ahead of the database: %+v, %v", p, err)
	}
	// A page is for members: who leaves while he waits is told nothing more.
	left := make(chan string, 1)
	go func() {
		status, text, err := call(ctx, http.MethodGet, "http://"+s.address+"/api/realtime/events?organizationId=org_2&wait=25", cookie, "")
		left <- fmt.Sprint(status, " ", text, " ", err)
	}()
	until(t, 30*time.Second, func() string {
		if n := s.stats(t).ActiveConnections; n != 1 {
			return fmt.Sprintf("%d connections", n)
		}
		return ""
	})
	h.Exec(t, `DELETE FROM organization_members WHERE id = 'user_1@org_2'`)
	if got, want := <-left, "403 Forbidden: No access to this organization <nil>"; got != want {
		t.Errorf("a page of who left: %s, want %s", got, want)
	}
}

// TestOneStreamOfTwoOrganizations: the events of both, merged by cursor; resumed
// at any of them it goes on behind it, with nothing lost and nothing twice.
func TestOneStreamOfTwoOrganizations(t *testing.T) {
	h := settled(t, 3)
	h.member(t, "user_1", "org_2")
	s := serve(t, h.environ, nil)
	s.ready(t)
	cookie := h.cookie(t, "user_1")
	const both = "organizationId=org_2&organizationId=org_1"
	cursor := s.position(t, both, cookie)
	from := func(query, cursor string) *connection {
		c, err := connect(within(t, time.Minute), s.address, query, cookie, cursor)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	live := from(both, cursor)
	stop := h.writing(t, 3, 3)
	// One that is cut again and again, while they write.
	r := rand.New(rand.NewPCG(5, 5))
	var cut []string
	for last := cursor; len(cut) < 200; {
		c := from(both, last)
		for range 1 + r.IntN(20) {
			for {
				_, m, err := c.next()
				if err != nil || m.Type == "reset" || m.Type == "closing" {
					t.Fatalf("%s %s %v", m.Type, m.Reason, err)
				}
				if m.ID != "" {
					last = m.ID
					cut = append(cut, m.ID)
					break
				}
			}
		}
		c.Close()
	}
	stop()
	h.mark(t, 3, 1, 2)
	got := live.upTo(t, 2)
	var want []string
	for o := 1; o <= 2; o++ {
		c := from("organizationId="+org(o), cursor)
		for _, m := range c.upTo(t, o) {
			if m.OrganizationID != org(o) {
				t.Errorf("an event of %s on the stream of %s", m.OrganizationID, org(o))
			}
			want = append(want, m.ID)
		}
		c.Close()
	}
	slices.SortFunc(want, func(a, b string) int {
		x, errX := orgcast.ParseCursor(a)
		y, errY := orgcast.ParseCursor(b)
		if errX != nil || errY != nil {
			t.Fatalf("no cursors: %q, %q", a, b)
		}
		return x.Compare(y)
	})
	sameIDs(t, "the stream of both", ids(got), want)
	sameIDs(t, "the stream that was cut", cut, want[:min(len(cut), len(want))])
	for range 15 {
		i := r.IntN(len(want))
		c := from(both, want[i])
		if i < len(want)-1 {
			sameIDs(t, "resumed at "+want[i], ids(c.upTo(t, 2)), want[i+1:])
		}
		c.Close()
	}
	both1, both2 := 0, 0
	for i, m := range got {
		if i > 0 && m.OrganizationID != got[i-1].OrganizationID {
			if a, b := got[i-1].ID, m.ID; a[:strings.LastIndex(a, ".")] == b[:strings.LastIndex(b, ".")] {
				both1++
			} else {
				both2++
			}
		}
	}
	if len(want) < 200 || both1 < 5 || both2 < 5 {
		t.Errorf("the test is too quiet: %d events, organizations change %d times within a transaction and %d times between", len(want), both1, both2)
	}
}

// TestAStreamIsItsOwnersToFilterAndToEnd over the wire.
func TestAStreamIsItsOwnersToFilterAndToEnd(t *testing.T) {
	h := settled(t, 1)
	h.user(t, "user_2")
	h.member(t, "user_2", "org_1")
	s := serve(t, h.environ, nil)
	s.ready(t)
	mine, theirs := h.cookie(t, "user_1"), h.cookie(t, "user_2")
	c, err := connect(within(t, time.Minute), s.address, "organizationId=org_1&channel=property", mine, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b, _, err := c.next()
	var hello struct{ ConnectionID string }
	if err != nil || json.Unmarshal([]byte(b.data), &hello) != nil || hello.ConnectionID == "" {
		t.Fatalf("hello %q, %v", b.data, err)
	}
	c.await(t, "ready")
	url := "http://" + s.address + "/api/realtime/stream?connectionId="
	own, nobody := url+hello.ConnectionID, url+strings.Repeat("A", 22)
	const all = `{"channels":["all"],"types":[]}`
	foreign := must(t, http.StatusNotFound, http.MethodPut, own, theirs, all)
	for _, r := range []struct{ method, url, cookie, body string }{
		{http.MethodDelete, own, theirs, ""}, {http.MethodPut, nobody, mine, all}, {http.MethodDelete, nobody, mine, ""},
	} {
		if text := must(t, http.StatusNotFound, r.method, r.url, r.cookie, r.body); text != foreign {
			t.Errorf("%s %s: %q, but of somebody else's: %q", r.method, r.url, text, foreign)
		}
	}
	joined := 0
	change := func(table string) {
		if table == "properties" {
			h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id = 'property_1'`)
			return
		}
		joined++
		user := fmt.Sprintf("late_%d", joined)
		h.user(t, user)
		h.member(t, user, "org_1")
	}
	next := func(want string) {
		t.Helper()
		if _, m, err := c.next(); err != nil || m.Type != want {
			t.Fatalf("got %s %s %v, want %s", m.Type, m.Reason, err, want)
		}
	}
	change("members") // filtered
	change("properties")
	next("property.update")
	must(t, http.StatusNoContent, http.MethodPut, own, mine, `{"types":["member.join"]}`)
	change("properties") // filtered
	change("members")
	next("member.join")
	must(t, http.StatusNoContent, http.MethodPut, own, mine, `{}`)
	change("properties") // and none of those that were left out
	next("property.update")
	must(t, http.StatusNoContent, http.MethodDelete, own, mine, "")
	_, m, err := c.next()
	if err != nil || m.Type != "closing" || m.Reason != "closed_by_client" || m.Reconnect == nil || *m.Reconnect {
		t.Fatalf("%+v, %v", m, err)
	}
	if _, _, err := c.next(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	must(t, http.StatusNotFound, http.MethodDelete, own, mine, "")
}

// figures are the operator's.
type figures struct {
	ActiveConnections, TotalSubscriptions          int
	EventsProcessed, EventsDelivered, EventsFailed int
	AverageLatency, Uptime                         float64
	OrganizationCount                              int
	ConnectionsByOrg                               map[string]int
	Replication                                    struct {
		State, Reason, Slot, Position, Durable, Flushed string
		Connected                                       bool
		Lag                                             *float64
		LagBytes                                        *int64
	}
}

func (s *instance) stats(t testing.TB) (f figures) {
	t.Helper()
	text := must(t, http.StatusOK, http.MethodGet, "http://"+s.oper+"/api/realtime/stats", "", "")
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return f
}

// TestTheOperatorsFiguresAddUpAndKickEndsStreams over the wire.
func TestTheOperatorsFiguresAddUpAndKickEndsStreams(t *testing.T) {
	h := settled(t, 2)
	h.member(t, "user_1", "org_2")
	s := serve(t, h.environ, nil)
	s.ready(t)
	mine, theirs := h.cookie(t, "user_1"), h.cookie(t, "user_2")
	first, _ := open(t, s.address, "organizationId=org_1", mine, "")
	both, _ := open(t, s.address, "organizationId=org_1&organizationId=org_2", mine, "")
	other, _ := open(t, s.address, "organizationId=org_2", theirs, "")
	before := s.stats(t)
	const changes = 5
	for range changes {
		h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id = 'property_1'`)
		first.await(t, "property.update")
		both.await(t, "property.update")
	}
	after := s.stats(t)
	processed, delivered := after.EventsProcessed-before.EventsProcessed, after.EventsDelivered-before.EventsDelivered
	if processed != changes || delivered != 2*changes || after.EventsFailed != 0 {
		t.Errorf("%d events processed, %d delivered, %d failed, want %d, %d, 0", processed, delivered, after.EventsFailed, changes, 2*changes)
	}
	if after.ActiveConnections != 3 || after.TotalSubscriptions != 4 || after.OrganizationCount != 2 ||
		after.ConnectionsByOrg["org_1"] != 2 || after.ConnectionsByOrg["org_2"] != 2 || len(after.ConnectionsByOrg) != 2 {
		t.Errorf("%+v", after)
	}
	if after.AverageLatency <= 0 || after.AverageLatency > 60_000 || after.Uptime <= before.Uptime {
		t.Errorf("latency %v ms, uptime %v s, then %v s", after.AverageLatency, before.Uptime, after.Uptime)
	}
	r := after.Replication
	position, err := orgcast.ParseLSN(r.Position)
	durable, err2 := orgcast.ParseLSN(r.Durable)
	if err != nil || err2 != nil || position == 0 || durable > position || r.State != "live" || r.Reason != "" || !r.Connected ||
		r.Slot != "orgcast_"+h.Name || r.Lag == nil || *r.Lag < 0 || *r.Lag > 10 || r.LagBytes == nil {
		t.Errorf("%+v, %v, %v", r, err, err2)
	}

	// Without a database, too, there are figures, and the reason.
	deaf := serve(t, h.environ, map[string]string{"ORGCAST_DATABASE_URL": "postgres://u:the-password@" + freeAddress(t) + "/db"})
	until(t, time.Minute, func() string {
		if status, _, err := get("http://" + deaf.oper + "/api/realtime/stats"); err != nil || status != http.StatusOK {
			return fmt.Sprint("stats: ", status, err)
		}
		return ""
	})
	if r := deaf.stats(t).Replication; r.State != "stale" || r.Reason == "" || r.Connected || r.Lag != nil || r.LagBytes != nil {
		t.Errorf("without a database: %+v", r)
	}

	kick := "http://" + s.oper + "/api/realtime/kick"
	for body, want := range map[string]string{`{"userId":"user_3"}`: `{"closed":0}`, `{"userId":"user_2","organizationId":"org_1"}`: `{"closed":0}`} {
		if text := must(t, http.StatusOK, http.MethodPost, kick, "", body); text != want+"\n" {
			t.Errorf("kick %s: %s", body, text)
		}
	}
	must(t, http.StatusBadRequest, http.MethodPost, kick, "", `{}`)
	if text := must(t, http.StatusOK, http.MethodPost, kick, "", `{"userId":"user_1","organizationId":"org_2"}`); text != "{\"closed\":1}\n" {
		t.Errorf("kick: %s", text)
	}
	if m := both.await(t, "closing"); m.Reason != "closed_by_operator" || m.Reconnect == nil || *m.Reconnect {
		t.Errorf("%+v", m)
	}
	if text := must(t, http.StatusOK, http.MethodPost, kick, "", `{"organizationId":"org_1"}`); text != "{\"closed\":1}\n" {
		t.Errorf("kick: %s", text)
	}
	first.await(t, "closing")
	until(t, 30*time.Second, func() string {
		if f := s.stats(t); f.ActiveConnections != 1 || f.ConnectionsByOrg["org_2"] != 1 || len(f.ConnectionsByOrg) != 1 {
			return fmt.Sprintf("%+v", f)
		}
		return ""
	})
	_, text, err := get("http://" + s.oper + "/metrics")
	if err != nil || !strings.Contains(text, "\norgcast_streams_closed_total{reason=\"closed_by_operator\"} 2\n") {
		t.Errorf("what was kicked is not counted: %v", err)
	}
	h.Exec(t, `UPDATE properties SET price = price + 1 WHERE id = 'property_2'`)
	other.await(t, "property.update")
}
