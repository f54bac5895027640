package admin

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
)

// explainer knows the users u, an AGENT of "o" since 115, and v, an ADMIN for ever.
func explainer(log Log) *Explainer {
	return &Explainer{
		Log:  log,
		Name: func(o orgcast.OrganizationID) string { return map[orgcast.OrganizationID]string{"o": "Name"}[o] },
		Membership: func(u orgcast.UserID, o orgcast.OrganizationID) (orgcast.Membership, bool) {
			switch {
			case o == "o" && u == "u":
				return orgcast.Membership{Organization: o, User: u, Role: "AGENT", Since: 115}, true
			case o == "o" && u == "v":
				return orgcast.Membership{Organization: o, User: u, Role: "ADMIN"}, true
			}
			return orgcast.Membership{}, false
		},
		Listening: func(u orgcast.UserID, _ orgcast.OrganizationID, t orgcast.EventType) (int, int) {
			if u == "u" && t == orgcast.DataSync {
				return 2, 1
			}
			return 0, 0
		},
		Tables: func(t orgcast.EventType, entity string, updated []string) []string {
			return []string{t.String() + " " + entity + " " + strings.Join(updated, ",")}
		},
		Withheld: func() []Count { return []Count{{Table: "public.notes", Reason: "tenant_null", Count: 3}} },
		Refused:  func() []Count { return []Count{{Reason: "invalid", Count: 1}} },
	}
}

func explained(t *testing.T, log Log, query string) (e Explanation, text string) {
	t.Helper()
	d := deps(nil)
	d.Explain = explainer(log)
	w := call(t, New(Config{Address: "127.0.0.1:4051"}, d), "/api/realtime/explain?"+query, "localhost:4051", nil)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", query, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
		t.Fatal(err)
	}
	return e, w.Body.String()
}

func TestWhoSeesAnEventAndByWhichRule(t *testing.T) {
	log := newLog()
	log.commit(110, event(at(110, 0), "o", orgcast.DataSync, orgcast.Audience{}, `{"entityType":"note","data":{"content":"a secret of the row"}}`))
	log.commit(120,
		event(at(120, 0), "o", orgcast.DataSync, orgcast.Audience{}, `{"entityType":"note"}`),
		event(at(120, 8), "o", orgcast.DataSync, orgcast.Audience{Roles: []string{"ADMIN", "OWNER"}}, `{}`),
		event(at(120, 16), "o", orgcast.NotificationNew, orgcast.Audience{User: "u"}, `{}`),
		event(at(120, 24), "o", orgcast.SystemAlert, orgcast.Audience{Users: []orgcast.UserID{"v", "w"}}, `{}`),
		moved(at(120, 32), "o"))
	for _, c := range []struct {
		cursor orgcast.Cursor
		user   string
		sees   bool
		why    Why
	}{
		{at(120, 0), "u", true, WhyEveryMember}, {at(120, 0), "v", true, WhyEveryMember}, {at(120, 0), "x", false, WhyNotMember},
		{at(110, 0), "u", false, WhyBeforeJoined}, {at(110, 0), "v", true, WhyEveryMember},
		{at(120, 8), "u", false, WhyRoleMissing}, {at(120, 8), "v", true, WhyRole},
		{at(120, 16), "u", true, WhyNamed}, {at(120, 16), "v", false, WhyOtherUser},
		{at(120, 24), "u", false, WhyOtherUser}, {at(120, 24), "v", true, WhyNamed},
		{at(120, 32), "u", true, WhyEveryMember},
	} {
		e, text := explained(t, log, "organizationId=o&cursor="+c.cursor.String()+"&userId="+c.user)
		if e.Verdict != VerdictFound || e.User == nil || e.User.Sees == nil || *e.User.Sees != c.sees || e.User.Why != c.why || e.Withheld != nil {
			t.Errorf("%s for %s: %s", c.cursor, c.user, text)
		}
		if strings.Contains(text, "secret") {
			t.Errorf("a row's value is told: %s", text)
		}
	}
	_, text := explained(t, log, "organizationId=o&cursor=10.3c.0&userId=u")
	const want = `{"organizationId":"o","organizationName":"Name","position":"10.3j.0","floor":"10.1d.0","cursor":"10.3c.0","verdict":"found",` +
		`"event":{"type":"data.sync","channel":"organization","source":"postgres","timestamp":1763881200000,"tables":["data.sync note "]},"inTransaction":5,` +
		`"user":{"id":"u","member":true,"role":"AGENT","since":"0/73","sees":true,"why":"every_member","streams":2,"taking":1}}` + "\n"
	if text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestAnEventThatIsNotThereIsExplainedToo(t *testing.T) {
	log := newLog()
	log.commit(110, event(at(110, 0), "o", orgcast.DataSync, orgcast.Audience{}, `{}`), event(at(110, 8), "other", orgcast.DataSync, orgcast.Audience{}, `{}`))
	for cursor, want := range map[string]Verdict{
		"10.32.8": VerdictNone, "10.33.0": VerdictNone, "10.1.0": VerdictTooOld, "10.1d.0": VerdictTooOld, "10.zzz.0": VerdictAhead, "11.32.0": VerdictEpoch, "10.32.0": VerdictFound,
	} {
		e, text := explained(t, log, "organizationId=o&cursor="+cursor)
		if e.Verdict != want || (e.Event != nil) != (want == VerdictFound) || (len(e.Withheld) == 1 && len(e.Refused) == 1) == (want == VerdictFound) {
			t.Errorf("%s: %s", cursor, text)
		}
	}
	e, text := explained(t, log, "organizationId=unknown&userId=u")
	if e.Name != "" || e.User.Member || e.User.Sees != nil || !slices.Equal(e.Withheld, []Count{{Table: "public.notes", Reason: "tenant_null", Count: 3}}) {
		t.Errorf("without an event: %s", text)
	}
	d := deps(nil)
	d.Explain = explainer(log)
	h := New(Config{Address: "127.0.0.1:4051"}, d)
	for _, query := range []string{"", "organizationId=o&cursor=x", "organizationId=o&after=10.1.0", "organizationId=*"} {
		if w := call(t, h, "/api/realtime/explain?"+query, "localhost:4051", nil); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}
