package truth

import (
	"slices"
	"strings"
	"testing"

	"github.com/oikion/orgcast/internal/verify"
)

func home(id, organization string) verify.Row {
	return row("id="+id, "organizationId="+organization)
}

func part(id, property string) verify.Row { return row("id="+id, "propertyId="+property, "city=x") }

// note1 changes the content of the note n1.
func note1(old, now, property, client string) verify.Change {
	a, b := note("n1", property, client), note("n1", property, client)
	a["content"], b["content"] = &old, &now
	return upd("notes", a, b)
}

// TestAParentStandsForWhatHangsOnIt holds the model against what the contract says of
// parents that move, come late, and go, in one transaction with their children.
func TestAParentStandsForWhatHangsOnIt(t *testing.T) {
	moves := upd("properties", home("p1", "a"), home("p1", "b"))
	back := upd("properties", home("p1", "b"), home("p1", "a"))
	moved := func(n string) []string {
		return []string{n + " a property.update delete", n + " b property.update create", n + " a reset", n + " b reset"}
	}
	for _, c := range []struct {
		name    string
		changes []verify.Change
		want    []string
	}{
		{"a child that is changed before its parent moves", []verify.Change{note1("x", "y", "p1", ""), moves},
			append([]string{"0 a data.sync delete?", "0 b data.sync delete?", "0 b data.sync create?", "0 b data.sync update?"}, moved("1")...)},
		{"and behind it", []verify.Change{moves, note1("x", "y", "p1", "")},
			append(moved("0"), "1 a data.sync delete?", "1 b data.sync delete?", "1 b data.sync create?", "1 b data.sync update?")},
		{"and is gone", []verify.Change{moves, del("notes", note("n1", "p1", ""))},
			append(moved("0"), "1 a data.sync delete?", "1 b data.sync delete?")},
		{"and is new", []verify.Change{ins("notes", note("n1", "p1", "")), moves},
			append([]string{"0 b data.sync create?"}, moved("1")...)},
		{"and is nobody's at the commit", []verify.Change{moves, note1("x", "y", "p1", "c1")},
			append(moved("0"), "1 a data.sync delete?")},
		{"a child that is saved from the move", []verify.Change{
			upd("notes", note("n1", "p1", ""), note("n1", "", "c1")), moves,
		}, append([]string{"0 a data.sync delete?", "0 b data.sync delete?", "0 a data.sync create?", "0 a data.sync update?"}, moved("1")...)},
		{"a child from elsewhere, where nobody refetches", []verify.Change{
			moves, upd("notes", note("n1", "p5", ""), note("n1", "p1", "")),
		}, append(moved("0"), "1 c data.sync delete", "1 b data.sync create?", "1 b data.sync update?")},
		{"and one that goes there", []verify.Change{
			moves, upd("notes", note("n1", "p1", ""), note("n1", "p5", "")), note1("x", "y", "p5", ""), del("notes", note("n1", "p5", "")),
		}, append(moved("0"), "1 a data.sync delete?", "1 b data.sync delete?", "1 c data.sync create", "2 c data.sync update", "3 c data.sync delete")},
		{"there and back", []verify.Change{moves, note1("x", "y", "p1", ""), back},
			append(moved("0"), "1 a data.sync delete?", "1 b data.sync delete?", "1 a data.sync create?", "1 a data.sync update?",
				"2 b property.update delete", "2 a property.update create", "2 b reset", "2 a reset")},
		{"a task that moves with its property", []verify.Change{moves, upd("tasks", task("t1", "a", "p1"), task("t1", "b", "p1"))},
			append(moved("0"), "1 a data.sync delete?", "1 b data.sync create?")},
		{"a key that is made another's", []verify.Change{del("properties", home("p1", "a")), ins("properties", home("p1", "b"))},
			[]string{"0 a property.update delete", "1 b property.update create", "1 a reset", "1 b reset"}},
		{"a key that is made again, of the same", []verify.Change{
			del("properties", home("p1", "a")), ins("properties", home("p1", "a")), ins("notes", note("n1", "p1", "")),
		}, []string{"0 a property.update delete", "1 a property.update create", "2 a data.sync create"}},
		{"a key that is taken over from another's row", []verify.Change{
			del("properties", home("p1", "a")), upd("properties", home("p2", "b"), home("p1", "b")),
		}, []string{"0 a property.update delete", "1 b property.update delete", "1 b property.update create", "1 a reset", "1 b reset"}},
		{"a new key, and what hangs on it with it", []verify.Change{
			upd("properties", home("p1", "a"), home("p8", "a")), upd("notes", note("n1", "p1", ""), note("n1", "p8", "")),
		}, []string{"0 a property.update delete", "0 a property.update create", "1 a data.sync update"}},
		{"a cascade: the parent goes first", []verify.Change{del("clients", row("id=c1", "organizationId=a")), del("notes", note("n1", "", "c1"))},
			[]string{"0 a data.sync delete", "1 a data.sync delete"}},
		{"a late cascade: a child is changed meanwhile", []verify.Change{
			del("properties", home("p1", "a")), note1("x", "y", "p1", ""), del("notes", note("n1", "p1", "")),
		}, []string{"0 a property.update delete", "1 a data.sync update?", "2 a data.sync delete"}},
		{"and one that comes meanwhile", []verify.Change{
			del("properties", home("p1", "a")), ins("notes", note("n1", "p1", "")), del("notes", note("n1", "p1", "")),
		}, []string{"0 a property.update delete", "1 a data.sync create?", "2 a data.sync delete?"}},
		{"an orphan gets a parent", []verify.Change{ins("properties", home("p9", "b")), note1("x", "y", "p9", "")},
			[]string{"0 b property.update create", "1 b data.sync update?", "1 b data.sync create?"}},
		{"a part whose property is made again may be gone with it", []verify.Change{
			del("properties", home("p1", "a")), ins("properties", home("p1", "a")), del("addresses", part("d1", "p1")),
		}, []string{"0 a property.update delete", "1 a property.update create", "2 a property.update update?"}},
		{"a part that goes to another property", []verify.Change{upd("addresses", part("d1", "p1"), part("d1", "p3"))},
			[]string{"0 a property.update update", "0 a property.update update"}},
		{"and to another organization's", []verify.Change{upd("addresses", part("d1", "p1"), part("d1", "p2"))},
			[]string{"0 a property.update update", "0 b property.update update"}},
		{"TRUNCATE of properties is their parts' as well", []verify.Change{
			{Kind: verify.Truncate, Table: "properties", Also: []string{"addresses", "notes", "tasks"}},
		}, []string{"0 * data.sync delete", "0 * data.sync delete", "0 * data.sync delete"}},
		{"TRUNCATE behind a row that hangs on it, and behind one that does not", []verify.Change{
			ins("notes", note("n9", "p1", "")), {Kind: verify.Truncate, Table: "clients"}, {Kind: verify.Truncate, Table: "properties"},
		}, []string{"0 a data.sync create", "1 * data.sync delete", "1 * reset?", "2 * data.sync delete", "2 * reset?"}},
		{"what is made behind TRUNCATE is new", []verify.Change{
			{Kind: verify.Truncate, Table: "properties", Also: []string{"notes"}}, ins("properties", home("p1", "b")),
		}, []string{"0 * data.sync delete", "0 * data.sync delete", "1 b property.update create"}},
		{"a parent without its old row", []verify.Change{upd("properties", nil, home("p1", "b")), note1("x", "y", "p1", "")},
			[]string{"0 a reset?", "0 b reset?", "1 a data.sync delete?", "1 b data.sync delete?", "1 b data.sync create?", "1 b data.sync update?"}},
		{"a child without its old row", []verify.Change{upd("notes", nil, note("n1", "p1", ""))}, nil},
		{"a column that no rule names", []verify.Change{
			upd("notes", row("id=n1", "content=x", "propertyId=p1", "clientId=", "extra=1"), row("id=n1", "content=x", "propertyId=p1", "clientId=", "extra=2")),
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start()
			s.Parents["properties"]["p3"], s.Parents["properties"]["p5"] = "a", "c"
			m := New(s)
			if got := told(m, c.changes...); !slices.Equal(got, c.want) {
				t.Errorf("told %s\nwant %s", strings.Join(got, "; "), strings.Join(c.want, "; "))
			}
		})
	}
}

