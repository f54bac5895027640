package access

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
)

func setMember(m orgcast.Member) orgcast.StateChange {
	return orgcast.StateChange{Space: orgcast.SpaceMembers, Key: []byte(m.Row), Value: m.Append(nil)}
}

// model is a membership table and the organizations' names, without any index.
type model struct {
	rows  map[string]orgcast.Member
	names map[orgcast.OrganizationID]string
	// sessions by their keys, as stored.
	sessions map[string]string
}

func (m *model) apply(c orgcast.StateChange) {
	switch {
	case c.Space == orgcast.SpaceMembers && c.Prefix:
		clear(m.rows)
	case c.Space == orgcast.SpaceMembers && c.Value == nil:
		delete(m.rows, string(c.Key))
	case c.Space == orgcast.SpaceMembers:
		member, err := orgcast.ParseMember(c.Key, c.Value)
		if err != nil {
			panic(err)
		}
		m.rows[member.Row] = member
	case c.Space == orgcast.SpaceSessions && c.Prefix:
		clear(m.sessions)
	case c.Space == orgcast.SpaceSessions && c.Value == nil:
		delete(m.sessions, string(c.Key))
	case c.Space == orgcast.SpaceSessions:
		m.sessions[string(c.Key)] = string(c.Value)
	case c.Space == orgcast.SpaceOrganizations && c.Prefix:
		clear(m.names)
	case c.Space == orgcast.SpaceOrganizations && c.Value == nil:
		delete(m.names, orgcast.OrganizationID(c.Key))
	case c.Space == orgcast.SpaceOrganizations:
		m.names[orgcast.OrganizationID(c.Key)] = string(c.Value)
	}
}

// membership looks at every row: the newest of a place counts.
func (m *model) membership(user orgcast.UserID, organization orgcast.OrganizationID) (found orgcast.Membership, ok bool) {
	row := ""
	for _, r := range m.rows {
		if r.User != user || r.Organization != organization || ok && (r.Since < found.Since || r.Since == found.Since && r.Row < row) {
			continue
		}
		found, row, ok = orgcast.Membership{Organization: organization, User: user, Role: r.Role, Since: r.Since}, r.Row, true
	}
	return found, ok
}

// entries is what a log would have stored.
func (m *model) entries(put func(orgcast.Space, []byte, []byte) error) error {
	var err error
	for _, r := range m.rows {
		err = errors.Join(err, put(orgcast.SpaceMembers, []byte(r.Row), r.Append(nil)))
	}
	for id, name := range m.names {
		err = errors.Join(err, put(orgcast.SpaceOrganizations, []byte(id), []byte(name)))
	}
	for id, value := range m.sessions {
		err = errors.Join(err, put(orgcast.SpaceSessions, []byte(id), []byte(value)))
	}
	return errors.Join(err, put(orgcast.SpaceParents, []byte("not"), []byte("ours")))
}

var (
	testUsers         = []orgcast.UserID{"u", "u1", ""}
	testOrganizations = []orgcast.OrganizationID{"o", "o1", "1"}
	testSessions      = []orgcast.SessionID{{}, {1}, {31: 1}}
)

