package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// keys runs orgcast keys, with the server's configuration of it alone, and
// returns what it prints.
func (s *instance) keys(t testing.TB, args ...string) string {
	t.Helper()
	status, text := run(t, map[string]string{"ORGCAST_DATA_DIR": s.environ["ORGCAST_DATA_DIR"]}, "", append([]string{"keys"}, args...)...)
	if status != 0 {
		t.Fatalf("orgcast keys %v: status %d\n%s", args, status, text)
	}
	return text
}

// key makes an API key. Its id is the middle of it.
func (s *instance) key(t testing.TB, args ...string) (bearer, id string) {
	t.Helper()
	bearer, _, _ = strings.Cut(s.keys(t, append([]string{"new", "test"}, args...)...), "\n")
	part := strings.Split(bearer, "_")
	if len(part) < 3 || part[0] != "orgc" {
		t.Fatalf("no key: %q", bearer)
	}
	return bearer, part[1]
}

// post publishes, as curl does.
func (s *instance) post(ctx context.Context, bearer, idempotencyKey, body string) (status int, text string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address+"/api/realtime/events", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+bearer)
	if idempotencyKey != "" {
		r.Header.Set("Idempotency-Key", idempotencyKey)
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

// publish publishes what has to be taken, and returns the cursors.
func (s *instance) publish(t testing.TB, bearer, idempotencyKey, body string) []string {
	t.Helper()
	status, text, err := s.post(within(t, time.Minute), bearer, idempotencyKey, body)
	if err != nil || status != http.StatusAccepted {
		t.Fatalf("publish: status %d %s, %v", status, text, err)
	}
	var answer struct{ Cursors []string }
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatalf("publish: %s, %v", text, err)
	}
	return answer.Cursors
}

// notification is one to user_n of org_n.
func notification(n int, title string) string {
	return fmt.Sprintf(`{"type":"notification.new","organizationId":"org_%d","payload":{"userId":"user_%d","title":%q,"message":"","priority":"high","category":"test"}}`, n, n, title)
}

func TestWhatIsPublishedReachesItsReaderOnceAlsoThroughAKill(t *testing.T) {
	h := settled(t, 2)
	s := serve(t, h.environ, nil)
	s.ready(t)
	bearer, id := s.key(t, "--organization", "org_1", "--type", "notification.new")
	c, _ := open(t, s.address, "organizationId=org_1", h.cookie(t, "user_1"), "")
	cursors := s.publish(t, bearer, "order 17", "["+notification(1, "one")+","+notification(1, "two")+"]")
	for i := range 2 {
		if _, m, err := c.next(); err != nil || m.Type != "notification.new" || m.Source != "app" || len(cursors) != 2 || m.ID != cursors[i] {
			t.Fatalf("event %d: %+v, %v, want id %v", i, m, err, cursors)
		}
	}
	if again := s.publish(t, bearer, "order 17", "["+notification(1, "one")+","+notification(1, "two")+"]"); fmt.Sprint(again) != fmt.Sprint(cursors) {
		t.Fatalf("again: %v, want %v", again, cursors)
	}
	s.kill(t)
	s.start(t)
	s.ready(t)
	if again := s.publish(t, bearer, "order 17", "["+notification(1, "one")+","+notification(1, "two")+"]"); fmt.Sprint(again) != fmt.Sprint(cursors) {
		t.Fatalf("after the kill: %v, want %v", again, cursors)
	}
	resumed, err := connect(within(t, time.Minute), s.address, "organizationId=org_1", h.cookie(t, "user_1"), cursors[1])
	if err != nil {
		t.Fatal(err)
	}
	defer resumed.Close()
	last := s.publish(t, bearer, "", notification(1, "three"))
	if m := resumed.await(t, "notification.new"); m.ID != last[0] {
		t.Fatalf("after the kill: %+v, want id %v", m, last)
	}
	if log := s.out.String(); strings.Contains(log, bearer) || strings.Contains(log, "order 17") {
		t.Error("the log shows the key, or the Idempotency-Key")
	}
	s.keys(t, "revoke", id)
	until(t, 10*time.Second, func() string {
		status, text, err := s.post(within(t, time.Minute), bearer, "", notification(1, "four"))
		if err != nil || status != http.StatusUnauthorized {
			return fmt.Sprint("a revoked key: status ", status, " ", text, err)
		}
		return ""
	})
}

