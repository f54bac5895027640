package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestWhoseARowIs: over the real thing, from SQL to the wire, nobody is told what
// is not his organization's, however a row comes to be whose it is.
func TestWhoseARowIs(t *testing.T) {
	h := newHouse(t)
	h.fill(t, 3)
	h.user(t, "guest")
	for i := 1; i <= 3; i++ {
		h.member(t, "guest", org(i)) // who may see all three, and must not be told either what is nobody's
	}
	h.Exec(t, `UPDATE organization_members SET role = 'ADMIN' WHERE "userId" <> 'guest'`) // so that they may see all that goes from one to the other
	h.setUp(t)
	s := serve(t, h.environ, nil)
	s.ready(t)
	t.Run("ambiguous-tenant-withheld", func(t *testing.T) { testAmbiguousTenant(t, h, s) })
	t.Run("parent-move-race", func(t *testing.T) { testParentMoveRace(t, h, s) })
	t.Run("move-carries-nothing", func(t *testing.T) { testMove(t, h, s) })
	t.Run("pk-squat", func(t *testing.T) { testSquat(t, h, s) })
}

// each opens an ear in each of the first n organizations.
func (s *instance) each(t testing.TB, h *house, n int) (ears []*ear) {
	t.Helper()
	for i := 1; i <= n; i++ {
		ears = append(ears, s.listenAs(t, h, fmt.Sprintf("user_%d", i), org(i)))
	}
	return ears
}