func drawChange(t *rapid.T) orgcast.StateChange {
	row := rapid.SampledFrom([]string{"r1", "r2", "r3", "r4"}).Draw(t, "row")
	organization := rapid.SampledFrom(testOrganizations).Draw(t, "organization")
	session := rapid.SampledFrom(testSessions).Draw(t, "session")
	switch rapid.IntRange(0, 25).Draw(t, "change") {
	case 20:
		return orgcast.StateChange{Space: orgcast.SpaceSessions, Prefix: true}
	case 21:
		return orgcast.StateChange{Space: orgcast.SpaceSessions, Key: session[:]}
	case 22, 23, 24, 25:
		s := orgcast.Session{User: rapid.SampledFrom(testUsers[:2]).Draw(t, "whose"), ExpiresAt: time.UnixMicro(rapid.Int64Range(-10, 10).Draw(t, "until"))}
		return orgcast.StateChange{Space: orgcast.SpaceSessions, Key: session[:], Value: s.Append(nil)}
	case 0:
		return orgcast.StateChange{Space: orgcast.SpaceMembers, Prefix: true}
	case 1:
		return orgcast.StateChange{Space: orgcast.SpaceOrganizations, Prefix: true}
	case 2:
		return orgcast.StateChange{Space: orgcast.SpaceParents, Prefix: true}
	case 3:
		return orgcast.StateChange{Space: orgcast.SpaceParents, Key: []byte(row), Value: []byte("x")}
	case 4, 5:
		return orgcast.StateChange{Space: orgcast.SpaceOrganizations, Key: []byte(organization)}
	case 6, 7:
		return orgcast.StateChange{Space: orgcast.SpaceOrganizations, Key: []byte(organization), Value: []byte(rapid.StringN(0, 3, -1).Draw(t, "name"))}
	case 8, 9, 10:
		return orgcast.StateChange{Space: orgcast.SpaceMembers, Key: []byte(row)}
	}
	// Rows change their user and their organization too.
	return setMember(orgcast.Member{
		Row: row, Organization: organization, User: rapid.SampledFrom(testUsers).Draw(t, "user"),
		Role: rapid.SampledFrom([]string{"ADMIN", "AGENT"}).Draw(t, "role"), Since: orgcast.LSN(rapid.IntRange(0, 5).Draw(t, "since")),
	})
}

// Whatever happens to the table, the directory says of everybody what a look at
// every row says; and loaded anew from what is stored, it says the same.
func TestTheDirectorySaysWhatTheTableSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := NewDirectory()
		m := &model{map[string]orgcast.Member{}, map[orgcast.OrganizationID]string{}, map[string]string{}}
		for range rapid.IntRange(1, 30).Draw(t, "transactions") {
			changes := rapid.SliceOfN(rapid.Custom(drawChange), 0, 5).Draw(t, "changes")
			for _, c := range changes {
				m.apply(c)
			}
			if err := d.Apply(changes); err != nil {
				t.Fatal(err)
			}
			for _, c := range changes { // good only during the call
				clear(c.Key)
				clear(c.Value)
			}
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				if err := d.Replace(m.entries); err != nil {
					t.Fatal(err)
				}
			}
			for _, u := range testUsers {
				for _, o := range testOrganizations {
					got, ok := d.Membership(u, o)
					if want, wantOK := m.membership(u, o); got != want || ok != wantOK {
						t.Fatalf("%q in %q: %+v %v, want %+v %v", u, o, got, ok, want, wantOK)
					}
				}
			}
			for _, o := range testOrganizations {
				if got := d.Name(o); got != m.names[o] {
					t.Fatalf("name of %q: %q, want %q", o, got, m.names[o])
				}
			}
			for _, id := range testSessions {
				got, ok := d.Session(id)
				value, wantOK := m.sessions[string(id[:])]
				if ok != wantOK || ok && string(got.Append(nil)) != value {
					t.Fatalf("session %x: %+v %v, want %q", id, got, ok, value)
				}
			}
			if d.Sessions() != len(m.sessions) {
				t.Fatalf("%d sessions, want %d", d.Sessions(), len(m.sessions))
			}
			if members, names := d.Size(); members != len(m.rows) || names != len(m.names) {
				t.Fatalf("%d members and %d names, want %d and %d", members, names, len(m.rows), len(m.names))
			}
		}
		if len(d.places) > len(d.rows) {
			t.Fatalf("%d places of %d rows: who left is remembered", len(d.places), len(d.rows))
		}
	})
}

