package feed

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
)

// giant is a transaction above what is held in memory.
func giant(at orgcast.LSN, rows int) (frames [][]byte, ordinals []uint64) {
	frames = [][]byte{pgoutputtest.Relation(clients)}
	text := string(bytes.Repeat([]byte{'x'}, 1000))
	for n := range rows {
		frames = append(frames, pgoutputtest.Insert(clients, pgoutputtest.Row{fmt.Sprint("c", n), "org_a", text}))
		ordinals = append(ordinals, uint64(n))
	}
	return transaction(at, frames...), ordinals
}

func TestAGiantTransactionIsStoredAsItComesAndSeenAtItsCommit(t *testing.T) {
	f, w := begin(t)
	frames, ordinals := giant(2000, 6000)
	last := len(frames) - 1
	mustSend(t, f, frames[:last])
	if f.spool.file != nil || f.spool.memory != nil || !w.large || w.appends < 5 || cap(f.out.Events) > 2*partEvents {
		t.Fatalf("%d bytes in memory, file %v, large %v, %d parts", len(f.spool.memory), f.spool.file, w.large, w.appends)
	}
	expect(t, "the hub was told", w.positions, []orgcast.LSN{})
	expect(t, "position", f.Position(), eventlogtest.Start)
	expect(t, "the log's", w.Position(), eventlogtest.Start)
	mustSend(t, f, frames[last:])
	wantGiant(t, f, w, ordinals)
}

// What asks a parent may be told by a later row whose it is: it waits for the commit.
func TestAGiantTransactionGoesThroughAFileFromTheFirstRowThatAsksAParent(t *testing.T) {
	f, w := begin(t)
	frames, ordinals := giant(2000, 6000)
	half, last := len(frames)/2, len(frames)+1
	frames = slices.Insert(frames, half, pgoutputtest.Relation(notes), pgoutputtest.Insert(notes, pgoutputtest.Row{"n1", "c5999", "hello"}))
	ordinals = append(ordinals, uint64(len(ordinals)))
	mustSend(t, f, frames[:half])
	routed := f.changes
	mustSend(t, f, frames[half:last])
	if f.spool.file == nil || len(f.spool.memory) > spoolMemory || routed < 2000 || f.changes != routed {
		t.Fatalf("%d bytes in memory, file %v, %d rows routed, then %d", len(f.spool.memory), f.spool.file, routed, f.changes)
	}
	mustSend(t, f, frames[last:])
	wantGiant(t, f, w, ordinals)
}

// wantGiant wants a giant at 2000 to be there whole, and nothing left of it.
func wantGiant(t *testing.T, f *Feed, w *witness, ordinals []uint64) {
	t.Helper()
	expect(t, "stored", stored(t, w), cursors(2000, ordinals...))
	if parts := w.appends - 1; parts < 5 || w.largest > 2*partSize || !w.lapped || w.spilled != 1 {
		t.Errorf("%d parts of up to %d bytes, lapped %v, spilled %d", parts, w.largest, w.lapped, w.spilled)
	}
	if told := w.told + len(w.events); told != len(ordinals) {
		t.Errorf("the hub was told of %d events of %d", told, len(ordinals))
	}
	expect(t, "end", w.heard[len(w.heard)-4:], []string{"log", "directory", "hub", "passed"})
	if w.large {
		t.Error("it is over, and still large")
	}
	if left, err := os.ReadDir(f.spool.dir); err != nil || len(left) != 0 || f.spool.file != nil || f.spool.memory != nil {
		t.Errorf("left: %v %v, %d bytes", left, err, cap(f.spool.memory))
	}
	mustSend(t, f, transaction(3000, newClient("c1")))
	if w.lapped {
		t.Error("the next one is lapped too")
	}
}

func TestPartsOfAGiantThatBrokeAreSeenByNobody(t *testing.T) {
	f, w := begin(t)
	frames, ordinals := giant(2000, 6000)
	broken := slices.Insert(slices.Clone(frames), len(frames)-1, []byte("I"))
	if err := send(f, broken); err == nil || !f.Dirty() {
		t.Fatalf("got %v, dirty %v", err, f.Dirty())
	}
	expect(t, "the hub was told", w.positions, []orgcast.LSN{})
	connect(t, f)
	if w.large {
		t.Error("it is given up, and still large")
	}
	expect(t, "stored", stored(t, w), []string{})
	mustSend(t, f, frames)
	expect(t, "stored", stored(t, w), cursors(2000, ordinals...))
	if told := w.told + len(w.events); told != len(ordinals) {
		t.Errorf("the hub was told of %d events of %d", told, len(ordinals))
	}
}

