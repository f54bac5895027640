package app

import (
	"strings"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/route"
)

func TestTheTablesOfAnEventAreThoseWhoseRulesMakeSuch(t *testing.T) {
	rules, err := route.Preset("oikion")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		t       orgcast.EventType
		entity  string
		updated string
		want    string
	}{
		{orgcast.DataSync, "note", "", "notes"},
		{orgcast.DataSync, "none", "", ""},
		{orgcast.PropertyUpdate, "", "price,status", "properties"},
		{orgcast.PropertyUpdate, "", "listings.listPrice", "listings"},
		{orgcast.PropertyUpdate, "", "", "addresses listings media_assets properties"},
		{orgcast.UserActivity, "", "", "activities"},
		{orgcast.NotificationNew, "", "", "tasks"},
		{orgcast.MemberLeave, "", "", "organization_members"},
		{orgcast.OrganizationChange, "", "", "organizations organization_members"},
		{orgcast.SystemAlert, "", "", ""},
	} {
		updated := strings.FieldsFunc(c.updated, func(r rune) bool { return r == ',' })
		if got := strings.Join(tablesOf(rules, c.t, c.entity, updated), " "); got != c.want {
			t.Errorf("%s %q %q: %q, want %q", c.t, c.entity, c.updated, got, c.want)
		}
	}
}

func TestCountsAreInOrder(t *testing.T) {
	got := counts(map[[2]string]int64{{"b", "x"}: 1, {"a", "y"}: 2, {"a", "x"}: 3})
	if len(got) != 3 || got[0].Table != "a" || got[0].Reason != "x" || got[0].Count != 3 || got[2].Table != "b" {
		t.Errorf("%+v", got)
	}
	if counts(nil) == nil {
		t.Error("none is no list")
	}
}
