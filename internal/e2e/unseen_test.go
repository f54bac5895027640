package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestWhatTheWALDoesNotTell: rows that are changed while the slot is told nothing
// of them, and all looks as before afterwards. Nobody may be let in, or told of a
// row, by what was true before.
func TestWhatTheWALDoesNotTell(t *testing.T) {
	h := settled(t, 3)
	s := serve(t, h.environ, nil)
	s.ready(t)
	for user, sql := range map[string]string{
		"user_2": `ALTER PUBLICATION orgcast SET (publish = 'insert, update'); %s; ALTER PUBLICATION orgcast SET (publish = 'insert, update, delete, truncate')`,
		"user_3": `ALTER TABLE organization_members RENAME TO members_away; %s; ALTER TABLE members_away RENAME TO organization_members`,
	} {
		t.Run("a removal, "+user, func(t *testing.T) {
			table := "organization_members"
			if user == "user_3" {
				table = "members_away"
			}
			organization := strings.Replace(user, "user", "org", 1)
			if got := s.status(t, h.cookie(t, user), organization); got != http.StatusOK {
				t.Fatalf("before: %d", got)
			}
			for _, statement := range strings.Split(fmt.Sprintf(sql, `DELETE FROM `+table+` WHERE "userId" = '`+user+`'`), "; ") {
				h.script(t, statement)
			}
			until(t, time.Minute, func() string {
				if got := s.status(t, h.cookie(t, user), organization); got != http.StatusForbidden {
					return fmt.Sprint("who was removed is answered ", got)
				}
				return ""
			})
			s.ready(t)
		})
	}
	for _, c := range []struct{ name, property, sql string }{
		{"a parent under another name", "property_1", `BEGIN; ALTER TABLE properties RENAME TO p_away; UPDATE p_away SET "organizationId" = 'org_2' WHERE id = 'property_1'; ALTER TABLE p_away RENAME TO properties; COMMIT`},
		{"a parent rewritten in place", "property_9", `INSERT INTO properties (id, price, "organizationId", "createdBy", "propertyType", status, "transactionType") VALUES ('property_9', 1, 'org_1', 'user_1', 'HOUSE', 'AVAILABLE', 'SALE');
			ALTER TABLE properties ALTER COLUMN "organizationId" TYPE text USING CASE WHEN id = 'property_9' THEN 'org_2' ELSE "organizationId" END`},
	} {
		t.Run(c.name, func(t *testing.T) {
			stream, err := connect(within(t, 2*time.Minute), s.address, "organizationId=org_1", h.cookie(t, "user_1"), "")
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			stream.await(t, "ready")
			h.script(t, c.sql)
			note := func(id string) {
				h.Exec(t, `INSERT INTO notes (id, content, "propertyId", "createdBy") VALUES ($1, 'of-org-2', $2, 'user_2')`, id, c.property)
			}
			if c.property == "property_1" {
				note("note_" + c.property + "_at_once") // the row itself tells of the renaming
			}
			reset, noted := false, false
			for {
				b, m, err := stream.next()
				switch {
				case err != nil:
					t.Fatal(err)
				case strings.Contains(b.data, "of-org-2"):
					t.Fatalf("org_1 is told of org_2's note: %s", b.data)
				case m.Type == "reset" && m.Reason == "epoch":
					reset = true
				}
				if reset && !noted {
					noted = true
					note("note_" + c.property)
					h.Exec(t, `UPDATE clients SET name = name || '.' WHERE id = 'client_1'`)
				}
				if noted && m.Payload.EntityType == "client" {
					return
				}
			}
		})
	}
}

// TestAPartitionThatIsTakenAwayTakesItsMembersAlong: the WAL tells of no row of it.
func TestAPartitionThatIsTakenAwayTakesItsMembersAlong(t *testing.T) {
	h := newHouse(t)
	h.fill(t, 2)
	h.script(t, `ALTER TABLE organization_members RENAME TO members_before;
		CREATE TABLE organization_members (id text, "userId" text NOT NULL, "organizationId" text NOT NULL, role "UserRole" NOT NULL DEFAULT 'AGENT', joined_at timestamp(3), PRIMARY KEY (id, "organizationId")) PARTITION BY LIST ("organizationId");
		CREATE TABLE members_1 PARTITION OF organization_members FOR VALUES IN ('org_1');
		CREATE TABLE members_2 PARTITION OF organization_members FOR VALUES IN ('org_2');
		INSERT INTO organization_members (id, "userId", "organizationId") SELECT id, "userId", "organizationId" FROM members_before;
		DROP TABLE members_before`)
	h.setUp(t)
	s := serve(t, h.environ, nil)
	s.ready(t)
	stays, goes := s.listenAs(t, h, "user_1", "org_1"), s.listenAs(t, h, "user_2", "org_2")
	for _, c := range []struct {
		sql  string
		want int
	}{
		{`ALTER TABLE organization_members DETACH PARTITION members_2`, http.StatusForbidden},
		{`ALTER TABLE organization_members ATTACH PARTITION members_2 FOR VALUES IN ('org_2')`, http.StatusOK},
	} {
		h.script(t, c.sql)
		until(t, time.Minute, func() string {
			if got := s.status(t, h.cookie(t, "user_2"), "org_2"); got != c.want {
				return fmt.Sprintf("after %s he is answered %d", c.sql, got)
			}
			return ""
		})
		if c.want == http.StatusForbidden {
			if _, m := goes.live.ends(t); m.Reason != "membership_revoked" && m.Reason != "lease" {
				t.Errorf("closing %+v", m)
			}
		}
	}
	if m := stays.live.await(t, "reset"); m.Reason != "epoch" {
		t.Errorf("who stays is told reset %s", m.Reason)
	}
}
