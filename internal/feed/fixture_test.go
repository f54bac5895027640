package feed

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
	"github.com/oikion/orgcast/internal/publish"
	"github.com/oikion/orgcast/internal/route"
)

const rules = `
version: 1
organizations: {table: organizations, id: id, name: name}
membership: {table: members, id: id, user: user, organization: organization, role: role}
sessions: {table: sessions, token: token, user: user, expires: expires}
tables:
  clients:
    event: data.sync
    entity: client
    tenant: [organization]
    columns: [id, name]
  notes:
    event: data.sync
    entity: note
    tenant: [{client: clients}]
    columns: [id, text]
`

func table(oid uint32, name string, columns ...string) *orgcast.Relation {
	r := &orgcast.Relation{OID: oid, Schema: "public", Name: name, Identity: orgcast.IdentityFull}
	for _, c := range columns {
		r.Columns = append(r.Columns, orgcast.Column{Name: c, TypeOID: 25, TypeMod: -1, Key: true})
	}
	return r
}

var (
	clients       = table(2, "clients", "id", "organization", "name")
	notes         = table(3, "notes", "id", "client", "text")
	members       = table(5, "members", "id", "user", "organization", "role")
	organizations = table(6, "organizations", "id", "name")
	sessions      = table(4, "sessions", "id", "token", "user", "expires")
)

func newClient(id string) []byte {
	return pgoutputtest.Insert(clients, pgoutputtest.Row{id, "org_a", "Ada"})
}

// witness writes down what the feed tells its neighbours, in the order in which
// it does.
type witness struct {
	*eventlog.Log
	heard     []string
	positions []orgcast.LSN // that the hub was told
	events    []orgcast.Event
	sessions  []orgcast.SessionChange
	learned   []orgcast.StateChange // by the directory, but for the parents
	lapped    bool
	appends   int
	largest   int // batch, in bytes
	skipped   int
	spilled   int
	refused   []publish.Reason
	fails     error // the next append's
}

func (w *witness) hear(word string) { w.heard = append(w.heard, word) }

func (w *witness) Append(b *eventlog.Batch, end orgcast.LSN, committed time.Time) error {
	if err := w.fails; err != nil {
		w.fails = nil
		// Below the position: the real one refuses it, and empties the batch.
		return errors.Join(err, w.Log.Append(b, 1, committed))
	}
	w.largest = max(w.largest, b.Size())
	w.appends++
	if end == 0 {
		w.hear("part")
	} else {
		w.hear("log")
	}
	return w.Log.Append(b, end, committed)
}

func (w *witness) Apply(changes []orgcast.StateChange) error {
	w.hear("directory")
	for _, c := range changes {
		if c.Space != orgcast.SpaceParents {
			c.Key, c.Value = slices.Clone(c.Key), slices.Clone(c.Value)
			w.learned = append(w.learned, c)
		}
	}
	return nil
}

func (w *witness) Dispatch(end orgcast.LSN, events []orgcast.Event, _ []orgcast.MemberChange, sessions []orgcast.SessionChange, lapped bool) {
	w.hear("hub")
	w.positions = append(w.positions, end)
	w.lapped, w.sessions = lapped, append(w.sessions, sessions...)
	for _, e := range events {
		e.Frame = slices.Clone(e.Frame)
		w.events = append(w.events, e)
	}
}

func (w *witness) Advance(end orgcast.LSN) {
	w.hear("advance")
	w.positions = append(w.positions, end)
}

// Membership: nobody is a member, for the router.
func (w *witness) Membership(orgcast.UserID, orgcast.OrganizationID) (orgcast.Membership, bool) {
	return orgcast.Membership{}, false
}

// begin makes a feed over a log in memory.
func begin(t *testing.T) (*Feed, *witness) {
	t.Helper()
	return over(t, eventlogtest.New(t, eventlog.Hooks{}), t.TempDir())
}

// over makes a feed over a log.
func over(t *testing.T, log *eventlog.Log, dir string) (*Feed, *witness) {
	t.Helper()
	r, err := route.ParseRules([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{Log: log}
	f := New(route.New(r, w, route.Hooks{Refused: func(reason publish.Reason, _ []publish.Problem) { w.refused = append(w.refused, reason) }}), w, w, w, func(orgcast.LSN) { w.hear("passed") }, dir, Hooks{
		Skipped: func() { w.skipped++ },
		Spilled: func() { w.spilled++ },
	})
	connect(t, f)
	return f, w
}

// connect is a new connection.
func connect(t *testing.T, f *Feed) {
	t.Helper()
	if err := f.Begin(eventlogtest.Epoch); err != nil {
		t.Fatal(err)
	}
}

// transaction commits at an LSN, and ends 10 behind it.
func transaction(at orgcast.LSN, frames ...[]byte) [][]byte {
	return pgoutputtest.Transaction(orgcast.Transaction{XID: uint32(at), CommitLSN: at, EndLSN: at + 10, CommitTime: eventlogtest.Committed}, frames...)
}

// send gives the frames to the feed until one fails.
func send(f *Feed, frames [][]byte) error {
	for _, frame := range frames {
		own := slices.Clone(frame)
		err := f.Frame(0, own)
		clear(own) // good only during the call
		if err != nil {
			return err
		}
	}
	return nil
}

func mustSend(t *testing.T, f *Feed, frames [][]byte) {
	t.Helper()
	if err := send(f, frames); err != nil {
		t.Fatal(err)
	}
}

// stored lists the cursors of an organization's events in the log.
func stored(t *testing.T, w *witness) (cursors []string) {
	t.Helper()
	for _, e := range eventlogtest.Read(t, w.Log, "org_a", orgcast.Position(eventlogtest.Epoch, eventlogtest.Start), eventlogtest.At(1<<60, 0)) {
		cursors = append(cursors, e.Cursor.String())
	}
	return cursors
}

func cursors(lsn orgcast.LSN, ordinals ...uint64) (list []string) {
	for _, n := range ordinals {
		list = append(list, eventlogtest.At(lsn, n*orgcast.SubIndexes).String())
	}
	return list
}

func expect(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}
