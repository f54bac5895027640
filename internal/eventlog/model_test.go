package eventlog_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
)

// model is what a log is: a slice, a map and a number.
type model struct {
	events   []orgcast.Event         // applied, below position
	parts    []orgcast.Event         // of the open transaction
	staged   [][]orgcast.StateChange // of each part
	state    map[string]string
	position orgcast.LSN
	floor    orgcast.Cursor
}

func (m *model) read(org orgcast.OrganizationID, after, upTo orgcast.Cursor) []string {
	var texts []string
	for _, e := range slices.Concat(m.events, m.parts) {
		if (e.Organization == org || e.Organization == orgcast.Everyone) &&
			e.Cursor.Compare(after) > 0 && e.Cursor.Compare(upTo) <= 0 {
			texts = append(texts, eventText(&e))
		}
	}
	return texts
}

func eventText(e *orgcast.Event) string {
	return fmt.Sprintf("%s %q %d %d %+v %x", e.Cursor, e.Organization, e.Kind, e.Type, e.Audience, e.Frame)
}

// machine drives a log and its model with the same random steps.
type machine struct {
	fs  vfs.FS
	log *eventlog.Log
	model
}

var (
	modelOrganizations = rapid.SampledFrom([]orgcast.OrganizationID{
		"", "org_1", "org_10", "org_100", "org_2", "\x00", "*", orgcast.Everyone, "**"})
	modelKeys = rapid.SampledFrom([]string{"", "a", "a\x00", "ab", "b", "\xff", "\xff\xff"})
)

func (m *machine) open(t *rapid.T) {
	log, err := eventlog.Open("log", eventlog.Options{FS: m.fs, MaxBytes: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Recovered(); err != nil {
		t.Fatalf("damaged by a clean restart: %v", err)
	}
	m.log = log
}

// transaction draws the events of one commit, the index of the first at least
// from.
func (m *machine) transaction(t *rapid.T, lsn orgcast.LSN, from uint64, n int) []orgcast.Event {
	var events []orgcast.Event
	index := from
	for range n {
		index += rapid.Uint64Range(1, 300).Draw(t, "index step")
		events = append(events, orgcast.Event{
			Cursor:       eventlogtest.At(lsn, index),
			Organization: modelOrganizations.Draw(t, "organization"),
			Kind:         orgcast.Kind(rapid.IntRange(0, 1).Draw(t, "kind")),
			Type:         orgcast.EventType(rapid.IntRange(0, 7).Draw(t, "type")),
			Audience: orgcast.Audience{
				User:  orgcast.UserID(rapid.SampledFrom([]string{"", "u"}).Draw(t, "user")),
				Users: rapid.SampledFrom([][]orgcast.UserID{{}, {"u", "v"}}).Draw(t, "users"),
				Roles: rapid.SampledFrom([][]string{{}, {"a", "b"}}).Draw(t, "roles"),
			},
			Frame: rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "frame"),
		})
	}
	return events
}

// append appends events and state, which is staged or not, and the state counts
// in the model if this is the last part.
func (m *machine) append(t *rapid.T, end orgcast.LSN, events []orgcast.Event, staged bool, changes ...orgcast.StateChange) {
	b := m.log.Batch()
	for i := range events {
		b.Event(&events[i])
	}
	for _, c := range changes {
		if staged {
			b.Stage(events[0].Cursor.LSN, c)
		} else {
			b.State(c)
		}
	}
	if err := m.log.Append(b, end, eventlogtest.Committed); err != nil {
		t.Fatal(err)
	}
	m.staged = append(m.staged, changes)
	if end == 0 {
		return
	}
	for _, c := range slices.Concat(m.staged...) {
		key := string(rune(c.Space)) + string(c.Key)
		switch {
		case c.Prefix:
			maps.DeleteFunc(m.state, func(k, _ string) bool { return len(k) >= len(key) && k[:len(key)] == key })
		case c.Value == nil:
			delete(m.state, key)
		default:
			m.state[key] = string(c.Value)
		}
	}
	m.staged = nil
}

// changes draws what happens to the state.
func (m *machine) changes(t *rapid.T) (changes []orgcast.StateChange) {
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		changes = append(changes, orgcast.StateChange{
			Space:  orgcast.Space(rapid.SampledFrom([]byte("pmo")).Draw(t, "space")),
			Key:    []byte(modelKeys.Draw(t, "key")),
			Value:  rapid.SampledFrom([][]byte{nil, {}, []byte("v")}).Draw(t, "value"),
			Prefix: rapid.IntRange(0, 4).Draw(t, "prefix") == 0,
		})
	}
	return changes
}

