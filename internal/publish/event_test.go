package publish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/sse"
)

// good holds a payload of each type with all members, as it is sent.
var good = map[orgcast.EventType]string{
	orgcast.UserActivity:       `{"userId":"u1","action":"viewed","resource":"property:p1","metadata":{"a":[1,2.50,null],"b":{"c":"\u003cd>"}}}`,
	orgcast.PropertyUpdate:     `{"propertyId":"p1","organizationId":"org_a","operation":"update","updatedFields":["listings.listPrice"],"changes":{"price":{"new":"2","old":"1"}},"updatedBy":"u1"}`,
	orgcast.MemberJoin:         `{"memberId":"m1","userId":"u1","organizationId":"org_a","role":"ADMIN","invitedBy":null}`,
	orgcast.MemberLeave:        `{"memberId":"m1","userId":"u1","organizationId":"org_a","reason":"moved on"}`,
	orgcast.OrganizationChange: `{"organizationId":"org_a","changeType":"billing","changes":{"plan":{"new":"pro"}},"updatedBy":null}`,
	orgcast.NotificationNew:    `{"userId":"u1","title":"Offer","message":"","priority":"high","category":"offer","metadata":{}}`,
	orgcast.SystemAlert:        `{"alertType":"warning","message":"Back at 5","affectedUsers":["u1","u2"],"metadata":{"x":1}}`,
	orgcast.DataSync:           `{"entityType":"client","entityId":"c1","operation":"update","data":{"name":"Ada"},"unchanged":["notes"]}`,
}

func eventOf(t orgcast.EventType, payload string) string {
	return fmt.Sprintf(`{"type":%q,"organizationId":"org_a","payload":%s}`, t, payload)
}

func TestEveryTypeIsReadAndWrittenAsTheContractHasIt(t *testing.T) {
	for typ, payload := range good {
		drafts, problems := Read([]byte(eventOf(typ, payload)), LimitSQL)
		if len(problems) > 0 || len(drafts) != 1 {
			t.Errorf("%s: %v", typ, problems)
			continue
		}
		d := &drafts[0]
		if got := string(AppendPayload(nil, d)); got != payload {
			t.Errorf("%s:\n got %s\nwant %s", typ, got, payload)
		}
		if d.Type != typ || d.Organization != "org_a" {
			t.Errorf("%s: type %s of organization %s", typ, d.Type, d.Organization)
		}
		wantUser := orgcast.UserID("")
		if typ == orgcast.NotificationNew {
			wantUser = "u1"
		}
		if d.Audience.User != wantUser || len(d.Audience.Roles) > 0 || (len(d.AffectedUsers) == 2) != (typ == orgcast.SystemAlert) {
			t.Errorf("%s: reaches %+v, %v", typ, d.Audience, d.AffectedUsers)
		}
	}
}

// TestEveryMemberCounts takes each type's members away, makes them null, of
// another type and of another case, one by one.
func TestEveryMemberCounts(t *testing.T) {
	optional := map[string]bool{"metadata": true, "updatedFields": true, "reason": true, "affectedUsers": true, "unchanged": true}
	nullable := map[string]bool{"updatedBy": true, "invitedBy": true}
	for typ, payload := range good {
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(payload), &members); err != nil {
			t.Fatal(err)
		}
		try := func(what, name string, alter func(map[string]json.RawMessage), allowed bool) {
			t.Helper()
			altered := map[string]json.RawMessage{}
			for n, v := range members {
				altered[n] = v
			}
			alter(altered)
			text, err := json.Marshal(altered)
			if err != nil {
				t.Fatal(err)
			}
			_, problems := Read([]byte(eventOf(typ, string(text))), LimitSQL)
			switch {
			case allowed && len(problems) > 0:
				t.Errorf("%s: %s %s: %v", typ, name, what, problems)
			case !allowed && len(problems) == 0:
				t.Errorf("%s: %s %s: taken", typ, name, what)
			case !allowed && !strings.HasPrefix(problems[0].Field, "payload"):
				t.Errorf("%s: %s %s: problem of %q", typ, name, what, problems[0].Field)
			}
		}
		for name := range members {
			isOptional := optional[name] || name == "changes" && typ == orgcast.PropertyUpdate
			try("absent", name, func(m map[string]json.RawMessage) { delete(m, name) }, isOptional)
			try("null", name, func(m map[string]json.RawMessage) { m[name] = json.RawMessage("null") }, nullable[name])
			for _, other := range []string{"7", "true", `{"a":"b"}`, `["a"]`, `[null]`, `[7]`, `""`} {
				same := members[name][0] == other[0] && !strings.HasPrefix(other, "[n") && !strings.HasPrefix(other, "[7")
				switch {
				case same && other != `""`:
					continue // a value that it may have
				case name == "message" && typ == orgcast.NotificationNew && other == `""`:
					continue
				}
				try("as "+other, name, func(m map[string]json.RawMessage) { m[name] = json.RawMessage(other) }, false)
			}
			try("in another case", name, func(m map[string]json.RawMessage) {
				delete(m, name)
				m[strings.ToUpper(name)] = members[name]
			}, false)
		}
		try("is unknown", "another", func(m map[string]json.RawMessage) { m["another"] = json.RawMessage("1") }, false)
	}
}

