package truth

import (
	"slices"
	"strings"
	"testing"
)

func notice(user string, more ...string) string {
	return `{"userId":"` + user + `","title":"t","message":"","priority":"low","category":"c"` + strings.Join(more, "") + `}`
}

// TestWhichMessagesAreHeard holds the model against what the documents say of events
// that an application says by SQL. u is a member of a, and v is not.
func TestWhichMessagesAreHeard(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		name, typ, organization, payload string
		heard                            bool
	}{
		{"a notification", "notification.new", "a", notice("u"), true},
		{"to no member", "notification.new", "a", notice("v"), false},
		{"with metadata", "notification.new", "a", notice("u", `,"metadata":{"b":[1.50,null],"a":{}}`), true},
		{"with metadata that is none", "notification.new", "a", notice("u", `,"metadata":[1]`), false},
		{"with too much metadata", "notification.new", "a", notice("u", `,"metadata":{"a":"`+x(33_000)+`"}`), false},
		{"with more than it has", "notification.new", "a", notice("u", `,"organizationId":"a"`), false},
		{"with something twice", "notification.new", "a", notice("u", `,"userId":"u"`), false},
		{"with something twice, deep down", "notification.new", "a", notice("u", `,"metadata":{"a":[{"b":1,"b":1}]}`), false},
		{"with a long title", "notification.new", "a", strings.Replace(notice("u"), `"t"`, `"`+x(500)+`"`, 1), true},
		{"with too long a title", "notification.new", "a", strings.Replace(notice("u"), `"t"`, `"`+x(501)+`"`, 1), false},
		{"without a title", "notification.new", "a", strings.Replace(notice("u"), `"t"`, `""`, 1), false},
		{"with another priority", "notification.new", "a", strings.Replace(notice("u"), `low`, `lower`, 1), false},
		{"an alert", "system.alert", "a", `{"alertType":"info","message":"m"}`, true},
		{"with too long a message", "system.alert", "a", `{"alertType":"info","message":"` + x(10_001) + `"}`, false},
		{"without a message", "system.alert", "a", `{"alertType":"info"}`, false},
		{"of another type", "system.alert", "a", `{"alertType":"loud","message":"m"}`, false},
		{"to some", "system.alert", "a", `{"alertType":"info","message":"m","affectedUsers":["u","nobody"]}`, true},
		{"to none", "system.alert", "a", `{"alertType":"info","message":"m","affectedUsers":[]}`, false},
		{"to everybody", "system.alert", "*", `{"alertType":"info","message":"m"}`, false},
		{"to an organization that is not there", "system.alert", "c", `{"alertType":"info","message":"m"}`, false},
		{"what only rows may say", "property.update", "a", `{"propertyId":"p1","organizationId":"a","operation":"delete","updatedBy":null}`, false},
		{"no object", "system.alert", "a", `[]`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			content := `{"type":"` + c.typ + `","organizationId":"` + c.organization + `","payload":` + c.payload + `}`
			facts := commit(New(start()), say("orgcast", content))
			if (len(facts) == 1) != c.heard || len(facts) > 1 {
				t.Fatalf("%+v", facts)
			}
			if !c.heard {
				return
			}
			var users []string
			if c.typ == "notification.new" {
				users = []string{"u"}
			}
			if strings.Contains(c.payload, "affectedUsers") {
				users = []string{"u", "nobody"}
			}
			if f := facts[0]; f.Source != "app" || f.Type != c.typ || f.Organization != "a" || !slices.Equal(f.Users, users) {
				t.Errorf("%+v", f)
			}
			for what, other := range map[string]string{"prefix": "else", "array": "orgcast", "trailing": "orgcast"} {
				content := map[string]string{"prefix": content, "array": "[" + content + "]", "trailing": content + " {}"}[what]
				if facts := commit(New(start()), say(other, content)); facts != nil {
					t.Errorf("%s: %+v", what, facts)
				}
			}
		})
	}
}

func TestAnAlertThatSaysNothingMayBeRefused(t *testing.T) {
	got := told(New(start()), say("orgcast", `{"type":"system.alert","organizationId":"a","payload":{"alertType":"info","message":""}}`))
	if !slices.Equal(got, []string{"0 a system.alert?"}) {
		t.Errorf("%q", got)
	}
}

func TestTheActorIsAMemberAndCountsFromHisMessageOn(t *testing.T) {
	price := func(n string) []string { return []string{"id=p1", "organizationId=a", "createdBy=maker", "price=" + n} }
	facts := commit(New(start()),
		upd("properties", row(price("1")...), row(price("2")...)),
		say("orgcast.actor", `{"userId":"u"}`),
		upd("properties", row(price("2")...), row(price("3")...)),
		say("orgcast.actor", `{"userId":"v"}`),
		upd("properties", row(price("3")...), row(price("4")...)),
		ins("properties", row("id=p5", "organizationId=a", "createdBy=maker")),
		say("orgcast.actor", `nonsense`),
		ins("properties", row("id=p6", "organizationId=a", "createdBy=maker")),
	)
	for i, want := range []string{"null", "u", "null", "null", "maker"} {
		if got := of(facts[i], "updatedBy"); got != want {
			t.Errorf("%d: by %s, want %s", i, got, want)
		}
	}
	if facts := commit(New(start()), upd("properties", row(price("1")...), row(price("2")...))); of(facts[0], "updatedBy") != "null" {
		t.Errorf("the actor of the transaction before: %+v", facts)
	}
}
