package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// counted reads a counter as the manual writes it: `name{reason="r"}`.
func (s *instance) counted(t testing.TB, series string) int {
	t.Helper()
	name, labels, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
	return int(s.metric(t, "orgcast_"+name, labels))
}

func alertTo(organization, message string) string {
	return fmt.Sprintf(`{"type":"system.alert","organizationId":%q,"payload":{"alertType":"info","message":%q}}`, organization, message)
}

// TestNobodySpeaksForAnother tries every way to speak for another organization,
// user, type, for everyone, or as if over HTTP: by SQL as a role that has no other
// right, by a copy of what was sealed, and by HTTP.
func TestNobodySpeaksForAnother(t *testing.T) {
	h := settled(t, 3)
	s := serve(t, h.environ, nil)
	s.ready(t)
	bearer, id := s.key(t, "--organization", "org_1")
	// Who has only to connect: it owns nothing and may read nothing.
	foreign := h.Conn(t)
	role := h.Role("foreign")
	for _, sql := range []string{"CREATE ROLE " + role + " NOLOGIN", "SET ROLE " + role} {
		if _, err := foreign.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	watchers := map[string]*connection{}
	for i := 1; i <= 3; i++ {
		watchers[org(i)], _ = open(t, s.address, "organizationId="+org(i), h.cookie(t, fmt.Sprintf("user_%d", i)), "")
	}
	// What a reader of the WAL has: a sealed message, as it was sent.
	spy := h.Conn(t)
	if _, err := spy.Exec(t.Context(), "SELECT pg_create_logical_replication_slot('spy_"+h.Name+"', 'test_decoding')"); err != nil {
		t.Fatal(err)
	}
	genuine := s.publish(t, bearer, "", notification(1, "genuine"))
	watchers["org_1"].await(t, "notification.new")
	sealed := readSealed(t, spy, "spy_"+h.Name)

	emit := func(sql string, args ...any) func(t *testing.T) {
		return func(t *testing.T) {
			if _, err := foreign.Exec(t.Context(), sql, args...); err != nil {
				t.Fatal(err)
			}
		}
	}
	say := func(content string) func(t *testing.T) {
		return emit("SELECT pg_logical_emit_message(true, 'orgcast', $1::text)", content)
	}
	copied := func(content []byte) func(t *testing.T) {
		return emit("SELECT pg_logical_emit_message(true, 'orgcast.sealed', $1::bytea)", content)
	}
	post := func(key, body string, want int) func(t *testing.T) {
		return func(t *testing.T) {
			status, text, err := s.post(within(t, time.Minute), key, "", body)
			if err != nil || status != want {
				t.Errorf("status %d %s, %v, want %d", status, text, err, want)
			}
		}
	}
	refused := func(reason string) string { return `messages_refused_total{reason="` + reason + `"}` }
	answered := func(reason string) string { return `requests_refused_total{reason="` + reason + `"}` }
	to := func(organization, user, title string) string {
		return fmt.Sprintf(`{"type":"notification.new","organizationId":%q,"payload":{"userId":%q,"title":%q,"message":"","priority":"low","category":"x"}}`, organization, user, title)
	}
	t.Run("spoof-matrix", func(t *testing.T) {
		for _, c := range []struct {
			name, counter string
			try           func(t *testing.T)
		}{
			{"SQL: no such organization", refused("no_such_organization"), say(alertTo("org_9", "spoof"))},
			{"SQL: everyone", refused("no_such_organization"), say(alertTo("*", "spoof"))},
			{"SQL: a user of another organization", refused("no_such_member"), say(to("org_1", "user_2", "spoof"))},
			{"SQL: a type that is the database's to tell", refused("type_not_allowed"), say(`{"type":"member.leave","organizationId":"org_2","payload":{"memberId":"m","userId":"user_2","organizationId":"org_2"}}`)},
			{"SQL: a type that only rows have", refused("type_not_allowed"), say(`{"type":"data.sync","organizationId":"org_2","payload":{"entityType":"client","entityId":"c","operation":"delete","data":null}}`)},
			{"SQL: another organization in the payload", refused("invalid"), say(`{"type":"member.leave","organizationId":"org_1","payload":{"memberId":"m","userId":"user_2","organizationId":"org_2"}}`)},
			{"SQL: two organizations", refused("invalid"), say(`{"organizationId":"org_1",` + alertTo("org_2", "spoof")[1:])},
			{"SQL: a member in another case", refused("invalid"), say(`{"OrganizationId":"org_1",` + alertTo("org_2", "spoof")[1:])},
			{"SQL: with a source", refused("invalid"), say(`{"source":"postgres",` + alertTo("org_1", "spoof")[1:])},
			{"SQL: several", refused("invalid"), say("[" + alertTo("org_1", "spoof") + "]")},
			{"SQL: too large", refused("invalid"), say(alertTo("org_1", "spoof") + strings.Repeat(" ", 64<<10))},
			{"SQL: outside of a transaction", refused("not_transactional"), emit("SELECT pg_logical_emit_message(false, 'orgcast', $1::text)", alertTo("org_1", "spoof"))},
			{"sealed: not at all", refused("seal"), copied([]byte(alertTo("*", "spoof")))},
			{"sealed: by nobody", refused("seal"), copied(make([]byte, 200))},
			{"sealed: a copy", refused("replayed"), copied(sealed)},
			{"sealed: a copy for another user", refused("seal"), copied([]byte(strings.ReplaceAll(string(sealed), "user_1", "user_2")))},
			{"sealed: a copy outside of a transaction", refused("not_transactional"), emit("SELECT pg_logical_emit_message(false, 'orgcast.sealed', $1::bytea)", sealed)},
			{"sealed: a copy as if by SQL", refused("invalid"), emit("SELECT pg_logical_emit_message(true, 'orgcast', $1::bytea)", sealed)},
			{"HTTP: without a key", answered("key"), post("", alertTo("org_1", "spoof"), http.StatusUnauthorized)},
			{"HTTP: another's id", answered("key"), post("orgc_"+id+"_"+strings.Repeat("A", 43), notification(1, "spoof"), http.StatusUnauthorized)},
			{"HTTP: another organization", answered("key_scope"), post(bearer, notification(2, "spoof"), http.StatusForbidden)},
			{"HTTP: another organization among one's own", answered("key_scope"), post(bearer, "["+notification(1, "spoof")+","+notification(2, "spoof")+"]", http.StatusForbidden)},
			{"HTTP: everyone", answered("key_scope"), post(bearer, to("*", "user_1", "spoof"), http.StatusForbidden)},
			{"HTTP: another type", answered("key_scope"), post(bearer, alertTo("org_1", "spoof"), http.StatusForbidden)},
			{"HTTP: a user of another organization", answered("invalid_events"), post(bearer, to("org_1", "user_2", "spoof"), http.StatusBadRequest)},
			{"HTTP: two organizations", answered("invalid_events"), post(bearer, `{"organizationId":"org_1",`+notification(2, "spoof")[1:], http.StatusBadRequest)},
		} {
			t.Run(c.name, func(t *testing.T) {
				before := s.counted(t, c.counter)
				c.try(t)
				until(t, 20*time.Second, func() string {
					if n := s.counted(t, c.counter) - before; n != 1 {
						return fmt.Sprintf("%s rose by %d", c.counter, n)
					}
					return ""
				})
			})
		}
		t.Run("a page, with a key", func(t *testing.T) {
			r, err := http.NewRequestWithContext(within(t, time.Minute), http.MethodPost, "http://"+s.address+"/api/realtime/events", strings.NewReader(notification(1, "spoof")))
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range map[string]string{"Authorization": "Bearer " + bearer, "Content-Type": "application/json", "Sec-Fetch-Site": "same-origin", "Cookie": h.cookie(t, "user_1")} {
				r.Header.Set(name, value)
			}
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusForbidden {
				t.Errorf("status %d", answer.StatusCode)
			}
		})
		// Nothing of it was heard by anybody: the next that each hears is this.
		h.mark(t, 1, 2, 3)
		for i := 1; i <= 3; i++ {
			if all := watchers[org(i)].upTo(t, i); len(all) != 1 {
				t.Errorf("%s heard %+v", org(i), all)
			}
		}
		if log := s.out.String(); !strings.Contains(log, "published event was refused") || strings.Contains(log, bearer) || strings.Contains(log, "spoof") {
			t.Error("the log does not say that there was a refusal, or says what was in it")
		}
		if again := s.publish(t, bearer, "", notification(1, "genuine")); again[0] == genuine[0] {
			t.Error("two calls without an Idempotency-Key are one")
		}
	})
}

// readSealed reads from a slot of its own the content of the last sealed message.
func readSealed(t *testing.T, conn *pgx.Conn, slot string) (content []byte) {
	t.Helper()
	defer func() {
		if _, err := conn.Exec(t.Context(), "SELECT pg_drop_replication_slot($1)", slot); err != nil {
			t.Error(err)
		}
	}()
	rows, err := conn.Query(t.Context(), "SELECT data FROM pg_logical_slot_get_binary_changes($1, NULL, NULL)", slot)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if _, rest, ok := strings.Cut(string(text), "prefix: orgcast.sealed,"); ok {
			_, body, _ := strings.Cut(rest, "content:")
			content = []byte(body)
		}
	}
	if content == nil {
		t.Fatalf("no sealed message among %d changes", len(texts))
	}
	return content
}

