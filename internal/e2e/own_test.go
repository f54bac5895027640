package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

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