func TestAnEntryThatCannotBeReadIsAnErrorAndNobodysMembership(t *testing.T) {
	good := setMember(orgcast.Member{Row: "r1", Organization: "o", User: "u"})
	bad := orgcast.StateChange{Space: orgcast.SpaceMembers, Key: []byte("r1"), Value: []byte("short")}
	d := NewDirectory()
	if err := d.Apply([]orgcast.StateChange{good}); err != nil {
		t.Fatal(err)
	}
	if err := d.Replace(func(put func(orgcast.Space, []byte, []byte) error) error { return put(bad.Space, bad.Key, bad.Value) }); err == nil {
		t.Fatal("loaded")
	}
	if _, ok := d.Membership("u", "o"); !ok {
		t.Error("what was known before a failed load is gone")
	}
	if err := d.Apply([]orgcast.StateChange{bad}); err == nil {
		t.Fatal("applied")
	}
	if _, ok := d.Membership("u", "o"); ok {
		t.Error("a row that can't be read any more still admits its user")
	}
}

// Who stays a member is one at every moment, whatever is applied or loaded in
// the meantime. The race detector watches.
func TestWhoStaysIsAMemberAtEveryMoment(t *testing.T) {
	d := NewDirectory()
	stays := setMember(orgcast.Member{Row: "stays", Organization: "o", User: "u", Role: "AGENT", Since: 7})
	if err := d.Apply([]orgcast.StateChange{stays}); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if m, ok := d.Membership("u", "o"); !ok || m.Role != "AGENT" || m.Since != 7 {
					t.Errorf("got %+v %v", m, ok)
					return
				}
				if name := d.Name("o"); strings.Trim(name, "0123456789") != "" {
					t.Errorf("name %q", name)
				}
				d.Size()
			}
		})
	}
	for n := range 1000 {
		row := fmt.Sprint("r", n%10)
		err := d.Apply([]orgcast.StateChange{
			{Space: orgcast.SpaceMembers, Prefix: true}, // truncated and filled again in one transaction
			stays,
			setMember(orgcast.Member{Row: row, Organization: "o", User: "u", Role: "ADMIN", Since: 3}),
			{Space: orgcast.SpaceOrganizations, Key: []byte("o"), Value: fmt.Append(nil, n)},
		})
		if n%10 == 0 {
			err = errors.Join(err, d.Replace(func(put func(orgcast.Space, []byte, []byte) error) error {
				return put(stays.Space, stays.Key, stays.Value)
			}))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	readers.Wait()
}

func BenchmarkMembership(b *testing.B) {
	d := NewDirectory()
	var changes []orgcast.StateChange
	for n := range 10_000 {
		changes = append(changes, setMember(orgcast.Member{
			Row: fmt.Sprint("row", n), Organization: orgcast.OrganizationID(fmt.Sprint("org", n%100)), User: orgcast.UserID(fmt.Sprint("user", n)),
		}))
	}
	if err := d.Apply(changes); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := d.Membership("user42", "org42"); !ok {
			b.Fatal("no member")
		}
	}
}

// A session that can't be read is nobody's, and what was there before is not left
// standing in its place.
func TestASessionThatCannotBeReadIsNobodys(t *testing.T) {
	id := orgcast.NameSession([]byte("token"))
	good := orgcast.Session{User: "u", ExpiresAt: time.UnixMicro(1)}
	for name, bad := range map[string]orgcast.StateChange{
		"no user":     {Space: orgcast.SpaceSessions, Key: id[:], Value: make([]byte, 8)},
		"nothing":     {Space: orgcast.SpaceSessions, Key: id[:], Value: []byte{}},
		"a short key": {Space: orgcast.SpaceSessions, Key: id[:31], Value: good.Append(nil)},
	} {
		d := NewDirectory()
		if err := d.Apply([]orgcast.StateChange{{Space: orgcast.SpaceSessions, Key: id[:], Value: good.Append(nil)}}); err != nil {
			t.Fatal(err)
		}
		if err := d.Apply([]orgcast.StateChange{bad}); err == nil {
			t.Errorf("%s: read", name)
		}
		if _, ok := d.Session(id); ok && len(bad.Key) == len(id) {
			t.Errorf("%s: the old one stands", name)
		}
	}
}
