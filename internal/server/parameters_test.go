package server

import (
	"net/http"
	"slices"
	"testing"

	"github.com/oikion/orgcast"
)

func TestParametersAreReadAsTheContractSays(t *testing.T) {
	for _, c := range []struct {
		query   string
		want    *refusal
		channel string
		ids     int
	}{
		{"organizationId=a", nil, "all", 1},
		{"organizationId=a&organizationId=a", nil, "all", 1},
		{"organizationId=a&organizationId=b", nil, "all", 2},
		{"organizationId=a&channel=&type=&x=y", nil, "all", 1},
		{"organizationId=a&channel=all&channel=user", nil, "all", 1},
		{"organizationId=a&channel=user&channel=all", nil, "all", 1},
		{"organizationId=a&channel=system&channel=user", nil, "user,system", 1},
		{"", missingOrganization, "", 0},
		{"organizationId", missingOrganization, "", 0},
		{"organizationId=", missingOrganization, "", 0},
		{"organizationid=a", missingOrganization, "", 0},
		{"organizationId=a&organizationId=", organizationID, "", 0},
		{"organizationId=a&channel=USER", unknownChannel, "", 0},
		{"organizationId=a&channel=user,system", unknownChannel, "", 0},
		{"organizationId=a&type=all", unknownType, "", 0},
		{"organizationId=a;channel=user", malformedQuery, "", 0},
		{"organizationId=a&x=%", malformedQuery, "", 0},
	} {
		got, no := parseStream(c.query, nil)
		if no != c.want {
			t.Errorf("%q: got refusal %+v", c.query, no)
			continue
		}
		if no == nil && (got.Filter.ChannelLabel() != c.channel || len(got.Organizations) != c.ids) {
			t.Errorf("%q: got %+v", c.query, got)
		}
	}
}

func TestTheHeaderWinsOverTheParameterAndEmptyIsAbsent(t *testing.T) {
	one, two := Resume{Cursor: orgcast.Cursor{Epoch: 1, LSN: 1}, Present: true}, Resume{Cursor: orgcast.Cursor{Epoch: 2, LSN: 2}, Present: true}
	malformed := Resume{Present: true, Malformed: true}
	for _, c := range []struct {
		header, parameter string
		want              Resume
	}{
		{"", "", Resume{}},
		{"1.1.0", "", one},
		{"", "2.2.0", two},
		{"1.1.0", "2.2.0", one},
		{"1.1.0", "nonsense", one},
		{"nonsense", "2.2.0", malformed},
		{"", "nonsense", malformed},
	} {
		if got := parseResume(c.header, c.parameter); got != c.want {
			t.Errorf("%q, %q: got %+v", c.header, c.parameter, got)
		}
	}
}

// Whatever comes, what is taken is within its bounds and nothing panics.
func FuzzParseStream(f *testing.F) {
	f.Add("organizationId=org_a&channel=property&type=property.update", "k3.1z141z3a.2")
	f.Add("organizationId=a&organizationId=b&lastEventId=1.2.3", "")
	f.Add("organizationId=%00&channel=all", "x")
	f.Add("organizationId=a;b", "%zz")
	f.Fuzz(func(t *testing.T, query, lastEventID string) {
		got, no := parseStream(query, http.Header{"Last-Event-Id": {lastEventID}})
		if no != nil {
			if no.status != http.StatusBadRequest || no.text == "" || !slices.Contains(Reasons(), no.reason) {
				t.Fatalf("refused with %+v", no)
			}
			return
		}
		if n := len(got.Organizations); n < 1 || n > MaxOrganizations {
			t.Fatalf("%d organizations", n)
		}
		seen := map[orgcast.OrganizationID]bool{}
		for _, id := range got.Organizations {
			if id == "" || len(id) > orgcast.MaxOrganizationID || seen[id] {
				t.Fatalf("organization %q", id)
			}
			seen[id] = true
		}
		if lastEventID != "" && !got.Resume.Present {
			t.Fatal("a cursor was lost")
		}
		if got.Resume.Present && !got.Resume.Malformed && lastEventID != "" && got.Resume.Cursor.String() != lastEventID {
			t.Fatalf("%q was read as %s", lastEventID, got.Resume.Cursor)
		}
	})
}
