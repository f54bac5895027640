package eventlog_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

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
	purged   map[orgcast.OrganizationID]orgcast.Cursor
	waits    map[orgcast.OrganizationID]waiting
}

// waiting is an organization that the application deleted.
type waiting struct {
	through orgcast.LSN
	kept    orgcast.Cursor // from where it can be read on
	since   time.Time
}

// floorOf is where an organization begins.
func (m *model) floorOf(org orgcast.OrganizationID) orgcast.Cursor {
	if c, ok := m.purged[org]; ok {
		return c
	}
	return m.floor
}

// keptOf is where it begins for who reads it already.
func (m *model) keptOf(org orgcast.OrganizationID) orgcast.Cursor {
	if w, ok := m.waits[org]; ok {
		return w.kept
	}
	return m.floorOf(org)
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
	fs    vfs.FS
	clock *clock
	log   *eventlog.Log
	cut   *int // how often a trim has taken something
	model
}

var (
	modelOrganizations = rapid.SampledFrom([]orgcast.OrganizationID{
		"", "org_1", "org_10", "org_100", "org_2", "\x00", "*", orgcast.Everyone, "**"})
	modelKeys = rapid.SampledFrom([]string{"", "a", "a\x00", "ab", "b", "\xff", "\xff\xff"})
)