func TestReadRefuses(t *testing.T) {
	notify := func(format string, args ...any) string {
		return eventOf(orgcast.NotificationNew, fmt.Sprintf(`{"userId":"u1","title":"T","message":"M","priority":"low","category":"c"`+format+`}`, args...))
	}
	nested := func(n int) string { return strings.Repeat(`{"a":`, n-1) + "{}" + strings.Repeat("}", n-1) }
	sized := func(n int) string { return `{"a":"` + strings.Repeat("x", n-8) + `"}` }
	alert := func(rest string) string { return eventOf(orgcast.SystemAlert, `{"alertType":"info",`+rest+`}`) }
	list := func(n int, item string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	sync := func(rest string) string {
		return eventOf(orgcast.DataSync, `{"entityType":"t","entityId":"e",`+rest+`}`)
	}
	property := func(rest string) string {
		return eventOf(orgcast.PropertyUpdate, `{"propertyId":"p",`+rest+`,"updatedBy":null}`)
	}
	plain := notify("")
	for name, tt := range map[string]struct {
		text  string
		field string // "" of the whole: "-"; taken: "+"
	}{
		"a plain one":                     {plain, "+"},
		"white space around":              {" \r\n\t" + plain + "\n", "+"},
		"nothing":                         {"", "-"},
		"a text":                          {`"x"`, ""},
		"null":                            {`null`, ""},
		"a bare word":                     {`notification`, ""},
		"half":                            {plain[:40], ""},
		"text behind":                     {plain + "x", ""},
		"two values":                      {plain + plain, ""},
		"no UTF-8":                        {strings.Replace(plain, "M", "\xff", 1), ""},
		"a byte order mark":               {"\ufeff" + plain, ""},
		"a member twice":                  {`{"type":"system.alert",` + plain[1:], ""},
		"a payload's member twice":        {notify(`,"title":"T"`), ""},
		"twice by escape":                 {notify(`,"\u0074itle":"T"`), ""},
		"twice deep inside":               {notify(`,"metadata":{"a":[{"b":1,"b":2}]}`), ""},
		"an envelope's unknown member":    {`{"id":"1",` + plain[1:], ""},
		"an unknown type":                 {strings.Replace(plain, "notification.new", "notification.old", 1), "type"},
		"the type of a control message":   {strings.Replace(plain, "notification.new", "closing", 1), "type"},
		"a type in another case":          {strings.Replace(plain, "notification.new", "Notification.New", 1), "type"},
		"no type":                         {strings.Replace(plain, `"type":"notification.new",`, "", 1), "type"},
		"no organization":                 {strings.Replace(plain, `"organizationId":"org_a",`, "", 1), "organizationId"},
		"an empty organization":           {strings.Replace(plain, "org_a", "", 1), "organizationId"},
		"an organization too long":        {strings.Replace(plain, "org_a", strings.Repeat("o", 256), 1), "organizationId"},
		"the longest organization":        {strings.Replace(plain, "org_a", strings.Repeat("o", 255), 1), "+"},
		"an organization with a NUL":      {strings.Replace(plain, "org_a", `org\u0000`, 1), "organizationId"},
		"no payload":                      {`{"type":"notification.new","organizationId":"o"}`, "payload"},
		"a payload that is a list":        {`{"type":"notification.new","organizationId":"o","payload":[]}`, "payload"},
		"a payload that is null":          {`{"type":"notification.new","organizationId":"o","payload":null}`, "payload"},
		"an unknown priority":             {strings.Replace(plain, `"low"`, `"LOW"`, 1), "payload.priority"},
		"the longest title":               {strings.Replace(plain, `"T"`, `"`+strings.Repeat("é", 250)+`"`, 1), "+"},
		"a title too long":                {strings.Replace(plain, `"T"`, `"`+strings.Repeat("é", 250)+`x"`, 1), "payload.title"},
		"the longest message":             {strings.Replace(plain, `"M"`, `"`+strings.Repeat("m", 10_000)+`"`, 1), "+"},
		"a message too long":              {strings.Replace(plain, `"M"`, `"`+strings.Repeat("m", 10_001)+`"`, 1), "payload.message"},
		"a category too long":             {strings.Replace(plain, `"c"`, `"`+strings.Repeat("c", 101)+`"`, 1), "payload.category"},
		"a user id too long":              {strings.Replace(plain, `"u1"`, `"`+strings.Repeat("u", 256)+`"`, 1), "payload.userId"},
		"a user id with a new line":       {strings.Replace(plain, `"u1"`, `"u\n1"`, 1), "payload.userId"},
		"the deepest metadata":            {notify(`,"metadata":%s`, nested(32)), "+"},
		"metadata too deep":               {notify(`,"metadata":%s`, nested(33)), "payload.metadata"},
		"metadata far too deep":           {notify(`,"metadata":%s`, nested(64)), ""},
		"the largest metadata":            {notify(`,"metadata":%s`, sized(32<<10)), "+"},
		"metadata too large":              {notify(`,"metadata":%s`, sized(32<<10+1)), "payload.metadata"},
		"metadata too large once escaped": {notify(`,"metadata":{"a":%q}`, strings.Repeat("<", 6_000)), "payload.metadata"},
		"brackets in a text are no depth": {notify(`,"metadata":{"a":"%s\"%s"}`, strings.Repeat("[", 40), strings.Repeat("{", 40)), "+"},
		"an alert for nobody":             {alert(`"message":"m","affectedUsers":[]`), "payload.affectedUsers"},
		"an alert for 1,000":              {alert(`"message":"m","affectedUsers":` + list(1_000, `"user_01234567890123"`)), "+"},
		"an alert for 1,001":              {alert(`"message":"m","affectedUsers":` + list(1_001, `"u"`)), "payload.affectedUsers"},
		"an alert for an empty id":        {alert(`"message":"m","affectedUsers":["u",""]`), "payload.affectedUsers"},
		"an alert for null":               {alert(`"message":"m","affectedUsers":["u",null]`), "payload.affectedUsers"},
		"more than a frame holds":         {alert(`"message":"m","affectedUsers":` + list(1_000, `"`+strings.Repeat("u", 60)+`"`)), "payload"},
		"an empty alert":                  {alert(`"message":""`), "payload.message"},
		"a delete with data":              {sync(`"operation":"delete","data":{}`), "payload.data"},
		"a delete without data":           {sync(`"operation":"delete"`), "payload.data"},
		"a delete":                        {sync(`"operation":"delete","data":null`), "+"},
		"an update with null":             {sync(`"operation":"update","data":null`), "payload.data"},
		"an archive of an entity":         {sync(`"operation":"archive","data":{}`), "payload.operation"},
		"a property's delete":             {property(`"organizationId":"org_a","operation":"delete"`), "+"},
		"a property's archive":            {property(`"organizationId":"org_a","operation":"archive"`), "+"},
		"a property's delete, changes":    {property(`"organizationId":"org_a","operation":"delete","changes":{}`), "payload.changes"},
		"another organization within":     {property(`"organizationId":"org_b","operation":"delete"`), "payload.organizationId"},
		"everyone within":                 {property(`"organizationId":"*","operation":"delete"`), "payload.organizationId"},
		"an array":                        {"[" + plain + "]", "+"},
		"an empty array":                  {"[]", "-"},
		"an array with a comma":           {"[" + plain + ",]", "-"},
		"an array that ends early":        {"[" + plain, "-"},
		"an array and more":               {"[" + plain + "] x", "-"},
		"an array of an array":            {"[[" + plain + "]]", ""},
		"101 events":                      {list(101, eventOf(orgcast.SystemAlert, `{"alertType":"info","message":"m"}`)), "-"},
		"100 events":                      {list(100, eventOf(orgcast.SystemAlert, `{"alertType":"info","message":"m"}`)), "+"},
		"more than 256 KiB":               {plain + strings.Repeat(" ", 256<<10), "-"},
		"a deep hole":                     {strings.Repeat("[", 200<<10), "-"},
		"a deep hole in an object":        {strings.Repeat(`{"a":`, 40<<10), ""},
	} {
		t.Run(name, func(t *testing.T) {
			drafts, problems := Read([]byte(tt.text), LimitHTTP)
			if tt.field == "+" {
				if len(problems) > 0 || len(drafts) == 0 {
					t.Fatalf("refused: %v", problems)
				}
				return
			}
			if len(problems) != 1 || drafts != nil {
				t.Fatalf("%d drafts, problems %v", len(drafts), problems)
			}
			wantIndex, wantField := 0, tt.field
			if tt.field == "-" {
				wantIndex, wantField = Whole, ""
			}
			if p := problems[0]; p.Index != wantIndex || p.Field != wantField || p.Problem == "" {
				t.Errorf("got %+v, want field %q of event %d", p, wantField, wantIndex)
			}
		})
	}
}

func TestBySQLThereIsOneObject(t *testing.T) {
	event := eventOf(orgcast.SystemAlert, good[orgcast.SystemAlert])
	for text, ok := range map[string]bool{event: true, "[" + event + "]": false, event + strings.Repeat(" ", 64<<10): false} {
		if _, problems := Read([]byte(text), LimitSQL); (len(problems) == 0) != ok {
			t.Errorf("%.60s (%d bytes): %v", text, len(text), problems)
		}
	}
}

func TestEveryProblemOfABatchIsToldAndNothingIsTaken(t *testing.T) {
	body := "[" + eventOf(orgcast.SystemAlert, good[orgcast.SystemAlert]) + "," +
		`{"type":"notification.new","payload":{"userId":7,"title":"","message":"m","priority":"no","category":"c","x":1}},` +
		eventOf(orgcast.DataSync, `{}`) + "]"
	drafts, problems := Read([]byte(body), LimitHTTP)
	if drafts != nil {
		t.Error("something was taken")
	}
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%d %s", p.Index, p.Field))
	}
	want := []string{
		"1 organizationId", "1 payload.userId", "1 payload.title", "1 payload.priority", "1 payload",
		"2 payload.entityType", "2 payload.entityId", "2 payload.operation", "2 payload.data",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	text, err := MarshalProblems(problems[:1])
	if want := `[{"index":1,"field":"organizationId","problem":"is missing"}]`; err != nil || string(text) != want {
		t.Errorf("%s, %v; want %s", text, err, want)
	}
}

// TestProblemsShowNothingOfWhatWasSent puts a canary into every place of every
// type, as value and as name, and spoils the event in each way.
func TestProblemsShowNothingOfWhatWasSent(t *testing.T) {
	const canary = "canary31337"
	spoil := []string{`"` + canary + `\u0000"`, `{"` + canary + `":1,"` + canary + `":2}`, `["` + canary + `",null]`, `{"` + canary + `":` + strings.Repeat("[", 70),
		`"` + strings.Repeat(canary, 2000) + `"`, canary}
	refused := 0
	for typ, payload := range good {
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(eventOf(typ, payload)), &members); err != nil {
			t.Fatal(err)
		}
		texts := []string{`{"` + canary + `":1,` + eventOf(typ, payload)[1:], eventOf(typ, `{"`+canary+`":1,`+payload[1:]), eventOf(typ, payload) + canary}
		for _, s := range spoil {
			for name, value := range members {
				texts = append(texts, strings.Replace(eventOf(typ, payload), `"`+name+`":`+string(value), `"`+name+`":`+s, 1))
			}
			var inner map[string]json.RawMessage
			if err := json.Unmarshal([]byte(payload), &inner); err != nil {
				t.Fatal(err)
			}
			for name, value := range inner {
				texts = append(texts, eventOf(typ, strings.Replace(payload, `"`+name+`":`+string(value), `"`+name+`":`+s, 1)))
			}
		}
		for _, text := range texts {
			if !strings.Contains(text, canary) {
				t.Fatalf("no canary in %s", text)
			}
			_, problems := Read([]byte(text), LimitHTTP)
			if len(problems) > 0 {
				refused++
			}
			for _, p := range problems {
				if said, err := MarshalProblems([]Problem{p}); err != nil || strings.Contains(p.String()+string(said), "canary") {
					t.Errorf("%s: %s: %v", text, p, err)
				}
			}
		}
	}
	if refused < 200 {
		t.Errorf("only %d events were refused", refused)
	}
}

