package route

import (
	"testing"

	"github.com/oikion/orgcast"
)

// DROP is not in the WAL. A table of members that comes with another OID is
// another table: who was in the old one is in it only if it says so.
func TestATableOfMembersThatIsMadeAnewHoldsNobodyOfTheOld(t *testing.T) {
	fresh := relation(memberRows.OID+1000, "organization_members", text("id"), text("userId"), text("organizationId"), text("role"))
	join := row{"m2", "u2", "a", "AGENT"}
	for name, known := range map[string]uint32{"by the catalog": memberRows.OID, "by the WAL": 0} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, smallRules, members{"u1@a": 1}, memberRows, fresh)
			w.router.SetMembership(known)
			if known == 0 {
				w.commit(insert(memberRows, row{"m1", "u1", "a", "AGENT"}))
			}
			out := w.commit(insert(fresh, join))
			if len(out.Members) != 2 || !out.Members[0].Everybody || out.Members[1].After == nil || out.Members[1].After.User != "u2" {
				t.Errorf("memberships changed: %v", w.lines(out))
			}
			if got := states(out, orgcast.SpaceMembers); len(got) != 2 || got[0] != "-*" {
				t.Errorf("stored: %q", got)
			}
			if w.router.present("u1", "a") || !w.router.present("u2", "a") {
				t.Error("of the old table somebody is still present")
			}
			if out = w.commit(insert(fresh, row{"m3", "u3", "a", "AGENT"})); len(out.Members) != 1 {
				t.Errorf("it was made anew once: %v", w.lines(out))
			}
		})
	}
}
