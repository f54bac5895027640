package e2e_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// testSquat: who takes a key that was another organization's gets nothing of what
// it stood for, and who names another organization's parent learns nothing of it.
func testSquat(t *testing.T, h *house, s *instance) {
	begin := func(t *testing.T, id string) []*ear {
		h.property(t, id, "org_1", "alpha-description")
		h.Exec(t, `INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('note-`+id+`', 'alpha-content', '`+id+`', 'user_1');
			INSERT INTO listings (id, "listPrice", notes, "propertyId") VALUES ('listing-`+id+`', 1111111, 'alpha-notes', '`+id+`')`)
		return s.each(t, h, 2)
	}
	const squat = `INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType")
		VALUES ('{}', 2, 'beta', 'org_2', 'user_2', 'LAND', 'SOLD', 'SALE')`
	for _, c := range []struct {
		name, sql string
		seen      int  // lines with "beta" that the squatter is told
		refetch   bool // both are told that children may have moved with the key
	}{
		{"deleted, then taken", `BEGIN; DELETE FROM properties WHERE id = '{}'; COMMIT; ` + squat, 1, false},
		{"deleted and taken in one", `BEGIN; DELETE FROM properties WHERE id = '{}'; ` + squat + `; INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('note-{}', 'beta', '{}', 'user_2'); COMMIT`, 2, true},
		{"taken after a change in one", `BEGIN; UPDATE listings SET notes = 'alpha-more' WHERE id = 'listing-{}'; UPDATE properties SET description = 'alpha-more' WHERE id = '{}';
			DELETE FROM properties WHERE id = '{}'; ` + squat + `; COMMIT`, 1, true},
		{"taken, and given back in one", `BEGIN; DELETE FROM properties WHERE id = '{}'; ` + squat + `; DELETE FROM properties WHERE id = '{}';
			INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType") VALUES ('{}', 3, 'alpha-again', 'org_1', 'user_1', 'LAND', 'SOLD', 'SALE'); COMMIT`, 1, true},
		{"a swap of keys", `BEGIN; INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType") VALUES ('b-{}', 2, 'beta', 'org_2', 'user_2', 'LAND', 'SOLD', 'SALE');
			DELETE FROM notes WHERE "propertyId" = '{}'; DELETE FROM listings WHERE "propertyId" = '{}';
			UPDATE properties SET id = 'x-{}' WHERE id = '{}'; UPDATE properties SET id = '{}' WHERE id = 'b-{}'; UPDATE properties SET id = 'b-{}' WHERE id = 'x-{}'; COMMIT`, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := "squat-" + strings.ReplaceAll(c.name, " ", "-")
			ears := begin(t, id)
			h.script(t, strings.ReplaceAll(c.sql, "{}", id))
			told := s.hear(t, h, ears...)
			never(t, "the squatter", told[1], "alpha", "1111111", "org_1", "user_1")
			never(t, "who had the key", told[0], "beta", "org_2", "user_2")
			if got := lines(told[1], "beta"); got != c.seen {
				t.Errorf("the squatter was told of %d of his rows, want %d:\n%s", got, c.seen, strings.Join(told[1], "\n"))
			}
			for i := range told {
				if got := lines(told[i], `"reset"`, `"moved"`) > 0; got != c.refetch {
					t.Errorf("%s told to refetch: %v, want %v:\n%s", ears[i].user, got, c.refetch, strings.Join(told[i], "\n"))
				}
			}
		})
	}
	t.Run("an insert that the key refuses", func(t *testing.T) {
		ears := begin(t, "squat-refused")
		conn := h.Conn(t)
		if _, err := conn.Exec(t.Context(), strings.ReplaceAll(squat, "{}", "squat-refused")); err == nil {
			t.Fatal("two properties have one key")
		}
		for i, told := range s.hear(t, h, ears...) {
			if len(told) > 0 {
				t.Errorf("%s was told\n%s", ears[i].user, strings.Join(told, "\n"))
			}
		}
	})
	t.Run("an upsert over it is a move", func(t *testing.T) {
		ears := begin(t, "squat-upsert")
		h.script(t, strings.ReplaceAll(squat, "{}", "squat-upsert")+` ON CONFLICT (id) DO UPDATE SET "organizationId" = 'org_2', description = 'beta', price = 2, "createdBy" = 'user_2'`)
		told := s.hear(t, h, ears...)
		never(t, "the squatter", told[1], "alpha", "1111111", "org_1", "user_1")
		if lines(told[0], "delete", "squat-upsert") != 1 || lines(told[1], "create", "beta") != 1 || lines(told[1], `"moved"`) != 1 || lines(told[0], `"moved"`) != 1 {
			t.Errorf("told\n%s\nand\n%s", strings.Join(told[0], "\n"), strings.Join(told[1], "\n"))
		}
	})
	t.Run("a child that names another's parent", func(t *testing.T) {
		ears := begin(t, "squat-child")
		before := s.metric(t, "orgcast_rows_withheld_total", `reason="tenants_disagree"`)
		h.Exec(t, `
			INSERT INTO tasks (id, title, "organizationId", "propertyId", "createdBy", "assignedTo") VALUES ('spy-1', 'beta', 'org_2', 'squat-child', 'user_2', 'user_2');
			INSERT INTO notes (id, content, "propertyId", "clientId", "createdBy") VALUES ('spy-2', 'beta', 'squat-child', 'client_2', 'user_2');
			UPDATE tasks SET title = 'beta again' WHERE id = 'spy-1';
			DELETE FROM tasks WHERE id = 'spy-1'`)
		told := s.hear(t, h, ears...)
		if slices.Concat(told...) != nil {
			t.Errorf("told\n%s", strings.Join(slices.Concat(told...), "\n"))
		}
		if got := s.metric(t, "orgcast_rows_withheld_total", `reason="tenants_disagree"`) - before; got != 4 {
			t.Errorf("%v rows withheld, want 4", got)
		}
	})
	t.Run("an organization's own key", func(t *testing.T) {
		h.Exec(t, `INSERT INTO organizations (id, name) VALUES ('org_x', 'Alpha'); INSERT INTO users (id) VALUES ('of_alpha'), ('of_beta');
			INSERT INTO organization_members (id, "userId", "organizationId") VALUES ('of_alpha', 'of_alpha', 'org_x')`)
		alpha := s.listenAs(t, h, "of_alpha", "org_x")
		h.property(t, "alpha-property", "org_x", "alpha-description")
		s.hear(t, h, alpha)
		h.script(t, `DELETE FROM organizations WHERE id = 'org_x'`)
		if m := alpha.live.await(t, "closing"); m.Reason != "membership_revoked" || *m.Reconnect {
			t.Errorf("closing %+v", m)
		}
		h.Exec(t, `INSERT INTO organizations (id, name) VALUES ('org_x', 'Beta'); INSERT INTO organization_members (id, "userId", "organizationId") VALUES ('of_alpha', 'of_beta', 'org_x')`)
		// Who has the name now asks for all that there ever was under it.
		c, err := connect(within(t, time.Minute), s.address, "organizationId=org_x", h.cookie(t, "of_beta"), alpha.from)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if m := c.await(t, "reset"); m.Reason != "too_old" {
			t.Errorf("reset %s", m.Reason)
		}
		beta := &ear{user: "of_beta", organizations: []string{"org_x"}, live: c, query: "organizationId=org_x", cookie: h.cookie(t, "of_beta")}
		beta.from = c.await(t, "ready").Cursor
		if told := s.hear(t, h, beta)[0]; len(told) > 0 {
			t.Errorf("told\n%s", strings.Join(told, "\n"))
		}
	})
}