// TestTheLargestPayloadFitsAFrame: the head with everything that grows when it
// is escaped.
func TestTheLargestPayloadFitsAFrame(t *testing.T) {
	organization := orgcast.OrganizationID(strings.Repeat("<", orgcast.MaxOrganizationID))
	last := orgcast.Cursor{Epoch: 1<<32 - 1, LSN: 1<<64 - 1, Index: 1<<64 - 1}
	for typ := range good {
		head := sse.AppendEventTail(sse.AppendEventHead(nil, last, typ, organization, 1<<62, sse.SourceApp), true)
		if n := len(head) + MaxPayload; n > 64<<10 {
			t.Errorf("%s: %d bytes", typ, n)
		}
	}
}

// FuzzRead holds that what is taken is JSON of one reading, that it is written
// on one line, and that what is written is read again as the same.
func FuzzRead(f *testing.F) {
	for typ, payload := range good {
		f.Add([]byte(eventOf(typ, payload)))
		f.Add([]byte("[" + eventOf(typ, payload) + " ,\n" + eventOf(typ, payload) + "]"))
	}
	f.Add([]byte(eventOf(orgcast.NotificationNew, `{"userId":"u","title":"\u2028\ud800\u0000\n</script>","message":"\u007f`+"\u2028\u2029\x7f"+`","priority":"low","category":"c","metadata":{"\u2029<":"\ud800\/\\","a":1e400}}`)))
	f.Add([]byte(`{"type":"system.alert","organizationId":"*","payload":{"alertType":"info","message":"m","affectedUsers":[]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		drafts, problems := Read(data, LimitHTTP)
		if (len(problems) == 0) != (len(drafts) > 0) {
			t.Fatalf("%d drafts, problems %v", len(drafts), problems)
		}
		for _, p := range problems {
			if !utf8.ValidString(p.String()) || p.Problem == "" || p.Index < Whole {
				t.Fatalf("problem %+v", p)
			}
		}
		if len(drafts) == 0 {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("took %q", data)
		}
		again := []byte("[")
		for i := range drafts {
			d := &drafts[i]
			if i > 0 {
				again = append(again, ',')
			}
			again = appendDraft(again, d)
			frame := sse.AppendEventHead(nil, orgcast.Cursor{Epoch: 1, LSN: 2}, d.Type, d.Organization, 3, sse.SourceApp)
			frame = sse.AppendEventTail(AppendPayload(frame, d), false)
			body, ok := bytes.CutSuffix(frame, []byte("\n\n"))
			if !ok || bytes.Count(body, []byte("\n")) != 1 || bytes.ContainsAny(body, "\r\x00<\u2028\u2029") || !utf8.Valid(body) || len(frame) > 64<<10 {
				t.Fatalf("not one frame: %q", frame)
			}
			_, line, _ := bytes.Cut(body, []byte("\ndata: "))
			if !json.Valid(line) {
				t.Fatalf("no JSON: %q", line)
			}
		}
		again = append(again, ']')
		reread, problems := Read(again, Limit{Bytes: 2 << 20, Events: LimitHTTP.Events})
		if len(problems) > 0 || !reflect.DeepEqual(reread, drafts) {
			t.Fatalf("%q\nwas read, but written as\n%q\nis read as %+v, problems %v", data, again, reread, problems)
		}
	})
}

// BenchmarkNotification is what one published event costs, from the request's
// bytes to those on the wire.
func BenchmarkNotification(b *testing.B) {
	event := []byte(`{"type":"notification.new","organizationId":"cmi2x7k0v0000l108org0acme0","payload":{"userId":"cmi2x7k0v0009l108usr0anna0","title":"New offer on Harbour Street 12","message":"Bob Stone offers 425,000 for the third-floor apartment; it is good until Friday.","priority":"high","category":"offer","metadata":{"offerId":"cmi2x7k0v0001l108h3q9b7ze","amount":"425000"}}}`)
	var dst []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(event)))
	for b.Loop() {
		drafts, problems := Read(event, LimitSQL)
		if len(problems) > 0 {
			b.Fatal(problems)
		}
		dst = AppendPayload(dst[:0], &drafts[0])
	}
}
