package e2e_test

import (
	"strings"
	"testing"
	"time"
)

// TestAMigrationThatTakesAColumnAway leaves that column out; what else there is
// goes on, and the operator is told.
func TestAMigrationThatTakesAColumnAway(t *testing.T) {
	h := settled(t, 1)
	s := serve(t, h.environ, nil)
	s.ready(t)
	c, err := connect(within(t, 2*time.Minute), s.address, "organizationId=org_1", h.cookie(t, "user_1"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.await(t, "ready")
	h.Exec(t, `ALTER TABLE clients RENAME COLUMN phone TO telephone; UPDATE clients SET name = 'else'`)
	if b, m, err := c.next(); err != nil || m.Type != "data.sync" || !strings.Contains(b.data, `"unchanged":["phone"]`) {
		t.Errorf("a row without its column: %s %v", b.data, err)
	}
	until(t, 40*time.Second, func() string {
		if !strings.Contains(s.out.String(), "public.clients has no column phone") {
			return "nothing is logged"
		}
		return s.readiness(t)
	})
	h.Exec(t, `UPDATE properties SET price = price + 1`)
	if b, m, err := c.next(); err != nil || m.Type != "property.update" {
		t.Errorf("another table's row: %s %v", b.data, err)
	}
}
