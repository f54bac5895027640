package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestForWhomAnEventIs: within an organization, too, not everybody is told
// everything: live, by a replay and on a page.
func TestForWhomAnEventIs(t *testing.T) {
	h := newHouse(t)
	h.fill(t, 2)
	for user, role := range map[string]string{"owner": "ORG_OWNER", "admin": "ADMIN", "agent": "AGENT", "viewer": "VIEWER"} {
		h.user(t, user)
		h.member(t, user, "org_1")
		h.Exec(t, `UPDATE organization_members SET role = $2::"UserRole" WHERE "userId" = $1`, user, role)
	}
	h.setUp(t)
	s := serve(t, h.environ, nil)
	s.ready(t)
	t.Run("unfiltered-is-not-all-users", func(t *testing.T) { testUnfiltered(t, h, s) })
	t.Run("viewer-sees-no-invitations", func(t *testing.T) { testInvitations(t, h, s) })
	t.Run("assignee-not-member", func(t *testing.T) { testAssignee(t, h, s) })
}

// say has an application say an event by SQL.
func (h *house) say(t testing.TB, typ, organization string, payload map[string]any) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"type": typ, "organizationId": organization, "payload": payload})
	if err != nil {
		t.Fatal(err)
	}
	h.Exec(t, `SELECT pg_logical_emit_message(true, 'orgcast', $1::text)`, string(text))
}

// testUnfiltered: `all` means every channel, and never every user's events.
func testUnfiltered(t *testing.T, h *house, s *instance) {
	mine := s.listenAs(t, h, "agent", "org_1")
	theirs := s.listenAs(t, h, "owner", "org_1") // of the highest role
	elsewhere := s.listenAs(t, h, "user_2", "org_2")
	by := map[string]*connection{}
	for _, query := range []string{"channel=all", "channel=notifications", "channel=system", "channel=notifications&channel=all", "type=notification.new&type=system.alert"} {
		by[query], _ = open(t, s.address, "organizationId=org_1&"+query, h.cookie(t, "owner"), "")
	}
	from := s.position(t, "organizationId=org_1", h.cookie(t, "owner"))
	notice := func(user, title string) {
		h.say(t, "notification.new", "org_1", map[string]any{"userId": user, "title": title, "message": "", "priority": "high", "category": "test"})
	}
	alert := func(message string, users ...string) {
		h.say(t, "system.alert", "org_1", map[string]any{"alertType": "info", "message": message, "affectedUsers": users})
	}
	notice("agent", "canary for the agent")
	alert("canary for two", "agent", "viewer")
	alert("canary for him", "agent")
	// An id that begins like another's is another.
	notice("admin", "canary for an admin")
	alert("canary of a longer name", "owner2", "own", "owner ")
	notice("owner", "for the owner")
	alert("also for the owner", "agent", "owner")
	h.say(t, "system.alert", "org_1", map[string]any{"alertType": "info", "message": "for everybody"})

	told := s.hear(t, h, mine, theirs, elsewhere)
	if lines(told[0], "notification.new") != 1 || lines(told[0], "system.alert") != 4 || lines(told[0], "canary") != 3 || lines(told[0], "an admin")+lines(told[0], "a longer")+lines(told[0], "for the owner") != 1 {
		t.Errorf("the agent was told\n%s", strings.Join(told[0], "\n"))
	}
	never(t, "the owner", told[1], "canary")
	if len(told[1]) != 3 || lines(told[1], "notification.new", "for the owner") != 1 {
		t.Errorf("the owner was told\n%s", strings.Join(told[1], "\n"))
	}
	never(t, "a member of another organization", told[2], "canary", "owner", "everybody")
	for query, c := range by {
		h.say(t, "system.alert", "org_1", map[string]any{"alertType": "info", "message": "the end"})
		h.say(t, "notification.new", "org_1", map[string]any{"userId": "owner", "title": "the end", "message": "", "priority": "low", "category": "test"})
		for n := 0; ; n++ {
			b, _, err := c.next()
			if err != nil {
				t.Fatal(err)
			}
			never(t, "the owner with "+query, []string{b.data}, "canary")
			if strings.Contains(b.data, "the end") {
				if n < 1 {
					t.Errorf("the owner with %s was told nothing of his own", query)
				}
				break
			}
		}
	}
	for _, query := range []string{"", "&channel=all", "&channel=notifications", "&channel=system", "&type=notification.new"} {
		text := must(t, 200, "GET", "http://"+s.address+"/api/realtime/events?organizationId=org_1&limit=1000&after="+from+query, h.cookie(t, "owner"), "")
		never(t, "the owner by a page "+query, []string{text}, "canary")
		if !strings.Contains(text, "the end") {
			t.Errorf("a page %s is %.300s", query, text)
		}
	}
}