// TestANewEpochKeepsWhatWasPublished: the slot is lost, and the log begun anew
// with a secret that is given, by a process that knows nothing but its disk.
func TestANewEpochKeepsWhatWasPublished(t *testing.T) {
	h := settled(t, 1)
	secret := strings.Repeat("5eal", 16) // hexadecimal digits are wanted
	s := serve(t, h.environ, map[string]string{"ORGCAST_SEAL_SECRET": secret})
	if status := s.exit(t, time.Minute); status != 1 || !strings.Contains(s.out.String(), "ORGCAST_SEAL_SECRET") {
		t.Fatalf("a secret that is none: status %d, %s", status, s.out)
	}
	s.environ["ORGCAST_SEAL_SECRET"] = strings.Repeat("5ea1", 16)
	s.start(t)
	s.ready(t)
	bearer, _ := s.key(t, "--organization", "org_1")
	spy := h.Conn(t)
	if _, err := spy.Exec(t.Context(), "SELECT pg_create_logical_replication_slot('spy_"+h.Name+"', 'test_decoding')"); err != nil {
		t.Fatal(err)
	}
	body := notification(1, "once")
	cursors := s.publish(t, bearer, "once", body)
	sealed := readSealed(t, spy, "spy_"+h.Name)
	s.terminate(t)
	s.exit(t, time.Minute)
	until(t, 20*time.Second, func() string {
		if _, active := slot(t, spy, h.Name); active {
			return "the slot is in use"
		}
		return ""
	})
	h.script(t, "SELECT pg_drop_replication_slot('orgcast_"+h.Name+"')")
	s.start(t)
	s.ready(t)
	c, _ := open(t, s.address, "organizationId=org_1", h.cookie(t, "user_1"), "")
	if again := s.publish(t, bearer, "once", body); fmt.Sprint(again) != fmt.Sprint(cursors) {
		t.Errorf("in the new epoch: %v, want %v", again, cursors)
	}
	h.Exec(t, "SELECT pg_logical_emit_message(true, 'orgcast.sealed', $1::bytea)", sealed)
	until(t, 20*time.Second, func() string {
		if s.counted(t, `messages_refused_total{reason="replayed"}`) != 1 {
			return "a copy was not refused"
		}
		return ""
	})
	last := s.publish(t, bearer, "", body)
	if m := c.await(t, "notification.new"); m.ID != last[0] || strings.Split(m.ID, ".")[0] == strings.Split(cursors[0], ".")[0] {
		t.Errorf("heard %s, want %v, and not in the epoch of %v", m.ID, last, cursors)
	}
}

// TestWhatTheDatabaseRefusesIsNotPublished, and is known not to be.
func TestWhatTheDatabaseRefusesIsNotPublished(t *testing.T) {
	h := settled(t, 1)
	s := serve(t, h.environ, nil)
	s.ready(t)
	bearer, _ := s.key(t, "--organization", "org_1")
	// PostgreSQL 17 gave it one more argument.
	var function string
	if err := h.Conn(t).QueryRow(t.Context(), `SELECT 'FUNCTION ' || oid::regprocedure FROM pg_proc
		WHERE proname = 'pg_logical_emit_message' AND proargtypes[2] = 'bytea'::regtype`).Scan(&function); err != nil {
		t.Fatal(err)
	}
	h.script(t, "REVOKE EXECUTE ON "+function+" FROM PUBLIC")
	for range 6 { // more than there are connections
		status, text, err := s.post(within(t, time.Minute), bearer, "", notification(1, "refused"))
		if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(text, "nothing was published") {
			t.Fatalf("status %d %s, %v", status, text, err)
		}
	}
	if log := s.out.String(); !strings.Contains(log, "EXECUTE on pg_logical_emit_message") {
		t.Error("the operator is not told what to do")
	}
	h.script(t, "GRANT EXECUTE ON "+function+" TO PUBLIC")
	// A connection that the database ended is not what the next call fails on.
	s.publish(t, bearer, "", notification(1, "one"))
	h.script(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'orgcast publish' AND datname = current_database()")
	c, _ := open(t, s.address, "organizationId=org_1", h.cookie(t, "user_1"), "")
	for i := range 8 {
		cursors := s.publish(t, bearer, "", notification(1, fmt.Sprint("two ", i)))
		if m := c.await(t, "notification.new"); m.ID != cursors[0] {
			t.Fatalf("heard %s, want %v", m.ID, cursors)
		}
	}
}
