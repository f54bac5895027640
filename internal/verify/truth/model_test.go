package truth

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast/internal/verify"
)

// row is a row of `column=value` pairs; `column=` is NULL.
func row(pairs ...string) verify.Row {
	r := verify.Row{}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		if r[name] = &value; value == "" {
			r[name] = nil
		}
	}
	return r
}

func ins(table string, r verify.Row) verify.Change {
	return verify.Change{Kind: verify.Insert, Table: table, New: r}
}

func del(table string, r verify.Row) verify.Change {
	return verify.Change{Kind: verify.Delete, Table: table, Old: r}
}

func upd(table string, old, now verify.Row) verify.Change {
	return verify.Change{Kind: verify.Update, Table: table, Old: old, New: now}
}

func say(prefix, content string) verify.Change {
	return verify.Change{Kind: verify.Message, Prefix: prefix, Content: content}
}

// start: u is a member of a and b, v of b; p1 and c1 are a's, p2 is b's.
func start() Snapshot {
	return Snapshot{
		LSN:           10,
		Memberships:   []Membership{{"m1", "u", "a", "ADMIN"}, {"m2", "v", "b", "AGENT"}, {"m3", "u", "b", "AGENT"}},
		Parents:       map[string]map[string]string{"properties": {"p1": "a", "p2": "b"}, "clients": {"c1": "a"}},
		Organizations: map[string]string{"a": "A", "b": "B"},
	}
}

func task(id, organization, property string) verify.Row {
	return row("id="+id, "organizationId="+organization, "propertyId="+property, "clientId=", "assignedTo=", "title=t")
}

func note(id, property, client string) verify.Row {
	return row("id="+id, "content=x", "propertyId="+property, "clientId="+client)
}

// told are the facts of a transaction, each as "ordinal organization type operation",
// with a question mark behind it if it may be heard and need not.
func told(m *Model, changes ...verify.Change) (all []string) {
	for _, f := range commit(m, changes...) {
		what := fmt.Sprintf("%d %s %s", f.Ordinal, f.Organization, f.Type)
		if operation := of(f, "operation"); operation != "" {
			what += " " + operation
		}
		if f.May {
			what += "?"
		}
		all = append(all, what)
	}
	return all
}

// commit commits a transaction, 10 behind the one before.
func commit(m *Model, changes ...verify.Change) []verify.Fact {
	lsn := uint64(20)
	if m.tx != nil {
		lsn = m.tx.LSN + 10
	}
	return m.Commit(verify.Transaction{LSN: lsn, Committed: time.UnixMilli(5), Changes: changes})
}

// of is a text in a fact's payload, "" if there is none.
func of(f verify.Fact, name string) string {
	members, err := membersOf(f.Payload)
	if err != nil || members[name] == "" {
		return ""
	}
	text, err := unquote(members[name])
	if err != nil {
		return members[name]
	}
	return text
}