// testInvitations: who may not see invitations and bills is told of none, as the
// database has his role at the event and, by a replay, as it is now.
func testInvitations(t *testing.T, h *house, s *instance) {
	ears := []*ear{s.listenAs(t, h, "owner", "org_1"), s.listenAs(t, h, "admin", "org_1"), s.listenAs(t, h, "agent", "org_1"), s.listenAs(t, h, "viewer", "org_1")}
	invite := func(id string) {
		h.Exec(t, `INSERT INTO invitations (id, email, role, token, "expiresAt", "organizationId", "invitedBy") VALUES ($1, $1 || '-canary@example.com', 'AGENT', $1, now(), 'org_1', 'owner')`, id)
	}
	invite("invite-1")
	h.Exec(t, `UPDATE invitations SET status = 'CANCELED' WHERE id = 'invite-1'; DELETE FROM invitations WHERE id = 'invite-1'; UPDATE organizations SET plan = 'STARTER' WHERE id = 'org_1'`)
	for i, told := range s.hear(t, h, ears...) {
		if i >= 2 {
			never(t, ears[i].user, told, "invitation", "invite-1", "canary", "billing", "STARTER")
		} else if lines(told, "invitation") != 3 || lines(told, "billing") != 1 || lines(told, "invite-1-canary") != 2 {
			t.Errorf("%s was told\n%s", ears[i].user, strings.Join(told, "\n"))
		}
	}

	// In one transaction: an invitation, the admin becomes a viewer, another one.
	admin := ears[1]
	h.script(t, `BEGIN;
		INSERT INTO invitations (id, email, role, token, "expiresAt", "organizationId", "invitedBy") VALUES ('invite-2', 'invite-2-canary', 'AGENT', 'invite-2', now(), 'org_1', 'owner');
		UPDATE organization_members SET role = 'VIEWER' WHERE "userId" = 'admin';
		INSERT INTO invitations (id, email, role, token, "expiresAt", "organizationId", "invitedBy") VALUES ('invite-3', 'invite-3-canary', 'AGENT', 'invite-3', now(), 'org_1', 'owner');
		COMMIT`)
	invite("invite-4")
	var last []string
	for {
		b, m, err := admin.live.next()
		if err != nil {
			t.Fatal(err)
		}
		last = append(last, b.data)
		if m.Type == "closing" {
			if m.Reason != "lease" || !*m.Reconnect {
				t.Errorf("closing %+v", m)
			}
			break
		}
	}
	never(t, "who is no admin any more", last, "invite-3", "invite-4")
	if lines(last, "invite-2-canary") != 1 {
		t.Errorf("before that he was told\n%s", strings.Join(last, "\n"))
	}
	// He comes back with his cursor of before, and with older ones.
	for _, from := range []string{admin.from, ears[0].from} {
		c, err := connect(within(t, time.Minute), s.address, admin.query, admin.cookie, from)
		if err != nil {
			t.Fatal(err)
		}
		again := &ear{user: "admin", organizations: admin.organizations, query: admin.query, cookie: admin.cookie, from: from, live: c}
		told := s.hear(t, h, again)[0]
		never(t, "a replay for who is no admin any more", told, "invite-2", "invite-3", "invite-4", "canary", "billing", "STARTER")
		if lines(told, "permissions") != 1 {
			t.Errorf("his role's change is missing in\n%s", strings.Join(told, "\n"))
		}
		c.Close()
	}
	// And is one again: from there on he sees.
	h.Exec(t, `UPDATE organization_members SET role = 'ADMIN' WHERE "userId" = 'admin'`)
	s.position(t, "organizationId=org_1", admin.cookie) // the feed has passed it
	e := s.listenAs(t, h, "admin", "org_1")
	invite("invite-5")
	if told := s.hear(t, h, e)[0]; lines(told, "invite-5-canary") != 1 {
		t.Errorf("an admin was told\n%s", strings.Join(told, "\n"))
	}
}

