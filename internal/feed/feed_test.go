package feed

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
	"github.com/oikion/orgcast/internal/pgtest"
	"github.com/oikion/orgcast/internal/publish"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestATransactionGoesToLogDirectoryHubAndBarrierInThisOrder(t *testing.T) {
	f, w := begin(t)
	mustSend(t, f, transaction(2000, pgoutputtest.Relation(clients), newClient("c1"), newClient("c2")))
	expect(t, "order", w.heard, []string{"log", "directory", "hub", "passed"})
	expect(t, "position", []orgcast.LSN{f.Position(), w.Position()}, []orgcast.LSN{2010, 2010})
	expect(t, "stored", stored(t, w), cursors(2000, 0, 1))
	if w.lapped || len(w.events) != 2 || !bytes.Contains(w.events[1].Frame, []byte("c2")) {
		t.Fatalf("dispatched: %v", w.events)
	}
}

func TestNothingOfAnOpenTransactionIsSeen(t *testing.T) {
	f, w := begin(t)
	frames := transaction(2000, pgoutputtest.Relation(clients), newClient("c1"))
	mustSend(t, f, frames[:3])
	if err := f.Keepalive(5000, true); err != nil {
		t.Fatal(err)
	}
	expect(t, "heard", w.heard, []string{})
	expect(t, "position", f.Position(), eventlogtest.Start)
	mustSend(t, f, frames[3:])
	expect(t, "position", f.Position(), orgcast.LSN(2010))
}

func TestSessionsGoToTheLogAndTheHubButInNoEvent(t *testing.T) {
	f, w := begin(t)
	gone := pgoutputtest.Row{"s1", "tok", "u1", "2025-11-23 12:00:00"}
	mustSend(t, f, transaction(2000, pgoutputtest.Relation(sessions), pgoutputtest.Insert(sessions, pgoutputtest.Row{"s2", "tok2", "u2", "2025-11-23 12:00:00"}),
		pgoutputtest.Delete(sessions, gone), pgoutputtest.Truncate(sessions)))
	if len(w.sessions) != 3 || w.sessions[1].ID != orgcast.NameSession([]byte("tok")) || !w.sessions[2].Everybody || len(w.events) != 0 {
		t.Fatalf("dispatched: %+v, %v", w.sessions, w.events)
	}
	mustSend(t, f, transaction(3000, pgoutputtest.Insert(sessions, gone)))
	if len(w.sessions) != 4 {
		t.Errorf("dispatched again: %+v", w.sessions)
	}
	kept := 0
	err := w.State(func(space orgcast.Space, key, value []byte) error {
		if space == orgcast.SpaceSessions {
			kept++
			if id := orgcast.NameSession([]byte("tok")); !bytes.Equal(key, id[:]) || bytes.Contains(value, []byte("tok")) {
				t.Errorf("stored: %q %q", key, value)
			}
		}
		return nil
	})
	if err != nil || kept != 1 {
		t.Errorf("%d sessions are stored, %v", kept, err)
	}
}

func TestAMessageOutsideOfATransactionIsRefusedByName(t *testing.T) {
	f, w := begin(t)
	mustSend(t, f, [][]byte{pgoutputtest.Message(false, 1999, publish.Prefix, `{}`), pgoutputtest.Message(false, 1999, "another's", `{}`)})
	expect(t, "refused", w.refused, []publish.Reason{publish.ReasonNotTransactional})
	mustSend(t, f, transaction(2000, pgoutputtest.Relation(clients), newClient("c1")))
	expect(t, "stored", stored(t, w), cursors(2000, 0))
}

func TestAChildBeforeItsParentInOneTransactionIsTheParents(t *testing.T) {
	f, w := begin(t)
	mustSend(t, f, transaction(2000,
		pgoutputtest.Relation(notes), pgoutputtest.Insert(notes, pgoutputtest.Row{"n1", "c1", "hello"}),
		pgoutputtest.Relation(clients), newClient("c1")))
	expect(t, "stored", stored(t, w), cursors(2000, 0, 1))
}

func TestWhatComesAgainIsSkippedButItsTablesAreLearnt(t *testing.T) {
	f, w := begin(t)
	first := transaction(2000, pgoutputtest.Relation(clients), newClient("c1"))
	mustSend(t, f, first)
	connect(t, f)
	mustSend(t, f, first)
	expect(t, "skipped", w.skipped, 1)
	// PostgreSQL describes a table once on a connection.
	mustSend(t, f, transaction(2020, newClient("c2")))
	expect(t, "stored", stored(t, w), slices.Concat(cursors(2000, 0), cursors(2020, 0)))
	expect(t, "dispatched", len(w.events), 2)
	if f.Dirty() {
		t.Error("dirty")
	}
}

var errBroken = errors.New("broken")

