package feed

import (
	"fmt"
	"slices"
	"testing"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/access"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
	"github.com/oikion/orgcast/internal/route"
)

// watched is a directory of which every state is looked at.
type watched struct {
	*access.Directory
	looked func()
}

func (d watched) Apply(changes []orgcast.StateChange) error {
	err := d.Directory.Apply(changes)
	d.looked()
	return err
}

// A server sends again, from anywhere, what it has sent before; and a feed begins
// at a snapshot, above what the server still sends. An old INSERT lets nobody in
// again, not for a moment.
func TestAnOldInsertOfAMemberGrantsNothing(t *testing.T) {
	join := func(row string) []byte {
		return pgoutputtest.Insert(members, pgoutputtest.Row{row, "ada", "org_a", "AGENT"})
	}
	leave := func(row string) []byte {
		return pgoutputtest.Delete(members, pgoutputtest.Row{row, "ada", "org_a", "AGENT"})
	}
	stay := pgoutputtest.Insert(members, pgoutputtest.Row{"m9", "bob", "org_a", "AGENT"})
	history := [][][]byte{
		transaction(2000, pgoutputtest.Relation(members), join("m1")),
		transaction(2100, stay),
		transaction(2200, leave("m1")),
		transaction(2300, join("m1"), leave("m1"), join("m2")),
		transaction(2400, pgoutputtest.Update(members, pgoutputtest.Row{"m3", "ada", "org_b", "AGENT"}, pgoutputtest.Row{"m2", "ada", "org_a", "AGENT"})),
	}
	r, err := route.ParseRules([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("stale-insert-no-regrant", func(t *testing.T) {
		for from := range history {
			for _, snapshot := range []bool{false, true} {
				t.Run(fmt.Sprintf("from %d, below a snapshot %v", from, snapshot), func(t *testing.T) {
					log := eventlogtest.New(t, eventlog.Hooks{})
					over := false
					d := watched{Directory: access.NewDirectory()}
					d.looked = func() {
						if _, is := d.Membership("ada", "org_a"); is && over {
							t.Error("ada, who left, is let in by what is old")
						}
					}
					w := &witness{Log: log}
					f := New(route.New(r, d, route.Hooks{}), w, d, w, func(orgcast.LSN) {}, t.TempDir(), Hooks{Skipped: func() { w.skipped++ }})
					if snapshot {
						// It is of after the history, and has who is left.
						bob, ada := orgcast.Member{Row: "m9", User: "bob", Organization: "org_a", Role: "AGENT"}, orgcast.Member{Row: "m3", User: "ada", Organization: "org_b", Role: "AGENT"}
						state := []orgcast.StateChange{{Space: orgcast.SpaceMembers, Key: []byte("m9"), Value: bob.Append(nil)}, {Space: orgcast.SpaceMembers, Key: []byte("m3"), Value: ada.Append(nil)}}
						if err := d.Directory.Apply(state); err != nil {
							t.Fatal(err)
						}
						connect(t, f)
						if err := f.Keepalive(2500, true); err != nil {
							t.Fatal(err)
						}
						over = true
					} else {
						connect(t, f)
						mustSend(t, f, slices.Concat(history...))
						over = true
					}
					connect(t, f)
					// The server tells of its tables again on a new connection.
					mustSend(t, f, transaction(1990, pgoutputtest.Relation(members)))
					for _, tx := range history[from:] {
						mustSend(t, f, tx)
					}
					d.looked()
					mustSend(t, f, transaction(3000, pgoutputtest.Insert(members, pgoutputtest.Row{"m4", "eve", "org_a", "AGENT"})))
					for user, want := range map[orgcast.UserID]bool{"ada": false, "bob": true, "eve": true} {
						if _, is := d.Membership(user, "org_a"); is != want {
							t.Errorf("%s is a member: %v, want %v", user, is, want)
						}
					}
					if _, is := d.Membership("ada", "org_b"); !is {
						t.Error("ada is not where she is")
					}
					if w.skipped < len(history)-from {
						t.Errorf("%d transactions skipped, want %d", w.skipped, len(history)-from)
					}
				})
			}
		}
	})
}