// testAmbiguousTenant: a row whose ways to an organization disagree, or lead
// nowhere, is withheld in every operation, with its reason counted.
func testAmbiguousTenant(t *testing.T, h *house, s *instance) {
	// Nothing holds a child to its parent in many an application.
	t.Cleanup(func() {
		h.Exec(t, `ALTER TABLE notes ADD CONSTRAINT "notes_propertyId_fkey" FOREIGN KEY ("propertyId") REFERENCES properties(id) ON DELETE CASCADE;
			ALTER TABLE tasks ADD CONSTRAINT "tasks_clientId_fkey" FOREIGN KEY ("clientId") REFERENCES clients(id) ON DELETE CASCADE`)
	})
	h.Exec(t, `ALTER TABLE notes DROP CONSTRAINT "notes_propertyId_fkey"; ALTER TABLE tasks DROP CONSTRAINT "tasks_clientId_fkey";
		INSERT INTO organizations (id, name) VALUES ('*', 'All of them'), ('`+strings.Repeat("long", 64)+`', 'Too long')`)
	ears := append(s.each(t, h, 3), s.listenAs(t, h, "guest", "org_1", "org_2", "org_3"))
	for _, c := range []struct {
		name, table, reason, make, change, where string
		withheld                                 int // of make, change, and the deletion
	}{
		{"two parents", "notes", "tenants_disagree",
			`INSERT INTO notes (id, content, "propertyId", "clientId", "createdBy") VALUES ('n_two', 'canary', 'property_1', 'client_2', 'user_1')`,
			`UPDATE notes SET content = 'canary again' WHERE id = 'n_two'`, `id = 'n_two'`, 3},
		{"own column and a parent", "tasks", "tenants_disagree",
			`INSERT INTO tasks (id, title, "organizationId", "propertyId", "assignedTo", "createdBy") VALUES ('t_two', 'canary', 'org_1', 'property_2', 'user_1', 'user_2')`,
			`UPDATE tasks SET title = 'canary again', "assignedTo" = 'user_2' WHERE id = 't_two'`, `id = 't_two'`, 3},
		{"two of three", "tasks", "tenants_disagree",
			`INSERT INTO tasks (id, title, "organizationId", "propertyId", "clientId", "assignedTo", "createdBy") VALUES ('t_three', 'canary', 'org_1', 'property_1', 'client_2', 'user_1', 'user_2')`,
			`UPDATE tasks SET title = 'canary again' WHERE id = 't_three'`, `id = 't_three'`, 3},
		{"two clients", "client_relationships", "tenants_disagree",
			`INSERT INTO client_relationships (id, "fromClientId", "toClientId", position, "createdBy") VALUES ('r_two', 'client_1', 'client_2', 'canary', 'user_1')`,
			`UPDATE client_relationships SET position = 'canary again' WHERE id = 'r_two'`, `id = 'r_two'`, 3},
		{"an interaction", "interactions", "tenants_disagree",
			`INSERT INTO interactions (id, summary, timestamp, "clientId", "propertyId", "createdBy", "interactionType") VALUES ('i_two', 'canary', now(), 'client_3', 'property_2', 'user_1', 'CALL')`,
			`UPDATE interactions SET summary = 'canary again' WHERE id = 'i_two'`, `id = 'i_two'`, 3},
		{"no way at all", "notes", "tenant_null",
			`INSERT INTO notes (id, content, "createdBy") VALUES ('n_none', 'canary', 'user_1')`,
			`UPDATE notes SET content = 'canary again' WHERE id = 'n_none'`, `id = 'n_none'`, 3},
		{"a parent that is not there", "notes", "tenant_unknown",
			`INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('n_lost', 'canary', 'nowhere', 'user_1')`,
			`UPDATE notes SET content = 'canary again' WHERE id = 'n_lost'`, `id = 'n_lost'`, 3},
		// A known parent must not decide alone.
		{"one of two is not there", "notes", "tenant_unknown",
			`INSERT INTO notes (id, content, "propertyId", "clientId", "createdBy") VALUES ('n_half', 'canary', 'nowhere', 'client_1', 'user_1')`,
			`UPDATE notes SET content = 'canary again' WHERE id = 'n_half'`, `id = 'n_half'`, 3},
		{"one of three is not there", "tasks", "tenant_unknown",
			`INSERT INTO tasks (id, title, "organizationId", "clientId", "assignedTo", "createdBy") VALUES ('t_half', 'canary', 'org_1', 'nowhere', 'user_1', 'user_1')`,
			`UPDATE tasks SET title = 'canary again' WHERE id = 't_half'`, `id = 't_half'`, 3},
		{"it becomes two", "notes", "tenants_disagree",
			`INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ('n_becomes', 'seen', 'property_1', 'user_1')`,
			`UPDATE notes SET content = 'canary', "clientId" = 'client_2' WHERE id = 'n_becomes'`, `id = 'n_becomes'`, 2},
		// "*" would be every organization's.
		{"everybody's", "clients", "tenant_reserved",
			`INSERT INTO clients (id, name, "organizationId", "createdBy", "clientType") VALUES ('c_star', 'canary', '*', 'user_1', 'PERSON')`,
			`UPDATE clients SET name = 'canary again' WHERE id = 'c_star'`, `id = 'c_star'`, 3},
		{"too long a name", "clients", "tenant_too_long",
			`INSERT INTO clients (id, name, "organizationId", "createdBy", "clientType") SELECT 'c_long', 'canary', id, 'user_1', 'PERSON' FROM organizations WHERE length(id) > 255`,
			`UPDATE clients SET name = 'canary again' WHERE id = 'c_long'`, `id = 'c_long'`, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			labels := []string{fmt.Sprintf("table=%q", "public."+c.table), fmt.Sprintf("reason=%q", c.reason)}
			before, all := s.metric(t, "orgcast_rows_withheld_total", labels...), s.metric(t, "orgcast_rows_withheld_total")
			h.Exec(t, c.make)
			h.Exec(t, c.change)
			h.Exec(t, `DELETE FROM `+c.table+` WHERE `+c.where)
			for i, told := range s.hear(t, h, ears...) {
				never(t, ears[i].user, told, "canary")
			}
			if got := s.metric(t, "orgcast_rows_withheld_total", labels...) - before; got != float64(c.withheld) {
				t.Errorf("%v rows withheld with reason %s, want %d", got, c.reason, c.withheld)
			}
			if got := s.metric(t, "orgcast_rows_withheld_total") - all; got != float64(c.withheld) {
				t.Errorf("%v rows withheld in all, want %d", got, c.withheld)
			}
		})
	}
}