// state lists what the log knows, as space and key.
func state(t *testing.T, w *witness) (keys []string) {
	t.Helper()
	if err := w.State(func(space orgcast.Space, key, _ []byte) error {
		keys = append(keys, string(rune(space))+string(key))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestTheStateOfAGiantIsKnownWholeOrNotAtAllAndNotHeldInMemory: parents without end,
// and members among them, whom the directory must hear of.
func TestTheStateOfAGiantIsKnownWholeOrNotAtAllAndNotHeldInMemory(t *testing.T) {
	f, w := begin(t)
	const rows = 3 * partEvents
	frames := [][]byte{pgoutputtest.Relation(clients), pgoutputtest.Relation(members)}
	var want []string
	for n := range rows {
		frames = append(frames, pgoutputtest.Insert(clients, pgoutputtest.Row{fmt.Sprint("c", n), "org_a", "x"}))
		want = append(want, fmt.Sprintf("p\x0epublic.clientsc%d", n))
		if n%(rows/4) == 0 {
			frames = append(frames, pgoutputtest.Insert(members, pgoutputtest.Row{fmt.Sprint("m", n), "ada", "org_a", "OWNER"}))
			want = append(want, fmt.Sprint("mm", n))
		}
	}
	slices.Sort(want)
	giant := transaction(2000, frames...)
	last := len(giant) - 1
	if err := send(f, slices.Insert(slices.Clone(giant), last, []byte("I"))); err == nil {
		t.Fatal("a frame that can't be read was")
	}
	expect(t, "the directory learned", len(w.learned), 0)
	f, w = over(t, w.Log, t.TempDir()) // the router is dirty
	expect(t, "state after a part of it", state(t, w), []string{})
	mustSend(t, f, giant)
	expect(t, "state", state(t, w), want)
	expect(t, "the directory learned", len(w.learned), 4)
	if held := cap(f.out.States); held > 2*partEvents {
		t.Errorf("room for %d changes of state is held", held)
	}
	mustSend(t, f, transaction(3000, pgoutputtest.Relation(clients), pgoutputtest.Delete(clients, pgoutputtest.Row{"c0", "org_a", "x"})))
	expect(t, "state", len(state(t, w)), len(want)-1)
}

// TestWhatBecomesOfATransactionDoesNotHangOnItsSize: routed as it comes, or from the
// file, or from memory at the commit, it comes to the same events and the same state.
func TestWhatBecomesOfATransactionDoesNotHangOnItsSize(t *testing.T) {
	tables := map[*orgcast.Relation]func(*rapid.T) pgoutputtest.Row{
		clients: func(t *rapid.T) pgoutputtest.Row {
			return pgoutputtest.Row{"c" + rapid.StringMatching("[0-2]").Draw(t, "client"), "org_" + rapid.StringMatching("[ab]").Draw(t, "organization"), "Ada"}
		},
		notes: func(t *rapid.T) pgoutputtest.Row {
			return pgoutputtest.Row{"n" + rapid.StringMatching("[0-2]").Draw(t, "note"), "c" + rapid.StringMatching("[0-2]").Draw(t, "of"), "hello"}
		},
	}
	large, small := eventlogtest.New(t, eventlog.Hooks{}), eventlogtest.New(t, eventlog.Hooks{})
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		eventlogtest.Begin(t, large)
		eventlogtest.Begin(t, small)
		f, w := over(t, large, dir)
		f.spool.limit = rapid.IntRange(0, 600).Draw(rt, "limit")
		whole, want := over(t, small, dir)
		for n := range rapid.IntRange(1, 4).Draw(rt, "transactions") {
			frames := [][]byte{pgoutputtest.Relation(clients), pgoutputtest.Relation(notes)}
			for range rapid.IntRange(1, 12).Draw(rt, "rows") {
				table := rapid.SampledFrom([]*orgcast.Relation{clients, notes}).Draw(rt, "table")
				row := tables[table]
				switch rapid.IntRange(0, 6).Draw(rt, "operation") {
				case 0, 1, 2:
					frames = append(frames, pgoutputtest.Insert(table, row(rt)))
				case 3, 4:
					frames = append(frames, pgoutputtest.Update(table, row(rt), row(rt)))
				case 5:
					frames = append(frames, pgoutputtest.Delete(table, row(rt)))
				default:
					frames = append(frames, pgoutputtest.Truncate(table))
				}
			}
			at := orgcast.LSN(2000 + 20*n)
			mustSend(t, f, transaction(at, frames...))
			mustSend(t, whole, transaction(at, frames...))
		}
		if f.Dirty() || f.large {
			rt.Fatalf("dirty %v, large %v", f.Dirty(), f.large)
		}
		got, wanted := said(w.events), said(want.events)
		for i := range min(len(got), len(wanted)) {
			if got[i] != wanted[i] {
				rt.Fatalf("event %d: %s, want %s", i, got[i], wanted[i])
			}
		}
		expect(t, "events", len(got), len(wanted))
		expect(t, "state", state(t, w), state(t, want))
		expect(t, "the directory learned", w.learned, want.learned)
	})
}

func said(events []orgcast.Event) (list []string) {
	for _, e := range events {
		list = append(list, fmt.Sprintf("%v %s %v %s", e.Cursor, e.Organization, e.Kind, e.Frame))
	}
	return list
}