// TestAKeySaysWhatItsScopeHasAndNothingElse over organizations, types and the
// right to broadcast.
func TestAKeySaysWhatItsScopeHasAndNothingElse(t *testing.T) {
	h := settled(t, 2)
	s := serve(t, h.environ, nil)
	s.ready(t)
	type scope struct {
		args      []string
		all       bool
		notify    bool
		alert     bool
		broadcast bool
	}
	scopes := map[string]scope{
		"one organization, one type":     {[]string{"--organization", "org_1"}, false, true, false, false},
		"one organization, another type": {[]string{"--organization", "org_1", "--type", "system.alert"}, false, false, true, false},
		"all organizations":              {[]string{"--all-organizations", "--type", "system.alert", "--type", "notification.new"}, true, true, true, false},
		"broadcast alone":                {[]string{"--broadcast", "--type", "system.alert"}, false, false, false, true},
		"one organization and broadcast": {[]string{"--organization", "org_1", "--type", "system.alert", "--broadcast"}, false, false, true, true},
		"all and broadcast":              {[]string{"--all-organizations", "--type", "system.alert", "--broadcast"}, true, false, true, true},
	}
	one, _ := open(t, s.address, "organizationId=org_1", h.cookie(t, "user_1"), "")
	two, _ := open(t, s.address, "organizationId=org_2", h.cookie(t, "user_2"), "")
	t.Run("key-scope-matrix", func(t *testing.T) {
		heard := map[*connection][]string{}
		for name, sc := range scopes {
			bearer, _ := s.key(t, sc.args...)
			own := !sc.broadcast || len(sc.args) > 3 // more than everyone
			for _, c := range []struct {
				what    string
				body    string
				allowed bool
				to      []*connection
			}{
				{"notification in org_1", notification(1, "m"), sc.notify, []*connection{one}},
				{"notification in org_2", notification(2, "m"), sc.notify && sc.all, []*connection{two}},
				{"alert in org_1", alertTo("org_1", "m"), sc.alert && own, []*connection{one}},
				{"alert in org_2", alertTo("org_2", "m"), sc.alert && sc.all, []*connection{two}},
				{"alert to everyone", alertTo("*", "m"), sc.broadcast, []*connection{one, two}},
				{"notification to everyone", strings.Replace(notification(1, "m"), `"org_1"`, `"*"`, 1), false, nil},
				{"property.update", `{"type":"property.update","organizationId":"org_1","payload":{"propertyId":"p","organizationId":"org_1","operation":"delete","updatedBy":null}}`, false, nil},
			} {
				status, text, err := s.post(within(t, time.Minute), bearer, "", c.body)
				want := http.StatusForbidden
				if c.allowed {
					want = http.StatusAccepted
				}
				if err != nil || status != want {
					t.Errorf("%s: %s: status %d %s, %v, want %d", name, c.what, status, text, err, want)
					continue
				}
				if !c.allowed {
					if !strings.HasPrefix(text, `[{"index":0,"field":"`) {
						t.Errorf("%s: %s: %s", name, c.what, text)
					}
					continue
				}
				var answer struct{ Cursors []string }
				if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Cursors) != 1 {
					t.Fatalf("%s: %s: %s, %v", name, c.what, text, err)
				}
				for _, to := range c.to {
					heard[to] = append(heard[to], answer.Cursors[0])
				}
			}
		}
		h.mark(t, 1, 2)
		for i, c := range []*connection{one, two} {
			all := c.upTo(t, i+1)
			sameIDs(t, fmt.Sprint("heard in ", org(i+1)), ids(all[:len(all)-1]), heard[c])
		}
	})
}

