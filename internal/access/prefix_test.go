package access

import (
	"strings"
	"testing"

	"github.com/oikion/orgcast"
)

// alike are organizations' ids each of which is nearly another one's.
var alike = []orgcast.OrganizationID{"org_1", "org_10", "org_1 ", " org_1", "org_1\x00", "org_", "ORG_1", "org_01", "org_1@", "org_1/user_1", orgcast.OrganizationID("org_1" + strings.Repeat("0", 250))}

func TestNearlyTheSameNameIsAnother(t *testing.T) {
	t.Run("key-prefix-organizations", func(t *testing.T) {
		for _, mine := range alike {
			d := NewDirectory()
			m := orgcast.Member{Row: "row", User: "user_1", Organization: mine, Role: "AGENT"}
			if err := d.Apply([]orgcast.StateChange{setMember(m), {Space: orgcast.SpaceOrganizations, Key: []byte(mine), Value: []byte("mine")}}); err != nil {
				t.Fatal(err)
			}
			l := NewLimits(LimitConfig{PerOrganization: 1, PerUser: 1})
			if _, err := l.AcquireOrganization(mine); err != nil {
				t.Fatal(err)
			}
			for _, other := range alike {
				if _, is := d.Membership("user_1", other); is != (mine == other) {
					t.Errorf("a member of %q is one of %q: %v", mine, other, is)
				}
				if got := d.Name(other); (got == "mine") != (mine == other) {
					t.Errorf("%q is called %q, as %q", other, got, mine)
				}
				if _, err := l.AcquireOrganization(other); (err != nil) != (mine == other) {
					t.Errorf("%q is full, and for %q: %v", mine, other, err)
				}
			}
			// A user's name and an organization's do not run into each other.
			for user, organization := range map[orgcast.UserID]orgcast.OrganizationID{"user_1" + "o": mine[1:], "user_": "1" + mine, "": "user_1" + mine} {
				if _, is := d.Membership(user, organization); is {
					t.Errorf("user_1 of %q is %q of %q", mine, user, organization)
				}
			}
		}
	})
}
