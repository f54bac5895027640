package orgcast_test

import (
	"testing"

	"github.com/oikion/orgcast"
)

func TestAnAudienceAllowsWhomAllOfItNames(t *testing.T) {
	for name, test := range map[string]struct {
		audience orgcast.Audience
		all      bool
		want     string // of the users a, b and c, whose roles are A, B and A
	}{
		"every member":       {orgcast.Audience{}, true, "abc"},
		"one user":           {orgcast.Audience{User: "a"}, false, "a"},
		"some users":         {orgcast.Audience{Users: []orgcast.UserID{"b", "c", "x"}}, false, "bc"},
		"some roles":         {orgcast.Audience{Roles: []string{"A"}}, false, "ac"},
		"users of some role": {orgcast.Audience{Users: []orgcast.UserID{"b", "c"}, Roles: []string{"A"}}, false, "c"},
		"a user of no role":  {orgcast.Audience{User: "a", Roles: []string{"B"}}, false, ""},
		"a user not among":   {orgcast.Audience{User: "a", Users: []orgcast.UserID{"b"}}, false, ""},
	} {
		got := ""
		for _, m := range []struct {
			user orgcast.UserID
			role string
		}{{"a", "A"}, {"b", "B"}, {"c", "A"}} {
			if test.audience.Allows(m.user, m.role) {
				got += string(m.user)
			}
		}
		if got != test.want {
			t.Errorf("%s: allows %q, want %q", name, got, test.want)
		}
		if test.audience.All() != test.all {
			t.Errorf("%s: all is %v", name, !test.all)
		}
	}
}