func TestATransactionLeftHalfDoneIsDirtyAndComesAgainWhole(t *testing.T) {
	for name, fail := range map[string]func(*witness) [][]byte{
		"a frame that cannot be read": func(*witness) [][]byte { return [][]byte{[]byte("I")} },
		"a log that cannot be written": func(w *witness) [][]byte {
			w.fails = errBroken
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, w := begin(t)
			good := [][]byte{pgoutputtest.Relation(clients), newClient("c1")}
			if err := send(f, transaction(2000, slices.Concat(good, fail(w))...)); err == nil {
				t.Fatal("no error")
			}
			if !f.Dirty() {
				t.Error("not dirty")
			}
			expect(t, "heard", w.heard, []string{})
			expect(t, "position", f.Position(), eventlogtest.Start)
			connect(t, f)
			if f.Dirty() {
				t.Error("still dirty")
			}
			mustSend(t, f, transaction(2000, good...))
			expect(t, "stored", stored(t, w), cursors(2000, 0))
		})
	}
}

func TestWhatATransactionWaitsForIsBeforeAllElse(t *testing.T) {
	f, w := begin(t)
	fails := errBroken
	await := func(tx orgcast.Transaction) error {
		w.hear("await")
		if tx.CommitLSN != 2000 && tx.CommitLSN != 2020 || tx.XID == 0 {
			t.Errorf("it waits for %+v", tx)
		}
		return fails
	}
	f.OnCommit(await)
	first := transaction(2000, pgoutputtest.Relation(clients), newClient("c1"))
	if err := send(f, first); !errors.Is(err, errBroken) || f.Dirty() {
		t.Fatalf("%v, dirty %v: nothing was begun", err, f.Dirty())
	}
	expect(t, "heard", w.heard, []string{"await"})
	expect(t, "position", f.Position(), eventlogtest.Start)

	w.heard, fails = nil, nil
	connect(t, f)
	f.OnCommit(await)
	mustSend(t, f, first)
	expect(t, "heard", w.heard, []string{"await", "log", "directory", "hub", "passed"})
	expect(t, "stored", stored(t, w), cursors(2000, 0))

	// What was handed out is not waited for again, and a new connection waits for
	// nothing that it was not told to.
	connect(t, f)
	f.OnCommit(await)
	w.heard = nil
	mustSend(t, f, first)
	expect(t, "heard", w.heard, []string(nil))
	connect(t, f)
	mustSend(t, f, first)
	mustSend(t, f, transaction(2020, newClient("c2")))
	expect(t, "heard", w.heard, []string{"log", "directory", "hub", "passed"})
}

// TestADeletedOrganizationIsPurgedFromTheLog, but for the transaction that deletes it,
// which those whom it removes still read; who is made with its name finds nothing.
func TestADeletedOrganizationIsPurgedFromTheLog(t *testing.T) {
	for name, rows := range map[string]int{"in one batch": 1, "in parts": 6000} {
		t.Run(name, func(t *testing.T) {
			f, w := begin(t)
			a := pgoutputtest.Row{"org_a", "Acme"}
			mustSend(t, f, transaction(2000, pgoutputtest.Relation(organizations), pgoutputtest.Insert(organizations, a), pgoutputtest.Relation(clients), newClient("c1")))
			expect(t, "stored", stored(t, w), cursors(2000, 1))
			begin := w.FloorOf("org_a")

			frames := [][]byte{pgoutputtest.Delete(organizations, a)}
			for n := range rows {
				frames = append(frames, pgoutputtest.Delete(clients, pgoutputtest.Row{fmt.Sprint("c", n), "org_a", strings.Repeat("x", 1000)}))
			}
			mustSend(t, f, transaction(3000, frames...))
			if n := len(eventlogtest.Read(t, w.Log, "org_a", begin, eventlogtest.At(1<<60, 0))); n != rows+1 {
				t.Fatalf("who is behind reads %d events of %d", n, rows+1)
			}
			deleted := eventlogtest.Read(t, w.Log, "org_a", w.FloorOf("org_a"), eventlogtest.At(1<<60, 0))
			if len(deleted) != rows || deleted[0].Cursor.LSN != 3000 {
				t.Fatalf("%d events of the deletion are left", len(deleted))
			}
			if w.FloorOf("org_b") != w.Floor() || w.Stats().Purging != 1 {
				t.Fatalf("the other's floor is %s; %d wait", w.FloorOf("org_b"), w.Stats().Purging)
			}
			mustSend(t, f, transaction(4000, pgoutputtest.Insert(organizations, a), newClient("c2")))
			got := eventlogtest.Read(t, w.Log, "org_a", w.FloorOf("org_a"), eventlogtest.At(1<<60, 0))
			if len(got) != 1 || got[0].Cursor.LSN != 4000 {
				t.Fatalf("the new one reads %d events", len(got))
			}
		})
	}
}