// testAssignee: a task that is assigned to somebody who is not in its
// organization is a notification for nobody.
func testAssignee(t *testing.T, h *house, s *instance) {
	h.user(t, "late")
	h.user(t, "left")
	h.member(t, "left", "org_1")
	ears := []*ear{s.listenAs(t, h, "owner", "org_1"), s.listenAs(t, h, "user_2", "org_2"), s.listenAs(t, h, "agent", "org_1")}
	const reason = `reason="not_a_member"`
	before := s.metric(t, "orgcast_rows_withheld_total", `table="public.tasks"`, reason)
	task := func(id, user string) string {
		return fmt.Sprintf(`INSERT INTO tasks (id, title, "organizationId", "createdBy", "assignedTo") VALUES ('%s', 'canary-%[1]s', 'org_1', 'owner', '%s');`, id, user)
	}
	h.script(t, task("t1", "user_2"))                                                                                // a member of another organization
	h.script(t, `UPDATE tasks SET "assignedTo" = NULL WHERE id = 't1'`)                                              // …
	h.script(t, `UPDATE tasks SET "assignedTo" = 'user_2' WHERE id = 't1'`)                                          // … again, by an update
	h.script(t, `BEGIN; `+`DELETE FROM organization_members WHERE "userId" = 'left'; `+task("t2", "left")+` COMMIT`) // who left a moment before
	h.script(t, task("t3", "late"))                                                                                  // who comes only after
	h.member(t, "late", "org_1")
	h.script(t, `BEGIN; `+task("t4", "late")+` DELETE FROM organization_members WHERE "userId" = 'late'; COMMIT`) // who leaves a moment after: a member at its place
	h.script(t, task("t5", "agent"))
	told := s.hear(t, h, ears...)
	if got := s.metric(t, "orgcast_rows_withheld_total", `table="public.tasks"`, reason) - before; got != 4 {
		t.Errorf("%v notifications withheld as not_a_member, want 4", got)
	}
	for i, e := range ears[:2] {
		never(t, e.user, told[i], "notification.new")
	}
	never(t, "another organization", told[1], "canary", "t1")
	if lines(told[2], "notification.new") != 1 || lines(told[2], "notification.new", "canary-t5") != 1 {
		t.Errorf("the assignee was told\n%s", strings.Join(told[2], "\n"))
	}
	// The row itself is told to its organization.
	if got := lines(told[0], `"entityType":"task"`, `"create"`); got != 5 {
		t.Errorf("%d tasks of 5 were told", got)
	}
	// Who comes back later gets none of what was not his then.
	h.member(t, "late", "org_1")
	h.member(t, "user_2", "org_1")
	for _, user := range []string{"late", "user_2"} {
		text := must(t, 200, "GET", "http://"+s.address+"/api/realtime/events?organizationId=org_1&limit=1000&after="+ears[0].from, h.cookie(t, user), "")
		never(t, user+", who came later", []string{text}, "notification.new", "canary-t")
	}
}
