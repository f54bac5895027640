package route

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
)

// Short for the tables below.
var (
	insert   = pgoutputtest.Insert
	update   = pgoutputtest.Update // new before old, as it is sent
	remove   = pgoutputtest.Delete
	truncate = pgoutputtest.Truncate
)

type (
	row  = pgoutputtest.Row
	rows = [][]byte
)

func actor(content string) []byte { return pgoutputtest.Message(true, 1, ActorPrefix, content) }

// home is what the tables below begin with: p1, c1 and l1 are a's, p2 is b's.
func home(w *world) {
	w.commit(
		insert(properties, row{"p1", "a", "1.00", "one", "u1", "s"}), insert(properties, row{"p2", "b", "2.00", "two", "u2", "s"}),
		insert(clients, row{"c1", "a"}), insert(listings, row{"l1", "p1", "9.00"}),
	)
}

func TestOneTransaction(t *testing.T) {
	const unchanged = pgoutputtest.Unchanged
	long := strings.Repeat("x", MaxFrame)
	p1 := row{"p1", "a", "1.00", "one", "u1", "s"}
	for _, test := range []struct {
		name string
		rows rows
		want []string
	}{
		// Rows of their own organization.
		{"insert a property", rows{insert(properties, row{"p3", "a", "425000.50", nil, "u1", "s"})}, []string{
			`0.0 a property.update {"propertyId":"p3","organizationId":"a","operation":"create","changes":{"price":{"new":"425000.5"},"about":{"new":null}},"updatedBy":"u1"}`}},
		{"update a property", rows{update(properties, row{"p1", "a", "1.50", "one", "u9", "t"}, p1)}, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"update","updatedFields":["price"],"changes":{"price":{"new":"1.5","old":"1"}},"updatedBy":null}`}},
		{"update columns that may not leave", rows{update(properties, row{"p1", "a", "1.00", "one", "u9", "t"}, p1)}, nil},
		{"update nothing", rows{update(properties, p1, p1)}, nil},
		{"a TOAST value that was not touched", rows{update(properties, row{"p1", "a", "3", unchanged, "u1", "s"}, p1)}, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"update","updatedFields":["price"],"changes":{"price":{"new":"3","old":"1"}},"updatedBy":null}`}},
		{"delete a property", rows{remove(properties, p1)}, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`}},
		{"insert a note by its property", rows{insert(notes, row{"n1", "p1", nil, "hi\n<b>"})}, []string{
			`0.0 a data.sync {"entityType":"note","entityId":"n1","operation":"create","data":{"id":"n1","content":"hi\n\u003cb>","propertyId":"p1","clientId":null}}`}},
		{"insert a note by both", rows{insert(notes, row{"n1", "p1", "c1", "hi"})}, []string{
			`0.0 a data.sync {"entityType":"note","entityId":"n1","operation":"create","data":{"id":"n1","content":"hi","propertyId":"p1","clientId":"c1"}}`}},
		{"update a note", rows{update(notes, row{"n1", "p2", nil, "new"}, row{"n1", "p2", nil, "old"})}, []string{
			`0.0 b data.sync {"entityType":"note","entityId":"n1","operation":"update","data":{"id":"n1","content":"new","propertyId":"p2","clientId":null}}`}},
		{"delete a note", rows{remove(notes, row{"n1", nil, "c1", "old"})}, []string{
			`0.0 a data.sync {"entityType":"note","entityId":"n1","operation":"delete","data":null}`}},
		{"for some roles only", rows{insert(listings, row{"l2", "p1", "9.00"})}, []string{
			`0.0 a property.update {"propertyId":"l2","organizationId":"a","operation":"create","changes":{"price":{"new":"9"}},"updatedBy":null} for OWNER,ADMIN`}},
		{"a parent of a parent", rows{insert(photos, row{"f1", "l1", "http://x"})}, []string{
			`0.0 a data.sync {"entityType":"photo","entityId":"f1","operation":"create","data":{"url":"http://x"}}`}},
		{"another primary key", rows{update(properties, row{"p9", "a", "1.00", "one", "u1", "s"}, p1)}, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`,
			`0.1 a property.update {"propertyId":"p9","organizationId":"a","operation":"create","changes":{"price":{"new":"1"},"about":{"new":"one"}},"updatedBy":"u1"}`}},
		{"not mapped, or told by nobody", rows{insert(unmapped, row{"u", "pw"}), insert(clients, row{"c2", "a"})}, nil},

		// Moves.
		{"a property moves", rows{update(properties, row{"p1", "b", "5", "secret of b", "u1", "s"}, p1)}, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`,
			`0.1 b property.update {"propertyId":"p1","organizationId":"b","operation":"create","changes":{"price":{"new":"5"},"about":{"new":"secret of b"}},"updatedBy":"u1"}`,
			`0.2 a reset moved`, `0.3 b reset moved`}},
		{"a note moves", rows{update(notes, row{"n1", "p2", nil, "of b"}, row{"n1", "p1", nil, "of a"})}, []string{
			`0.0 a data.sync {"entityType":"note","entityId":"n1","operation":"delete","data":null}`,
			`0.1 b data.sync {"entityType":"note","entityId":"n1","operation":"create","data":{"id":"n1","content":"of b","propertyId":"p2","clientId":null}}`}},
		{"a parent that is not sent moves", rows{update(clients, row{"c1", "b"}, row{"c1", "a"})}, []string{`0.2 a reset moved`, `0.3 b reset moved`}},

		// Whose it is can't be told.
		{"no path", rows{insert(notes, row{"n1", nil, nil, "x"})}, []string{"withheld notes tenant_null"}},
		{"an empty organization", rows{insert(properties, row{"p3", "", "1", "x", "u1", "s"})}, []string{"withheld properties tenant_null"}},
		{"paths that disagree", rows{insert(notes, row{"n1", "p2", "c1", "x"})}, []string{"withheld notes tenants_disagree"}},
		{"an unknown parent beside a known one", rows{insert(notes, row{"n1", "p9", "c1", "x"})}, []string{"withheld notes tenant_unknown"}},
		{"to a path that disagrees", rows{update(notes, row{"n1", "p2", "c1", "x"}, row{"n1", nil, "c1", "x"})}, []string{"withheld notes tenants_disagree"}},
		{"an organization that means all", rows{insert(properties, row{"p3", "*", "1", "x", "u1", "s"}), insert(notes, row{"n1", "p3", nil, "x"})},
			[]string{"withheld properties tenant_reserved", "withheld notes tenant_unknown"}},
		{"too long an organization", rows{insert(properties, row{"p3", strings.Repeat("o", 256), "1", "x", "u1", "s"})}, []string{"withheld properties tenant_too_long"}},
		{"too long a key", rows{insert(properties, row{strings.Repeat("k", maxKey+1), "a", "1", "x", "u1", "s"})}, []string{"withheld properties no_key"}},
		{"no key", rows{insert(properties, row{nil, "a", "1", "x", "u1", "s"})}, []string{"withheld properties no_key"}},
		{"no old row", rows{update(notes, row{"n1", "p1", nil, "x"}, nil)}, []string{"withheld notes no_old_row"}},

		// Parents and children in one transaction.
		{"a cascade: the parent goes first", rows{remove(properties, p1), remove(listings, row{"l1", "p1", "9.00"}), remove(photos, row{"f1", "l1", "u"}), remove(notes, row{"n1", "p1", nil, "x"})}, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`,
			`1.0 a property.update {"propertyId":"l1","organizationId":"a","operation":"delete","updatedBy":null} for OWNER,ADMIN`,
			`2.0 a data.sync {"entityType":"photo","entityId":"f1","operation":"delete","data":null}`,
			`3.0 a data.sync {"entityType":"note","entityId":"n1","operation":"delete","data":null}`}},
		{"a child before its parent", rows{insert(notes, row{"n1", "p3", nil, "x"}), insert(properties, row{"p3", "b", "1", "x", "u1", "s"})}, []string{
			`0.0 b data.sync {"entityType":"note","entityId":"n1","operation":"create","data":{"id":"n1","content":"x","propertyId":"p3","clientId":null}}`,
			`1.0 b property.update {"propertyId":"p3","organizationId":"b","operation":"create","changes":{"price":{"new":"1"},"about":{"new":"x"}},"updatedBy":"u1"}`}},
		{"a child before its parent, which comes as another's first", rows{insert(notes, row{"n1", "p3", nil, "x"}),
			insert(properties, row{"p3", "b", "1", "x", "u1", "s"}), update(properties, row{"p3", "a", "2", "y", "u1", "s"}, row{"p3", "b", "1", "x", "u1", "s"})}, []string{
			`1.0 b property.update {"propertyId":"p3","organizationId":"b","operation":"create","changes":{"price":{"new":"1"},"about":{"new":"x"}},"updatedBy":"u1"}`,
			`2.0 b property.update {"propertyId":"p3","organizationId":"b","operation":"delete","updatedBy":null}`,
			`2.1 a property.update {"propertyId":"p3","organizationId":"a","operation":"create","changes":{"price":{"new":"2"},"about":{"new":"y"}},"updatedBy":"u1"}`,
			`2.2 b reset moved`, `2.3 a reset moved`, "withheld notes parent_moved"}},
		{"its parent is emptied away and comes again as another's", rows{insert(notes, row{"n1", nil, "c3", "x"}), insert(clients, row{"c3", "b"}),
			truncate(clients, notes), insert(notes, row{"n1", nil, "c3", "y"}), insert(clients, row{"c3", "a"})}, []string{
			`2.0 * data.sync {"entityType":"note","entityId":"*","operation":"delete","data":null}`,
			`2.1 * reset moved`, "4.7 * reset moved", "withheld notes parent_moved", "withheld notes parent_moved"}},
		{"the parent moves after its child", rows{update(notes, row{"n1", nil, "c1", "y"}, row{"n1", nil, "c1", "x"}), update(clients, row{"c1", "b"}, row{"c1", "a"})}, []string{
			`0.0 a data.sync {"entityType":"note","entityId":"n1","operation":"delete","data":null}`,
			`1.2 a reset moved`, `1.3 b reset moved`, "withheld notes parent_moved"}},
		{"the parent moves before its child: old values are of another", rows{update(properties, row{"p1", "b", "1.00", "one", "u1", "s"}, p1), update(listings, row{"l1", "p1", "8"}, row{"l1", "p1", "9"})}, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`,
			`0.1 b property.update {"propertyId":"p1","organizationId":"b","operation":"create","changes":{"price":{"new":"1"},"about":{"new":"one"}},"updatedBy":"u1"}`,
			`0.2 a reset moved`, `0.3 b reset moved`,
			`1.1 b property.update {"propertyId":"l1","organizationId":"b","operation":"create","changes":{"price":{"new":"8"}},"updatedBy":null} for OWNER,ADMIN`,
			`1.3 b reset moved`, "withheld listings parent_moved"}},
		{"the parent of the parent moves before a row", rows{update(properties, row{"p1", "b", "1.00", "one", "u1", "s"}, p1), remove(photos, row{"f1", "l1", "u"})}, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`,
			`0.1 b property.update {"propertyId":"p1","organizationId":"b","operation":"create","changes":{"price":{"new":"1"},"about":{"new":"one"}},"updatedBy":"u1"}`,
			`0.2 a reset moved`, `0.3 b reset moved`, "withheld photos parent_moved"}},
		{"there and back: what was written meanwhile is not told as old", rows{
			update(properties, row{"p1", "b", "1.00", "one", "u1", "s"}, p1), update(listings, row{"l1", "p1", "7"}, row{"l1", "p1", "9"}),
			update(properties, p1, row{"p1", "b", "1.00", "one", "u1", "s"}), update(listings, row{"l1", "p1", "8"}, row{"l1", "p1", "7"})}, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`,
			`0.1 b property.update {"propertyId":"p1","organizationId":"b","operation":"create","changes":{"price":{"new":"1"},"about":{"new":"one"}},"updatedBy":"u1"}`,
			`0.2 a reset moved`, `0.3 b reset moved`,
			`2.0 b property.update {"propertyId":"p1","organizationId":"b","operation":"delete","updatedBy":null}`,
			`2.1 a property.update {"propertyId":"p1","organizationId":"a","operation":"create","changes":{"price":{"new":"1"},"about":{"new":"one"}},"updatedBy":"u1"}`,
			`2.2 b reset moved`, `2.3 a reset moved`,
			`3.0 a property.update {"propertyId":"l1","organizationId":"a","operation":"create","changes":{"price":{"new":"8"}},"updatedBy":null} for OWNER,ADMIN`,
			"withheld listings parent_moved"}},
		{"a key comes again for another, after the cascade", rows{
			remove(clients, row{"c1", "a"}), remove(notes, row{"n1", nil, "c1", "of a"}), insert(clients, row{"c1", "b"}), insert(notes, row{"n2", nil, "c1", "of b"})}, []string{
			`1.0 a data.sync {"entityType":"note","entityId":"n1","operation":"delete","data":null}`,
			`2.4 a reset moved`, `2.5 b reset moved`,
			`3.0 b data.sync {"entityType":"note","entityId":"n2","operation":"create","data":{"id":"n2","content":"of b","propertyId":null,"clientId":"c1"}}`}},
		{"a key comes again for another, before the old child goes", rows{
			remove(clients, row{"c1", "a"}), insert(clients, row{"c1", "b"}), remove(notes, row{"n1", nil, "c1", "of a"})}, []string{
			`1.4 a reset moved`, `1.5 b reset moved`, "withheld notes parent_moved"}},
		{"a key that was nobody's comes again: whose children's it is must look", rows{
			update(clients, row{"c1", nil}, row{"c1", "a"}), remove(clients, row{"c1", nil}), insert(clients, row{"c1", "b"})}, []string{
			`0.2 a reset moved`, `2.5 b reset moved`, "withheld clients tenant_null"}},
		{"a row that was nobody's is new to whose it becomes", rows{update(notes, row{"n2", nil, "c1", "y"}, row{"n2", nil, nil, "x"})}, []string{
			`0.1 a data.sync {"entityType":"note","entityId":"n2","operation":"create","data":{"id":"n2","content":"y","propertyId":null,"clientId":"c1"}}`}},
		{"a row that becomes nobody's is gone to whose it was", rows{update(notes, row{"n1", nil, nil, "x"}, row{"n1", nil, "c1", "x"})}, []string{
			`0.0 a data.sync {"entityType":"note","entityId":"n1","operation":"delete","data":null}`}},
		{"a row that is made after its parent's move, and goes", rows{
			update(clients, row{"c1", "b"}, row{"c1", "a"}), insert(notes, row{"n1", nil, "c1", "of b"}), remove(notes, row{"n1", nil, "c1", "of b"})}, []string{
			`0.2 a reset moved`, `0.3 b reset moved`,
			`1.0 b data.sync {"entityType":"note","entityId":"n1","operation":"create","data":{"id":"n1","content":"of b","propertyId":null,"clientId":"c1"}}`,
			`2.0 b data.sync {"entityType":"note","entityId":"n1","operation":"delete","data":null}`}},
		{"a parent that becomes nobody's", rows{update(clients, row{"c1", nil}, row{"c1", "a"})}, []string{`0.2 a reset moved`}},
		{"a parent that is gone at the commit", rows{remove(clients, row{"c1", "a"}), update(notes, row{"n1", nil, "c1", "y"}, row{"n1", nil, "c1", "x"})}, []string{"withheld notes tenant_unknown"}},
		{"a child whose path is cut by the cascade", rows{remove(clients, row{"c1", "a"}), update(notes, row{"n1", "p1", nil, "x"}, row{"n1", "p1", "c1", "x"})}, []string{
			`1.0 a data.sync {"entityType":"note","entityId":"n1","operation":"update","data":{"id":"n1","content":"x","propertyId":"p1","clientId":null}}`}},
		{"a part that is told while its property is gone is taken back", rows{
			remove(properties, p1), update(rooms, row{"r1", "p1", "y"}, row{"r1", "p1", "x"}), remove(rooms, row{"r1", "p1", "y"}), insert(properties, p1)}, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`,
			`1.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"update","updatedFields":["rooms.label"],"changes":{"rooms.r1":{"label":{"new":"y","old":"x"}}},"updatedBy":null}`,
			`2.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"update","updatedFields":["rooms"],"changes":{"rooms.r1":{"new":null}},"updatedBy":null}`,
			`3.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"create","changes":{"price":{"new":"1"},"about":{"new":"one"}},"updatedBy":"u1"}`}},
		{"another key of a parent, with its children", rows{
			update(clients, row{"c7", "a"}, row{"c1", "a"}), update(notes, row{"n1", nil, "c7", "x"}, row{"n1", nil, "c1", "x"})}, []string{
			`1.0 a data.sync {"entityType":"note","entityId":"n1","operation":"update","data":{"id":"n1","content":"x","propertyId":null,"clientId":"c7"}}`}},
		{"truncated, then another's: the old child was not its", rows{
			truncate(clients), insert(clients, row{"c1", "b"}), remove(notes, row{"n1", nil, "c1", "x"})}, []string{
			"2.7 * reset moved", "withheld notes parent_moved"}},
		{"truncated, then a row of nobody's is given a parent that comes later", rows{insert(notes, row{"n2", "p1", nil, "x"}),
			truncate(clients), update(notes, row{"n5", nil, "c9", "y"}, row{"n5", nil, nil, "y"}), insert(clients, row{"c9", "a"})}, []string{
			`0.0 a data.sync {"entityType":"note","entityId":"n2","operation":"create","data":{"id":"n2","content":"x","propertyId":"p1","clientId":null}}`,
			"3.7 * reset moved", "withheld notes tenant_null"}},
		{"a key comes again with a parent that comes later, and once more with another's", rows{remove(listings, row{"l1", "p1", "1"}),
			insert(listings, row{"l1", "p9", "1"}), remove(listings, row{"l1", "p9", "1"}), insert(listings, row{"l1", "p2", "1"}),
			insert(properties, row{"p9", "a", "1", "x", "u1", "s"})}, []string{
			`0.0 a property.update {"propertyId":"l1","organizationId":"a","operation":"delete","updatedBy":null} for OWNER,ADMIN`,
			`1.0 a property.update {"propertyId":"l1","organizationId":"a","operation":"create","changes":{"price":{"new":"1"}},"updatedBy":null} for OWNER,ADMIN`,
			`2.0 a property.update {"propertyId":"l1","organizationId":"a","operation":"delete","updatedBy":null} for OWNER,ADMIN`,
			`3.0 b property.update {"propertyId":"l1","organizationId":"b","operation":"create","changes":{"price":{"new":"1"}},"updatedBy":null} for OWNER,ADMIN`,
			"3.4 a reset moved", "3.5 b reset moved",
			`4.0 a property.update {"propertyId":"p9","organizationId":"a","operation":"create","changes":{"price":{"new":"1"},"about":{"new":"x"}},"updatedBy":"u1"}`}},

		// Size.
		{"too large a create", rows{insert(properties, row{"p3", "a", "1", long, "u1", "s"})}, []string{
			`0.0 a property.update {"propertyId":"p3","organizationId":"a","operation":"create","updatedBy":"u1"},"truncated":true`}},
		{"too large an update", rows{update(properties, row{"p1", "a", "1.00", long, "u1", "s"}, p1)}, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"update","updatedFields":["about"],"updatedBy":null},"truncated":true`}},
		{"too large a note", rows{insert(notes, row{"n1", "p1", nil, long})}, []string{
			`0.0 a data.sync {"entityType":"note","entityId":"n1","operation":"create","data":{"id":"n1"}},"truncated":true`}},
		{"too long a maker", rows{insert(properties, row{"p3", "a", "1", "x", strings.Repeat("u", maxKey+1), "s"})}, []string{
			`0.0 a property.update {"propertyId":"p3","organizationId":"a","operation":"create","changes":{"price":{"new":"1"},"about":{"new":"x"}},"updatedBy":null}`}},

		// Truncates.
		{"truncate one", rows{truncate(notes)}, []string{`0.0 * data.sync {"entityType":"note","entityId":"*","operation":"delete","data":null}`}},
		{"truncate with children", rows{truncate(properties, listings, unmapped, clients, orgs), insert(notes, row{"n1", "p1", nil, "x"})}, []string{
			`0.0 * data.sync {"entityType":"property","entityId":"*","operation":"delete","data":null}`,
			`0.1 * data.sync {"entityType":"property","entityId":"*","operation":"delete","data":null} for OWNER,ADMIN`,
			"withheld notes tenant_unknown"}},
		{"truncate the memberships", rows{truncate(memberRows)}, []string{"member everybody"}},

		// Memberships.
		{"a member joins", rows{insert(memberRows, row{"m1", "u5", "a", "AGENT"})}, []string{
			`0.0 a member.join {"memberId":"m1","userId":"u5","organizationId":"a","role":"AGENT","invitedBy":null}`,
			"member +m1 u5@a AGENT since 0/1200"}},
		{"a member leaves", rows{remove(memberRows, row{"m1", "u1", "a", "AGENT"})}, []string{
			`0.0 a member.leave {"memberId":"m1","userId":"u1","organizationId":"a"}`, "member -m1 u1@a AGENT"}},
		{"a member's role", rows{update(memberRows, row{"m1", "u1", "a", "ADMIN"}, row{"m1", "u1", "a", "AGENT"})}, []string{
			`0.0 a organization.change {"organizationId":"a","changeType":"permissions","changes":{"memberId":"m1","userId":"u1","role":"ADMIN"},"updatedBy":null}`,
			"member -m1 u1@a AGENT +m1 u1@a ADMIN since 0/77"}},
		{"another user in a member's row", rows{update(memberRows, row{"m1", "u2", "a", "AGENT"}, row{"m1", "u1", "a", "AGENT"})}, []string{
			`0.0 a member.leave {"memberId":"m1","userId":"u1","organizationId":"a"}`,
			`0.1 a member.join {"memberId":"m1","userId":"u2","organizationId":"a","role":"AGENT","invitedBy":null}`,
			"member -m1 u1@a AGENT +m1 u2@a AGENT since 0/1200"}},
		{"a member moves", rows{update(memberRows, row{"m1", "u1", "b", "AGENT"}, row{"m1", "u1", "a", "AGENT"})}, []string{
			`0.0 a member.leave {"memberId":"m1","userId":"u1","organizationId":"a"}`,
			`0.1 b member.join {"memberId":"m1","userId":"u1","organizationId":"b","role":"AGENT","invitedBy":null}`,
			"member -m1 u1@a AGENT +m1 u1@b AGENT since 0/1200"}},
		{"another key of a member's row", rows{update(memberRows, row{"m9", "u1", "a", "AGENT"}, row{"m1", "u1", "a", "AGENT"})}, []string{
			"member -m1 u1@a AGENT +m9 u1@a AGENT since 0/77"}},
		{"nothing of a member", rows{update(memberRows, row{"m1", "u1", "a", "AGENT"}, row{"m1", "u1", "a", "AGENT"})}, nil},
		{"a member's organization is cut", rows{update(memberRows, row{"m1", "u1", nil, "AGENT"}, row{"m1", "u1", "a", "AGENT"})}, []string{
			`0.0 a member.leave {"memberId":"m1","userId":"u1","organizationId":"a"}`, "withheld organization_members tenant_null", "member -m1 u1@a AGENT"}},
		{"a member of all", rows{insert(memberRows, row{"m1", "u1", "*", "AGENT"})}, []string{"withheld organization_members tenant_reserved"}},
		{"a membership changes unseen", rows{update(memberRows, row{"m1", "u1", "b", "AGENT"}, nil)}, []string{"withheld organization_members no_old_row", "member everybody"}},

		// Who did it.
		{"the actor, and the last one wins", rows{actor(`{"userId":"u9"}`), actor(`{"userId":"u1"}`), remove(properties, p1)}, []string{
			`2.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":"u1"}`}},
		{"an actor who is no member there", rows{actor(`{"userId":"u1"}`), insert(properties, row{"p3", "b", "1", "x", "u2", "s"})}, []string{
			`1.0 b property.update {"propertyId":"p3","organizationId":"b","operation":"create","changes":{"price":{"new":"1"},"about":{"new":"x"}},"updatedBy":null}`}},
		{"an actor of the changes before him", rows{remove(properties, p1), actor(`{"userId":"u1"}`)}, []string{
			`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`}},
		{"a malformed actor names nobody", rows{actor(`{"userId":"u1"}`), actor(`{"userId":"u1","userId":"u2"}`), remove(properties, p1)}, []string{
			`2.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`, "refused invalid: [the body names no actor: it must be {\"userId\":\"…\"}]"}},
		{"too large an actor names nobody", rows{actor(`{"userId":"u1"}`), actor(`{"userId":"u1"}` + strings.Repeat(" ", maxActor)), remove(properties, p1)}, []string{
			`2.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`, "refused invalid: [the body names no actor: it must be {\"userId\":\"…\"}]"}},
		{"another prefix names nobody", rows{pgoutputtest.Message(true, 1, "orgcast.other", `{"userId":"u1"}`), remove(properties, p1)}, []string{
			`1.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`}},
		{"the actor invites", rows{actor(`{"userId":"u1"}`), insert(memberRows, row{"m1", "u5", "a", "AGENT"})}, []string{
			`1.0 a member.join {"memberId":"m1","userId":"u5","organizationId":"a","role":"AGENT","invitedBy":"u1"}`, "member +m1 u5@a AGENT since 0/1200"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := smallWorld(t, members{"u1@a": 0x77})
			home(w)
			w.want(w.commit(test.rows...), test.want...)
		})
	}
}

