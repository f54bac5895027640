package publish

import (
	"strings"
	"testing"

	"github.com/oikion/orgcast"
)

func TestAKeySaysOnlyWhatItsScopeNames(t *testing.T) {
	alert, note := orgcast.SystemAlert, orgcast.NotificationNew
	one := []orgcast.OrganizationID{"org_1"}
	for name, tt := range map[string]struct {
		scope        Scope
		typ          orgcast.EventType
		organization orgcast.OrganizationID
		field        string // of the problem; "": allowed
	}{
		"nothing by default":                 {Scope{}, note, "org_1", "type"},
		"its organization, its type":         {Scope{Organizations: one, Types: []orgcast.EventType{note}}, note, "org_1", ""},
		"another type":                       {Scope{Organizations: one, Types: []orgcast.EventType{note}}, alert, "org_1", "type"},
		"a longer name":                      {Scope{Organizations: one, Types: []orgcast.EventType{note}}, note, "org_10", "organizationId"},
		"another case":                       {Scope{Organizations: one, Types: []orgcast.EventType{note}}, note, "ORG_1", "organizationId"},
		"all organizations":                  {Scope{AllOrganizations: true, Types: []orgcast.EventType{note}}, note, "org_9", ""},
		"all is not everyone":                {Scope{AllOrganizations: true, Types: []orgcast.EventType{alert}}, alert, "*", "organizationId"},
		"an organization called everyone":    {Scope{Organizations: []orgcast.OrganizationID{"*"}, Types: []orgcast.EventType{alert}}, alert, "*", "organizationId"},
		"a broadcast":                        {Scope{Broadcast: true, Types: []orgcast.EventType{alert}}, alert, "*", ""},
		"the right to broadcast is no other": {Scope{Broadcast: true, Types: []orgcast.EventType{alert}}, alert, "org_1", "organizationId"},
		"only alerts are broadcast":          {Scope{Broadcast: true, AllOrganizations: true, Types: []orgcast.EventType{note, alert}}, note, "*", "organizationId"},
		"broadcast without the type":         {Scope{Broadcast: true, Types: []orgcast.EventType{note}}, alert, "*", "type"},
	} {
		t.Run(name, func(t *testing.T) {
			p := tt.scope.Check(&Draft{Type: tt.typ, Organization: tt.organization, index: 3})
			switch {
			case tt.field == "" && p != nil:
				t.Errorf("refused: %v", p)
			case tt.field != "" && (p == nil || p.Field != tt.field || p.Index != 3):
				t.Errorf("got %+v, want a problem of %q", p, tt.field)
			}
		})
	}
}

func TestBySQLOnlyAMemberOfTheListReachesAnExistingOrganization(t *testing.T) {
	exists := func(o orgcast.OrganizationID) bool { return o == "org_a" || o == orgcast.Everyone } // a directory that errs
	policy := SQLPolicy{Types: DefaultSQLTypes(), Exists: exists}
	alert := eventOf(orgcast.SystemAlert, good[orgcast.SystemAlert])
	for name, tt := range map[string]struct {
		policy        SQLPolicy
		text          string
		transactional bool
		want          Reason
	}{
		"an alert":                    {policy, alert, true, ""},
		"outside its transaction":     {policy, alert, false, ReasonNotTransactional},
		"an array":                    {policy, "[" + alert + "]", true, ReasonInvalid},
		"no event":                    {policy, `{}`, true, ReasonInvalid},
		"a type that is not listed":   {policy, eventOf(orgcast.DataSync, good[orgcast.DataSync]), true, ReasonType},
		"everyone":                    {policy, strings.Replace(alert, "org_a", "*", 1), true, ReasonOrganization},
		"an unknown organization":     {policy, strings.Replace(alert, "org_a", "org_b", 1), true, ReasonOrganization},
		"nothing without a list":      {SQLPolicy{Exists: exists}, alert, true, ReasonType},
		"nothing without a directory": {SQLPolicy{Types: DefaultSQLTypes()}, alert, true, ReasonOrganization},
	} {
		t.Run(name, func(t *testing.T) {
			d, refusal := tt.policy.Read([]byte(tt.text), tt.transactional)
			switch {
			case (d == nil) == (refusal == nil):
				t.Fatalf("%v and %v", d, refusal)
			case refusal == nil && tt.want != "", refusal != nil && (refusal.Reason != tt.want || len(refusal.Problems) == 0):
				t.Errorf("got %+v, want %q", refusal, tt.want)
			}
		})
	}
}