// deliver draws what the source delivers next: a new transaction, or the open
// one's next part, or the open one from its start. The log must find out about
// the last by itself if it begins with an event that it has.
func (m *machine) deliver(t *rapid.T) []orgcast.Event {
	n := rapid.IntRange(1, 6).Draw(t, "events")
	if len(m.parts) == 0 {
		return m.transaction(t, m.position+orgcast.LSN(rapid.IntRange(0, 300).Draw(t, "gap")), 0, n)
	}
	first, last := m.parts[0].Cursor, m.parts[len(m.parts)-1].Cursor
	switch rapid.IntRange(0, 3).Draw(t, "go on, from its start, discarded") {
	case 0:
		events := m.transaction(t, first.LSN, first.Index, n)
		events[0].Cursor = first
		m.parts, m.staged = nil, nil
		return events
	case 1:
		if err := m.log.Discard(); err != nil {
			t.Fatal(err)
		}
		m.parts, m.staged = nil, nil
		return m.transaction(t, first.LSN, 0, n)
	}
	return m.transaction(t, last.LSN, last.Index, n)
}

func (m *machine) commit(t *rapid.T) {
	events := m.deliver(t)
	lsn := events[0].Cursor.LSN
	end := lsn + orgcast.LSN(rapid.IntRange(1, 300).Draw(t, "length"))
	staged := len(slices.Concat(m.staged...)) > 0 || rapid.Bool().Draw(t, "staged")
	m.append(t, end, events, staged, m.changes(t)...)
	m.events = slices.Concat(m.events, m.parts, events)
	m.parts, m.position = nil, end
}

func (m *machine) part(t *rapid.T) {
	events := m.deliver(t)
	m.append(t, 0, events, true, m.changes(t)...)
	m.parts = append(m.parts, events...)
}

func (m *machine) keepalive(t *rapid.T) {
	if len(m.parts) > 0 {
		t.Skip("a transaction is open")
	}
	m.position += orgcast.LSN(rapid.IntRange(0, 300).Draw(t, "gap"))
	m.append(t, m.position, nil, false)
}

func (m *machine) reopen(t *rapid.T) {
	if err := m.log.Close(); err != nil {
		t.Fatal(err)
	}
	m.parts, m.staged = nil, nil
	m.open(t)
}

func (m *machine) cursor(t *rapid.T, name string) orgcast.Cursor {
	all := slices.Concat(m.events, m.parts)
	c := m.floor
	if len(all) > 0 && rapid.Bool().Draw(t, name+" is an event") {
		c = rapid.SampledFrom(all).Draw(t, name).Cursor
	}
	c.Index += rapid.Uint64Range(0, 2).Draw(t, name+" plus")
	return c
}

func (m *machine) readSome(t *rapid.T) {
	org := modelOrganizations.Draw(t, "organization")
	after, upTo := m.cursor(t, "after"), m.cursor(t, "upTo")
	if rapid.Bool().Draw(t, "to the end") {
		upTo = eventlogtest.At(1<<62, 0)
	}
	limit := rapid.IntRange(1, 50).Draw(t, "limit")
	var got []string
	err := m.log.Read(t.Context(), org, after, upTo, func(e *orgcast.Event) bool {
		got = append(got, eventText(e))
		return len(got) < limit
	})
	if err != nil {
		t.Fatal(err)
	}
	want := m.read(org, after, upTo)
	want = want[:min(limit, len(want))]
	if !slices.Equal(got, want) {
		t.Fatalf("%q from %s to %s: read %q, want %q", org, after, upTo, got, want)
	}
}

// check holds all against the model.
func (m *machine) check(t *rapid.T) {
	if m.log.Position() != m.position || m.log.Durable() > m.position || m.log.Floor() != m.floor {
		t.Fatalf("position %d, want %d; durable %d; floor %s", m.log.Position(), m.position, m.log.Durable(), m.log.Floor())
	}
	if n := m.log.Stats().Events; n != int64(len(m.events)+len(m.parts)) {
		t.Fatalf("%d events are counted, there are %d", n, len(m.events)+len(m.parts))
	}
	state := map[string]string{}
	if err := m.log.State(func(space orgcast.Space, key, value []byte) error {
		state[string(rune(space))+string(key)] = string(value)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(state, m.state) {
		t.Fatalf("state %q, want %q", state, m.state)
	}
}

func TestLogIsAsGoodAsASliceAndAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{fs: vfs.NewMem(), model: model{
			state:    map[string]string{},
			position: eventlogtest.Start,
			floor:    orgcast.Position(eventlogtest.Epoch, eventlogtest.Start),
		}}
		m.open(t)
		defer func() {
			if err := m.log.Close(); err != nil {
				t.Error(err)
			}
		}()
		err := m.log.Begin(t.Context(), eventlogtest.Identity, eventlogtest.Epoch, eventlogtest.Start,
			func(func(orgcast.StateChange) error) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		t.Repeat(map[string]func(*rapid.T){
			"commit": m.commit, "commit again": m.commit, "part": m.part, "keepalive": m.keepalive,
			"read": m.readSome, "read again": m.readSome, "reopen": m.reopen, "": m.check,
		})
	})
}