func TestTheActorEndsWithItsTransaction(t *testing.T) {
	w := smallWorld(t, members{"u1@a": 1})
	home(w)
	w.commit(actor(`{"userId":"u1"}`))
	w.want(w.commit(remove(properties, row{"p1", "a", "1.00", "one", "u1", "s"})),
		`0.0 a property.update {"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`)
}

func TestADeletedParentIsForgottenAtTheCommit(t *testing.T) {
	w := smallWorld(t, nobody{})
	home(w)
	w.commit(remove(clients, row{"c1", "a"}))
	w.want(w.commit(insert(notes, row{"n1", nil, "c1", "x"})), "withheld notes tenant_unknown")
	w.commit(insert(clients, row{"c1", "b"}))
	w.want(w.commit(insert(notes, row{"n2", nil, "c1", "x"})),
		`0.0 b data.sync {"entityType":"note","entityId":"n2","operation":"create","data":{"id":"n2","content":"x","propertyId":null,"clientId":"c1"}}`)
}

func TestOrganizationsAreNamed(t *testing.T) {
	w := smallWorld(t, nobody{})
	for _, test := range []struct {
		row  []byte
		want []string
	}{
		{insert(orgs, row{"a", "Acme"}), []string{"a=Acme"}},
		{update(orgs, row{"a", "Acme 2"}, row{"a", "Acme"}), []string{"a=Acme 2"}},
		{update(orgs, row{"b", "Acme 2"}, row{"a", "Acme 2"}), []string{"-a", "b=Acme 2"}},
		{update(orgs, row{"b", nil}, row{"b", "Acme 2"}), []string{"b="}},
		{remove(orgs, row{"b", nil}), []string{"-b"}},
		{truncate(orgs), []string{"-*"}},
	} {
		out := w.commit(test.row)
		w.want(out)
		if got := states(out, orgcast.SpaceOrganizations); !slices.Equal(got, test.want) {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestMembershipsAreKept(t *testing.T) {
	m := func(since orgcast.LSN, organization, user, role string) string {
		return string((&orgcast.Member{Since: since, Organization: orgcast.OrganizationID(organization), User: orgcast.UserID(user), Role: role}).Append(nil))
	}
	byKey := *memberRows
	byKey.OID, byKey.Identity = 27, orgcast.IdentityDefault
	byKey.Columns = slices.Clone(memberRows.Columns)
	for i := range byKey.Columns {
		byKey.Columns[i].Key = i == 0
	}
	keyless := relation(37, "organization_members", text("userId"), text("organizationId"), text("role"))
	for name, test := range map[string]struct {
		row  []byte
		want []string
	}{
		"a join":               {insert(memberRows, row{"m1", "u5", "a", "AGENT"}), []string{"m1=" + m(0x1100, "a", "u5", "AGENT")}},
		"a role":               {update(memberRows, row{"m1", "u1", "a", "ADMIN"}, row{"m1", "u1", "a", "AGENT"}), []string{"m1=" + m(0x77, "a", "u1", "ADMIN")}},
		"a key":                {update(memberRows, row{"m2", "u1", "a", "AGENT"}, row{"m1", "u1", "a", "AGENT"}), []string{"-m1", "m2=" + m(0x77, "a", "u1", "AGENT")}},
		"a user":               {update(memberRows, row{"m1", "u2", "a", "AGENT"}, row{"m1", "u1", "a", "AGENT"}), []string{"m1=" + m(0x1100, "a", "u2", "AGENT")}},
		"a leave":              {remove(memberRows, row{"m1", "u1", "a", "AGENT"}), []string{"-m1"}},
		"no user any more":     {update(memberRows, row{"m1", nil, "a", "AGENT"}, row{"m1", "u1", "a", "AGENT"}), []string{"-m1"}},
		"everybody":            {truncate(memberRows), []string{"-*"}},
		"a leave, by key only": {remove(&byKey, row{"m1", "u1", "a", "AGENT"}), []string{"-m1"}},
		"an update, new only":  {update(&byKey, row{"m1", "u1", "b", "AGENT"}, nil), []string{"-m1", "m1=" + m(0x1100, "b", "u1", "AGENT")}},
		"a table without key":  {remove(keyless, row{"u1", "a", "AGENT"}), []string{"-*"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, smallRules, members{"u1@a": 0x77}, memberRows, &byKey, keyless)
			if got := states(w.commit(test.row), orgcast.SpaceMembers); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestAParentThatCantBeReadIsNoParent: a migration renames the tenant's column
// before anybody told orgcast. Children must not go by what the parent said
// before.
func TestAParentThatCantBeReadIsNoParent(t *testing.T) {
	renamed := relation(22, "clients", text("id"), text("organization_id"))
	keyless := relation(32, "clients", text("uuid"), text("organizationId"))
	note := insert(notes, row{"n1", nil, "c1", "x"})
	for name, change := range map[string][]byte{
		"its tenant is not there": update(renamed, row{"c1", "b"}, row{"c1", "a"}),
		"its key is not there":    update(keyless, row{"c1", "b"}, row{"c1", "a"}),
	} {
		for order, frames := range map[string][][]byte{"after": {change, note}, "before": {update(notes, row{"n0", nil, "c1", "y"}, row{"n0", nil, "c1", "x"}), change}} {
			t.Run(name+", "+order, func(t *testing.T) {
				w := newWorld(t, smallRules, nobody{}, clients, notes, renamed, keyless)
				w.commit(insert(clients, row{"c1", "a"}))
				if out := w.commit(frames...); len(out.Events) > 0 {
					t.Errorf("told: %s", w.lines(out))
				}
				w.want(w.commit(note), "withheld notes tenant_unknown")
			})
		}
	}
}

func TestAnUnchangedValueWithoutItsOldOneIsNamed(t *testing.T) {
	byIndex := relation(23, "notes", text("id"), text("propertyId"), text("clientId"), text("content"))
	byIndex.Identity = orgcast.IdentityIndex
	byIndex.Columns[3].Key = false
	w := newWorld(t, smallRules, nobody{}, clients, byIndex)
	w.commit(insert(clients, row{"c1", "a"}))
	// The key is sent because it changed; the content is told nowhere.
	w.want(w.commit(update(byIndex, row{"n2", nil, "c1", pgoutputtest.Unchanged}, row{"n1", nil, "c1", nil})),
		`0.0 a data.sync {"entityType":"note","entityId":"n1","operation":"delete","data":null}`,
		`0.1 a data.sync {"entityType":"note","entityId":"n2","operation":"create","data":{"id":"n2","propertyId":null,"clientId":"c1"},"unchanged":["content"]}`)
}

func TestAColumnThatTheTableNoLongerHasIsNamed(t *testing.T) {
	narrow := relation(23, "notes", text("id"), text("propertyId"), text("clientId"))
	w := newWorld(t, smallRules, nobody{}, clients, narrow)
	w.commit(insert(clients, row{"c1", "a"}))
	w.want(w.commit(insert(narrow, row{"n1", nil, "c1"})),
		`0.0 a data.sync {"entityType":"note","entityId":"n1","operation":"create","data":{"id":"n1","propertyId":null,"clientId":"c1"},"unchanged":["content"]}`)
}

func TestTruncateOfMoreTablesThanACursorHasEvents(t *testing.T) {
	rules := smallRules
	var relations []*orgcast.Relation
	for i := range 9 {
		name := fmt.Sprintf("t%d", i)
		rules += fmt.Sprintf("  %s: {event: data.sync, entity: %s, tenant: [o], columns: [x]}\n", name, name)
		relations = append(relations, relation(uint32(100+i), name, text("id"), text("o"), text("x")))
	}
	for n, resets := range map[int]int{1: 0, 7: 0, 8: 1, 9: 1} {
		w := newWorld(t, rules, nobody{}, relations...)
		out := w.commit(truncate(relations[:n]...))
		lines := w.lines(out)
		if len(lines) != min(n, 7)+resets || (resets == 1) != (lines[len(lines)-1] == "0.7 * reset moved") {
			t.Errorf("%d tables: %q", n, lines)
		}
	}
}

func TestThePresetTellsAProperty(t *testing.T) {
	rules, err := Preset("oikion")
	if err != nil {
		t.Fatal(err)
	}
	w := smallWorld(t, nobody{})
	w.router = New(rules, nobody{}, Hooks{})
	w.relations = []*orgcast.Relation{propertiesRelation}
	w.want(w.commit(insert(propertiesRelation, benchProperty)),
		`0.0 cmi2x7k0v0000l108org0acme0 property.update {"propertyId":"cmi2x7k0v0001l108h3q9b7ze","organizationId":"cmi2x7k0v0000l108org0acme0","operation":"create","changes":{`+
			`"price":{"new":"425000"},"bedrooms":{"new":3},"bathrooms":{"new":2},"size":{"new":"118.5"},"yearBuilt":{"new":1998},`+
			`"features":{"new":{"parking": true, "heating": "autonomous", "floor": 4, "tags": ["sea view", "renovated"]}},`+
			`"description":{"new":"Bright third-floor apartment, five minutes from the metro, renovated in 2021 with new wiring and windows."},`+
			`"propertyType":{"new":"APARTMENT"},"status":{"new":"AVAILABLE"},"transactionType":{"new":"SALE"},"createdBy":{"new":"cmi2x7k0v0009l108usr0anna0"},`+
			`"createdAt":{"new":"2025-11-23T07:20:00.123Z"},"updatedAt":{"new":"2025-11-23T07:21:14.500Z"}},"updatedBy":"cmi2x7k0v0009l108usr0anna0"}`)
}