func TestIdempotencyIsAKeysOwn(t *testing.T) {
	h := settled(t, 1)
	s := serve(t, h.environ, nil)
	s.ready(t)
	c, _ := open(t, s.address, "organizationId=org_1", h.cookie(t, "user_1"), "")
	t.Run("idempotency-two-keys", func(t *testing.T) {
		first, _ := s.key(t, "--organization", "org_1")
		second, _ := s.key(t, "--organization", "org_1")
		body := notification(1, "same")
		type result struct {
			key     string
			cursors string
		}
		results := make(chan result, 20)
		for i := range 20 { // at once
			key := []string{first, second}[i%2]
			go func() {
				status, text, err := s.post(within(t, time.Minute), key, "same", body)
				if err != nil || status != http.StatusAccepted {
					t.Errorf("status %d %s, %v", status, text, err)
				}
				results <- result{key, text}
			}()
		}
		cursors := map[string]string{}
		for range 20 {
			r := <-results
			if was, ok := cursors[r.key]; ok && was != r.cursors {
				t.Errorf("one key, one request: %s and %s", was, r.cursors)
			}
			cursors[r.key] = r.cursors
		}
		if cursors[first] == cursors[second] {
			t.Errorf("two keys meet in %s", cursors[first])
		}
		other := s.publish(t, first, "same", body+" ")
		if strings.Contains(cursors[first], other[0]) {
			t.Errorf("two bodies meet in %v", other)
		}
		h.mark(t, 1)
		all := c.upTo(t, 1)
		if len(all) != 4 {
			t.Fatalf("heard %d events, want one for each key, one for the other body, and the mark: %v", len(all), ids(all))
		}
		for _, text := range cursors {
			if !strings.Contains(text, all[0].ID) && !strings.Contains(text, all[1].ID) {
				t.Errorf("answered %s, heard %v", text, ids(all))
			}
		}
	})
}