// TestNobodyHearsTheValuesOfWhatIsAnothersAtTheCommit is the worst that could be
// wrong here: then the server could tell them, and the verifier would not mind.
func TestNobodyHearsTheValuesOfWhatIsAnothersAtTheCommit(t *testing.T) {
	facts := commit(New(start()),
		note1("x", "secret", "p1", ""),
		upd("properties", home("p1", "a"), home("p1", "b")),
		note1("secret", "more", "p1", ""),
	)
	for _, f := range facts {
		if f.Organization == "a" && of(f, "data") != "null" && f.Type == "data.sync" {
			t.Errorf("%+v", f)
		}
	}
}

// TestAParentIsKnownWithinTheTransactionThatDeletesIt and not behind it.
func TestAParentIsKnownWithinTheTransactionThatDeletesIt(t *testing.T) {
	m := New(start())
	told(m, del("properties", home("p1", "a")))
	if got := told(m, ins("notes", note("n1", "p1", ""))); got != nil {
		t.Errorf("a parent that is gone is somebody's: %q", got)
	}
	if got := told(m, ins("properties", home("p1", "b"))); !slices.Equal(got, []string{"0 b property.update create"}) {
		t.Errorf("the key is a new parent: %q", got)
	}
	if got := told(m, ins("notes", note("n1", "p1", ""))); !slices.Equal(got, []string{"0 b data.sync create"}) {
		t.Errorf("its child: %q", got)
	}
}