func (m *machine) open(t *rapid.T) {
	log, err := eventlog.Open("log", eventlog.Options{FS: m.fs, MaxBytes: 32 << 20, MaxAge: 1 << 60, Now: m.clock.now})
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
	// No commit record is one byte long: see [orgcast.Position].
	end := lsn + orgcast.LSN(rapid.IntRange(2, 300).Draw(t, "length"))
	staged := len(slices.Concat(m.staged...)) > 0 || rapid.Bool().Draw(t, "staged")
	m.endings(t, end)
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
	m.deleteWaiting(0, false)
	for org, w := range m.waits {
		w.since = time.Time{}
		m.waits[org] = w
	}
	m.check(t)
	m.pass(t, 0)
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
	if after.Compare(m.keptOf(org)) < 0 {
		if !errors.Is(err, eventlog.ErrBelowFloor) || len(got) > 0 {
			t.Fatalf("%q from %s, below %s: read %q, %v", org, after, m.keptOf(org), got, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	want := m.read(org, after, upTo)
	want = want[:min(limit, len(want))]
	if !slices.Equal(got, want) {
		t.Fatalf("%q from %s to %s: read %q, want %q", org, after, upTo, got, want)
	}
}

// purge removes an organization, to where the transactions are complete.
func (m *machine) purge(t *rapid.T) {
	org := modelOrganizations.Draw(t, "purged")
	before := len(m.events)
	got, err := m.log.Purge(t.Context(), org)
	if org == orgcast.Everyone {
		if !errors.Is(err, eventlog.ErrNotOne) {
			t.Fatalf("purge of everyone: %v", err)
		}
		return
	}
	m.events = slices.DeleteFunc(slices.Clone(m.events), func(e orgcast.Event) bool { return e.Organization == org })
	if err != nil || got.Events != uint64(before-len(m.events)) || got.Floor != m.log.FloorOf(org) {
		t.Fatalf("purge of %q: %+v, %v; the model loses %d", org, got, err, before-len(m.events))
	}
	if got.Floor != orgcast.Position(eventlogtest.Epoch, m.position) {
		t.Fatalf("floor %s, position %d", got.Floor, m.position)
	}
	m.purged[org] = got.Floor
	delete(m.waits, org)
}

// endings has the transaction that is committed delete organizations, and make some.
func (m *machine) endings(t *rapid.T, end orgcast.LSN) {
	now := map[orgcast.OrganizationID]bool{}
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(t, "endings") {
		org := modelOrganizations.Draw(t, "ends or begins")
		if org == orgcast.Everyone {
			m.log.Batch().Purge(org) // of nobody
			continue
		}
		through := end
		if rapid.Bool().Draw(t, "begins") {
			m.log.Batch().Anew(org)
			if _, former := m.purged[org]; !former && !now[org] {
				continue // of a name that was never there
			}
			through = m.position
		} else {
			m.log.Batch().Purge(org)
		}
		now[org] = true
		w, waits := m.waits[org]
		if !waits {
			w.since = m.clock.now()
		}
		w.through, w.kept = through, m.keptOf(org)
		m.waits[org] = w
	}
	for org := range now {
		m.purged[org] = orgcast.Position(eventlogtest.Epoch, m.position)
	}
}

// longest is how long one waits already.
func (m *machine) longest() (d time.Duration) {
	for _, w := range m.waits {
		d = max(d, m.clock.now().Sub(w.since))
	}
	return d
}

// deleteWaiting is what a start does, and the sweeper in its time, with those who wait
// that long. What is not rewritten then waits for that, with nothing to be read.
func (m *machine) deleteWaiting(least time.Duration, rewritten bool) {
	for org, w := range m.waits {
		if m.clock.now().Sub(w.since) < least {
			continue
		}
		if at := orgcast.Position(eventlogtest.Epoch, w.through); at.Compare(m.purged[org]) > 0 {
			m.purged[org] = at
		}
		m.lose(org, m.purged[org])
		if rewritten {
			delete(m.waits, org)
		} else {
			m.waits[org] = waiting{w.through, m.purged[org], w.since}
		}
	}
}

// lose deletes an organization's events up to a floor.
func (m *machine) lose(org orgcast.OrganizationID, floor orgcast.Cursor) {
	m.events = slices.DeleteFunc(slices.Clone(m.events), func(e orgcast.Event) bool {
		return e.Organization == org && e.Cursor.Compare(floor) <= 0
	})
}

// wait is less than the hour after which all goes that has waited for half of it.
func (m *machine) wait(t *rapid.T) { m.pass(t, 25*time.Minute) }

func (m *machine) sweep(t *rapid.T) { m.pass(t, time.Hour) }

// segment lets the next event begin one.
func (m *machine) segment(t *rapid.T) { m.pass(t, 6*time.Hour) }

// pass lets time pass, and has the sweeper do what is due then, before it does it by
// itself.
func (m *machine) pass(t *rapid.T, d time.Duration) {
	m.clock.move(d)
	if err := m.log.Keep(); err != nil {
		t.Fatal(err)
	}
	if m.longest() >= time.Hour {
		m.deleteWaiting(30*time.Minute, true)
	}
}

// sizes is how many bytes each organization has.
func (m *machine) sizes() map[orgcast.OrganizationID]uint64 {
	sizes := map[orgcast.OrganizationID]uint64{}
	for _, e := range slices.Concat(m.events, m.parts) {
		sizes[e.Organization] += eventlog.EventSize(&e)
	}
	return sizes
}

// trim takes from those over their share. What the log took the model is told by the
// floors, and holds against the level: nobody is cut below it, or loses anything but
// his oldest events.
func (m *machine) trim(t *rapid.T) {
	need := rapid.Uint64Range(1, 2000).Draw(t, "need")
	m.deleteWaiting(time.Minute, false)
	before := m.sizes()
	above := func(level uint64) (sum uint64) {
		for org, n := range before {
			if org != orgcast.Everyone {
				sum += n - min(n, level)
			}
		}
		return sum
	}
	level := uint64(0)
	for above(level+1) >= need {
		level++
	}
	if err := m.log.Trim(need); err != nil {
		t.Fatal(err)
	}
	for org := range before {
		switch floor := m.log.KeptOf(org); {
		case floor.Compare(m.keptOf(org)) < 0, org == orgcast.Everyone && floor != m.floor, floor != m.keptOf(org) && above(0) < need:
			t.Fatalf("the floor of %q is %s, it was %s", org, floor, m.keptOf(org))
		case floor != m.keptOf(org):
			m.lose(org, floor)
			*m.cut++
			if w, waits := m.waits[org]; waits {
				w.kept = floor
				m.waits[org] = w
			}
			if floor.Compare(m.floorOf(org)) > 0 {
				m.purged[org] = floor
			}
		}
		if m.log.FloorOf(org) != m.floorOf(org) {
			t.Fatalf("who comes to %q begins at %s, want %s", org, m.log.FloorOf(org), m.floorOf(org))
		}
	}
	for org, left := range m.sizes() {
		if left < min(before[org], level) {
			t.Fatalf("%q is cut from %d to %d, the level is %d", org, before[org], left, level)
		}
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
	has, stored, err := m.log.Has()
	if err != nil || stored >= max(m.log.Stats().Segments, 1) {
		t.Fatalf("%d tallies of %d segments are stored: %v", stored, m.log.Stats().Segments, err)
	}
	if want := m.sizes(); !maps.Equal(has, want) {
		t.Fatalf("the tallies say %v, there is %v", has, want)
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
	cut := 0
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{fs: vfs.NewMem(), clock: newClock(), cut: &cut, model: model{
			state:    map[string]string{},
			purged:   map[orgcast.OrganizationID]orgcast.Cursor{},
			waits:    map[orgcast.OrganizationID]waiting{},
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
			"read": m.readSome, "read again": m.readSome, "reopen": m.reopen, "purge": m.purge,
			"sweep": m.sweep, "wait": m.wait, "segment": m.segment, "trim": m.trim, "": m.check,
		})
	})
	if cut < 10 {
		t.Errorf("only %d organizations were trimmed", cut)
	}
}
