package truth

import (
	"slices"
	"testing"

	"github.com/oikion/orgcast/internal/verify"
)

func belongs(id, user, organization, role string) verify.Row {
	return row("id="+id, "userId="+user, "organizationId="+organization, "role="+role)
}

func organization(id, name, plan, personal string) verify.Row {
	return row("id="+id, "name="+name, "plan="+plan, "isPersonal="+personal)
}

func TestAMembershipHasItsBeginningItsRolesAndItsEnd(t *testing.T) {
	m := New(start())
	commit(m, // 20
		ins("tasks", task("t1", "a", "")),
		upd("organization_members", belongs("m2", "v", "b", "AGENT"), belongs("m2", "v", "b", "ADMIN")),
		ins("organization_members", belongs("m4", "w", "a", "VIEWER")),
	)
	commit(m, // 30
		del("organization_members", belongs("m2", "v", "b", "ADMIN")),
		upd("organization_members", belongs("m3", "u", "b", "AGENT"), belongs("m9", "u", "b", "AGENT")),
		upd("organization_members", belongs("m4", "w", "a", "VIEWER"), belongs("m4", "w", "b", "VIEWER")),
	)
	at := func(lsn, ordinal uint64) verify.Place { return verify.Place{LSN: lsn, Index: ordinal * 8} }
	want := []verify.Member{
		{User: "u", Organization: "a", ID: "m1", Roles: []verify.Role{{Name: "ADMIN"}}},
		{User: "v", Organization: "b", ID: "m2", To: at(30, 0), Roles: []verify.Role{{Name: "AGENT"}, {From: at(20, 1), Name: "ADMIN"}}},
		{User: "u", Organization: "b", ID: "m9", Roles: []verify.Role{{Name: "AGENT"}}},
		{User: "w", Organization: "a", ID: "m4", From: at(20, 2), To: at(30, 2), Roles: []verify.Role{{From: at(20, 2), Name: "VIEWER"}}},
		{User: "w", Organization: "b", ID: "m4", From: at(30, 2), Roles: []verify.Role{{From: at(30, 2), Name: "VIEWER"}}},
	}
	equal := func(a, b verify.Member) bool {
		return a.User == b.User && a.Organization == b.Organization && a.ID == b.ID && a.From == b.From && a.To == b.To && slices.Equal(a.Roles, b.Roles)
	}
	if got := m.Members(); !slices.EqualFunc(got, want, equal) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

func TestMembersThatAreGivenAwayStayAsTheyWere(t *testing.T) {
	m := New(start())
	before := m.Members()
	commit(m, upd("organization_members", belongs("m1", "u", "a", "ADMIN"), belongs("m1", "u", "a", "VIEWER")), del("organization_members", belongs("m2", "v", "b", "AGENT")))
	for _, b := range before {
		if b.Ended() || len(b.Roles) != 1 {
			t.Errorf("%+v has changed", b)
		}
	}
}

func TestWhatIsToldOfMembers(t *testing.T) {
	m := New(start())
	for _, c := range []struct {
		change verify.Change
		want   []string
		detail string
	}{
		{upd("organization_members", belongs("m1", "u", "a", "ADMIN"), belongs("m1", "u", "a", "VIEWER")), []string{"0 a organization.change"},
			`{"changeType":"permissions","changes":{"memberId":"m1","role":"VIEWER","userId":"u"},"organizationId":"a","updatedBy":null}`},
		{upd("organization_members", belongs("m1", "u", "a", "VIEWER"), belongs("m1", "u", "a", "VIEWER")), nil, ""},
		{upd("organization_members", belongs("m1", "u", "a", "VIEWER"), belongs("m7", "u", "a", "VIEWER")), nil, ""},
		{upd("organization_members", belongs("m7", "u", "a", "VIEWER"), belongs("m7", "w", "a", "VIEWER")), []string{"0 a member.leave", "0 a member.join"},
			`{"memberId":"m7","organizationId":"a","userId":"u"}`},
		{ins("organization_members", belongs("m8", "x", "b", "ORG_OWNER")), []string{"0 b member.join"},
			`{"invitedBy":null,"memberId":"m8","organizationId":"b","role":"ORG_OWNER","userId":"x"}`},
		{del("organization_members", belongs("m8", "x", "b", "ORG_OWNER")), []string{"0 b member.leave"},
			`{"memberId":"m8","organizationId":"b","userId":"x"}`},
	} {
		facts := commit(m, c.change)
		var got []string
		for _, f := range facts {
			got = append(got, "0 "+f.Organization+" "+f.Type)
		}
		if !slices.Equal(got, c.want) || c.detail != "" && facts[0].Payload != c.detail {
			t.Errorf("%+v, want %q, %s", facts, c.want, c.detail)
		}
	}
}

func TestTruncateOfMembersEndsAllAndIsSilent(t *testing.T) {
	m := New(start())
	if got := told(m, verify.Change{Kind: verify.Truncate, Table: "organization_members"}, ins("organization_members", belongs("m1", "u", "a", "AGENT"))); !slices.Equal(got, []string{"1 a member.join"}) {
		t.Errorf("%q", got)
	}
	all := m.Members()
	for _, one := range all[:3] {
		if one.To != (verify.Place{LSN: 20}) {
			t.Errorf("%+v", one)
		}
	}
	if len(all) != 4 || all[3].Ended() {
		t.Errorf("%+v", all)
	}
}

// TestAnOrganizationThatIsDeletedAndMadeAgain goes with everybody, and comes back
// empty.
func TestAnOrganizationThatIsDeletedAndMadeAgain(t *testing.T) {
	m := New(start())
	alert := say("orgcast", `{"type":"system.alert","organizationId":"b","payload":{"alertType":"info","message":"x"}}`)
	notify := say("orgcast", `{"type":"notification.new","organizationId":"b","payload":{"userId":"v","title":"t","message":"","priority":"low","category":"c"}}`)
	got := told(m, alert, notify,
		del("organizations", organization("b", "B", "FREE", "f")), alert,
		del("organization_members", belongs("m2", "v", "b", "AGENT")), del("organization_members", belongs("m3", "u", "b", "AGENT")),
		del("properties", home("p2", "b")), del("notes", note("n2", "p2", "")),
		ins("organizations", organization("b", "B2", "FREE", "f")), alert, notify,
		ins("organization_members", belongs("m5", "v", "b", "AGENT")), notify,
		ins("properties", home("p2", "b")),
	)
	want := []string{
		"0 b system.alert", "1 b notification.new", "4 b member.leave", "5 b member.leave", "6 b property.update delete", "7 b data.sync delete",
		"9 b system.alert", "11 b member.join", "12 b notification.new", "13 b property.update create",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	var ended, there int
	for _, one := range m.Members() {
		switch {
		case one.Organization != "b":
		case one.Ended():
			ended++
		default:
			there++
		}
	}
	if ended != 2 || there != 1 {
		t.Errorf("%d memberships have ended, %d are there", ended, there)
	}
}

func TestAnOrganizationsKindsOfChangesAreTheirAudiences(t *testing.T) {
	facts := commit(New(start()), upd("organizations", organization("a", "A", "FREE", "f"), organization("a", "Z", "STARTER", "t")))
	want := []string{
		`{"changeType":"name","changes":{"name":{"new":"Z","old":"A"}},"organizationId":"a","updatedBy":null}`,
		`{"changeType":"settings","changes":{"isPersonal":{"new":true,"old":false}},"organizationId":"a","updatedBy":null}`,
		`{"changeType":"billing","changes":{"plan":{"new":"STARTER","old":"FREE"}},"organizationId":"a","updatedBy":null}`,
	}
	var got []string
	for _, f := range facts {
		got = append(got, f.Payload)
		if (f.Roles != nil) != (of(f, "changeType") == "billing") {
			t.Errorf("%s is for %q", f.Payload, f.Roles)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if facts := commit(New(start()), upd("organizations", row("id=a"), organization("a", "Z", "STARTER", "t"))); facts != nil {
		t.Errorf("without its old row: %+v", facts)
	}
}