// TestWhatIsToBeHeard holds the model against sentences of the contract, each with a
// transaction that is small enough to be read.
func TestWhatIsToBeHeard(t *testing.T) {
	for _, c := range []struct {
		name    string
		changes []verify.Change
		want    []string // see told
	}{
		{"a row of an organization", []verify.Change{ins("tasks", task("t1", "a", ""))}, []string{"0 a data.sync create"}},
		{"by its parent", []verify.Change{ins("notes", note("n1", "p2", ""))}, []string{"0 b data.sync create"}},
		{"paths that agree", []verify.Change{ins("notes", note("n1", "p1", "c1"))}, []string{"0 a data.sync create"}},
		{"paths that disagree are withheld", []verify.Change{ins("notes", note("n1", "p2", "c1"))}, nil},
		{"a path that leads nowhere is withheld", []verify.Change{ins("notes", note("n1", "p9", "c1"))}, nil},
		{"no path is nobody's", []verify.Change{ins("notes", note("n1", "", ""))}, nil},
		{"a parent of the same transaction", []verify.Change{
			ins("properties", row("id=p3", "organizationId=b")), ins("notes", note("n1", "p3", "")),
		}, []string{"0 b property.update create", "1 b data.sync create"}},
		{"a parent that comes behind", []verify.Change{
			ins("notes", note("n1", "p3", "")), ins("properties", row("id=p3", "organizationId=b")),
		}, []string{"0 b data.sync create", "1 b property.update create"}},
		{"a row that moves is gone here and new there", []verify.Change{
			upd("tasks", task("t1", "a", ""), task("t1", "b", "")),
		}, []string{"0 a data.sync delete", "0 b data.sync create"}},
		{"a parent that moves has both refetch", []verify.Change{
			upd("properties", row("id=p1", "organizationId=a"), row("id=p1", "organizationId=b")),
		}, []string{"0 a property.update delete", "0 b property.update create", "0 a reset", "0 b reset"}},
		{"an update without a change is silent", []verify.Change{upd("tasks", task("t1", "a", ""), task("t1", "a", ""))}, nil},
		{"a delete", []verify.Change{del("tasks", task("t1", "a", ""))}, []string{"0 a data.sync delete"}},
		{"a delete of which only the key is known is withheld", []verify.Change{del("notes", row("id=n1"))}, nil},
		{"a part's delete behind its property's is silent", []verify.Change{
			del("properties", row("id=p1", "organizationId=a")), del("addresses", row("id=d1", "propertyId=p1")),
		}, []string{"0 a property.update delete"}},
		{"and before it is not", []verify.Change{
			del("addresses", row("id=d1", "propertyId=p1")), del("properties", row("id=p1", "organizationId=a")),
		}, []string{"0 a property.update update", "1 a property.update delete"}},
		{"a member who leaves and one who comes", []verify.Change{
			del("organization_members", row("id=m2")), ins("organization_members", row("id=m4", "userId=v", "organizationId=a", "role=AGENT")),
		}, []string{"0 b member.leave", "1 a member.join"}},
		{"a membership that goes over is a leave and a join", []verify.Change{
			upd("organization_members", row("id=m2"), row("id=m2", "userId=v", "organizationId=a", "role=AGENT")),
		}, []string{"0 b member.leave", "0 a member.join"}},
		{"a name and a plan are two", []verify.Change{
			upd("organizations", row("id=a", "name=A", "plan=FREE", "isPersonal=f"), row("id=a", "name=Z", "plan=PRO", "isPersonal=f")),
		}, []string{"0 a organization.change", "0 a organization.change"}},
		{"a task that is given to a member", []verify.Change{
			ins("tasks", row("id=t1", "organizationId=a", "propertyId=", "clientId=", "assignedTo=u", "title=t")),
		}, []string{"0 a data.sync create", "0 a notification.new"}},
		{"and to a stranger", []verify.Change{
			ins("tasks", row("id=t1", "organizationId=a", "propertyId=", "clientId=", "assignedTo=v", "title=t")),
		}, []string{"0 a data.sync create"}},
		{"TRUNCATE", []verify.Change{{Kind: verify.Truncate, Table: "notes", Also: []string{"activities"}}}, []string{"0 * data.sync delete"}},
		{"an event by SQL", []verify.Change{
			say("orgcast", `{"type":"system.alert","organizationId":"a","payload":{"alertType":"info","message":"x"}}`),
		}, []string{"0 a system.alert"}},
		{"of an organization that is not there", []verify.Change{
			say("orgcast", `{"type":"system.alert","organizationId":"z","payload":{"alertType":"info","message":"x"}}`),
		}, nil},
		{"to everybody, which SQL may not", []verify.Change{
			say("orgcast", `{"type":"system.alert","organizationId":"*","payload":{"alertType":"info","message":"x"}}`),
		}, nil},
		{"what is not mapped", []verify.Change{ins("users", row("id=u9", "password=x"))}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := told(New(start()), c.changes...)
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestAnUnchangedValueIsNamedAndNeverNull(t *testing.T) {
	now := note("n1", "p1", "")
	delete(now, "content")
	old := note("n1", "p1", "c1")
	delete(old, "content")
	facts := New(start()).Commit(verify.Transaction{LSN: 20, Changes: []verify.Change{upd("notes", old, now)}})
	if len(facts) != 1 || !strings.Contains(facts[0].Payload, `"unchanged":["content"`) || strings.Contains(facts[0].Payload, `"content":null`) {
		t.Errorf("%+v", facts)
	}
}

func TestValuesAreThoseOfPrismaClient(t *testing.T) {
	for _, c := range []struct {
		kind       kind
		text, want string
	}{
		{decimal, "10.50", `"10.5"`}, {decimal, "100", `"100"`}, {decimal, "100.00", `"100"`}, {decimal, "NaN", "null"},
		{moment, "2026-01-02 03:04:05.6", `"2026-01-02T03:04:05.600Z"`}, {moment, "infinity", "null"}, {moment, "0044-03-15 12:00:00 BC", "null"},
		{boolean, "t", "true"}, {integer, "7", "7"}, {text, "\u2028\"", `"\u2028\""`}, {document, `{"b": 1.50, "a": [null]}`, `{"a":[null],"b":1.50}`},
	} {
		if got := c.kind.value(&c.text); got != c.want {
			t.Errorf("%s is %s, want %s", c.text, got, c.want)
		}
	}
}