func TestAnIdlePositionIsStoredAtMostEvery5Seconds(t *testing.T) {
	f, w := begin(t)
	now := time.Unix(0, 0)
	f.now = func() time.Time { return now }
	connect(t, f)
	keepalive := func(end orgcast.LSN, reply bool, log orgcast.LSN) {
		t.Helper()
		if err := f.Keepalive(end, reply); err != nil {
			t.Fatal(err)
		}
		expect(t, "the log's position", w.Position(), log)
	}
	keepalive(2000, false, eventlogtest.Start)
	now = now.Add(4999 * time.Millisecond)
	keepalive(2001, false, eventlogtest.Start)
	now = now.Add(time.Millisecond)
	keepalive(2002, false, 2002)
	keepalive(2003, false, 2002)
	now = now.Add(5 * time.Second)
	keepalive(2003, false, 2003) // what is reached is stored even if nothing moves any more
	keepalive(2004, false, 2003)
	// A server that shuts down asks at a position that it has told already, and
	// waits until it is confirmed.
	keepalive(2004, true, 2004)
	expect(t, "the hub was told", w.positions, []orgcast.LSN{2000, 2001, 2002, 2003, 2004})
}

func TestTheBarrierOfANewConnectionHearsAlsoWhatWasPassedBefore(t *testing.T) {
	f, w := begin(t)
	if err := f.Keepalive(2000, false); err != nil {
		t.Fatal(err)
	}
	connect(t, f)
	w.heard = nil
	for _, end := range []orgcast.LSN{1500, 2000} {
		if err := f.Keepalive(end, false); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "heard", w.heard, []string{"passed", "passed"})
	expect(t, "position", f.Position(), orgcast.LSN(2000))
}

// Whatever comes, and however often the connection is made anew and the server
// begins over, the hub's position never goes back, and every transaction is
// dispatched once.
func TestThePositionNeverGoesBackAndNothingIsDispatchedTwice(t *testing.T) {
	log, dir := eventlogtest.New(t, eventlog.Hooks{}), t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		eventlogtest.Begin(t, log)
		f, w := over(t, log, dir)
		var sent [][][]byte
		var want []string
		next := orgcast.LSN(2000)
		described := false
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0:
				next += orgcast.LSN(rapid.IntRange(0, 50).Draw(rt, "idle"))
				if err := f.Keepalive(next, rapid.Bool().Draw(rt, "reply")); err != nil {
					rt.Fatal(err)
				}
			case 1:
				connect(t, f)
				described = false
				for _, again := range sent[rapid.IntRange(0, len(sent)).Draw(rt, "from"):] {
					mustSend(t, f, again)
					described = true
				}
			case 2:
				// The connection breaks in the middle.
				mustSend(t, f, transaction(next, pgoutputtest.Relation(clients), newClient("c"))[:rapid.IntRange(1, 3).Draw(rt, "frames")])
				connect(t, f)
				described = false
			default:
				frames := [][]byte{pgoutputtest.Relation(clients), newClient("c")}
				if described && rapid.Bool().Draw(rt, "known") {
					frames = frames[1:]
				}
				described = true
				whole := transaction(next, pgoutputtest.Relation(clients), newClient("c"))
				mustSend(t, f, transaction(next, frames...))
				sent = append(sent, whole)
				want = append(want, eventlogtest.At(next, 0).String())
				next += 10
			}
		}
		if !slices.IsSorted(w.positions) {
			rt.Fatalf("positions went back: %v", w.positions)
		}
		var got []string
		for _, e := range w.events {
			got = append(got, e.Cursor.String())
		}
		if !slices.Equal(got, want) || !slices.Equal(stored(t, w), want) {
			rt.Fatalf("dispatched %v, stored %v, want %v", got, stored(t, w), want)
		}
	})
}

// What is measured begins when the commit arrives, and only a new transaction is.
func TestANewTransactionIsReceivedOnceBeforeTheLogHasIt(t *testing.T) {
	f, w := begin(t)
	arrived := time.Unix(1_763_881_200, 0)
	f.now = func() time.Time { return arrived }
	var received []orgcast.Transaction
	f.hooks.Received = func(tx orgcast.Transaction, at time.Time) {
		w.hear("received")
		if !at.Equal(arrived) {
			t.Errorf("received at %v, the commit arrived at %v", at, arrived)
		}
		received = append(received, tx)
	}
	mustSend(t, f, transaction(2000, pgoutputtest.Relation(clients), newClient("c1")))
	expect(t, "order", w.heard, []string{"received", "log", "directory", "hub", "passed"})
	mustSend(t, f, transaction(2000, pgoutputtest.Relation(clients), newClient("c1")))
	if len(received) != 1 || received[0].EndLSN != 2010 || !received[0].CommitTime.Equal(eventlogtest.Committed) {
		t.Errorf("received %+v", received)
	}
}
