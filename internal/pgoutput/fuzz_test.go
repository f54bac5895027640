package pgoutput

import (
	"encoding/binary"
	"math"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
)

// FuzzDecode feeds a sequence of frames, each with its length in two bytes
// before it. Whatever they are, decoding neither panics nor reads or points
// outside the frame, and its state obeys the order laws.
func FuzzDecode(f *testing.F) {
	// Without the rows that have large values: a long seed starves the fuzzer.
	small := slices.DeleteFunc(captured(f), func(frame []byte) bool { return len(frame) > 500 })
	for _, stream := range [][][]byte{
		small,
		pgoutputtest.Transaction(tx,
			pgoutputtest.Relation(notes),
			pgoutputtest.Relation(tasks),
			pgoutputtest.Update(notes, row{"n1", pgoutputtest.Unchanged}, row{"n1", "old"}),
			pgoutputtest.Update(tasks, row{nil, "org_a", "t2"}, row{nil, "org_a", "t1"}),
			pgoutputtest.Delete(tasks, row{nil, "org_a", "t2"}),
			pgoutputtest.Truncate(notes, tasks),
			pgoutputtest.Message(true, 1, "orgcast", "{}"),
		),
		{[]byte("R\x00\x00\x00\x01\x00t\x00d\xff\xff")},
		{[]byte("T\xff\xff\xff\xff\x00\x00\x00\x40\x10")},
		{[]byte("M\x00\x00\x00\x00\x00\x00\x00\x00\x01p\x00\xff\xff\xff\xff")},
	} {
		f.Add(pack(stream))
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		d := NewDecoder()
		open, ordinal := false, uint64(0)
		for frame := range unpack(packed) {
			peeked, oid := Peek(frame)
			m, err := d.Decode(frame)
			if err != nil {
				if m != nil {
					t.Fatal("a message beside an error")
				}
				return
			}
			if m.Kind != peeked {
				t.Fatalf("peeked %v at %v", peeked, m.Kind)
			}
			if m.Relation != nil && m.Relation.OID != oid {
				t.Fatalf("peeked relation %d at %d", oid, m.Relation.OID)
			}
			switch m.Kind {
			case KindBegin:
				if open {
					t.Fatal("a transaction in a transaction")
				}
				open, ordinal = true, 0
			case KindCommit:
				if !open {
					t.Fatal("a commit of nothing")
				}
				open = false
			}
			if c := m.Change; c != nil {
				checkChange(t, frame, c)
				if c.Operation != orgcast.Message || c.Transactional {
					if !open || c.Ordinal != ordinal {
						t.Fatalf("ordinal %d, want %d; in a transaction: %v", c.Ordinal, ordinal, open)
					}
					ordinal++
				}
			}
		}
	})
}

func checkChange(t *testing.T, frame []byte, c *orgcast.Change) {
	if c.Relation != nil {
		want := len(c.Relation.Columns)
		if c.New == nil && c.Old == nil || c.New != nil && len(c.New) != want || c.Old != nil && len(c.Old) != want {
			t.Fatalf("%d new and %d old values for %d columns", len(c.New), len(c.Old), want)
		}
	}
	for _, v := range slices.Concat(c.New, c.Old) {
		if v.Kind != orgcast.Text && v.Text != nil {
			t.Fatalf("a text in a value of kind %q", v.Kind)
		}
		mustAlias(t, frame, v.Text)
	}
	mustAlias(t, frame, c.Content)
}

// mustAlias fails unless part, with all of its capacity, lies inside frame.
func mustAlias(t *testing.T, frame, part []byte) {
	if part == nil {
		return
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(frame)))
	at := uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	if at < start || at+uintptr(len(part)) > start+uintptr(len(frame)) || cap(part) != len(part) {
		t.Fatalf("%d bytes (capacity %d) lie outside the frame", len(part), cap(part))
	}
}

func pack(frames [][]byte) []byte {
	var packed []byte
	for _, frame := range frames {
		packed = binary.BigEndian.AppendUint16(packed, uint16(len(frame)))
		packed = append(packed, frame...)
	}
	return packed
}

// unpack yields each frame in memory of its own size, so that reading on is a
// panic.
func unpack(packed []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(packed) >= 2 {
			n := min(int(binary.BigEndian.Uint16(packed)), len(packed)-2)
			frame := slices.Clip(slices.Clone(packed[2 : 2+n]))
			packed = packed[2+n:]
			if !yield(frame) {
				return
			}
		}
	}
}

// A count that the frame only claims must not become memory.
func TestDecodeAllocatesNothingForAClaimedCount(t *testing.T) {
	for _, frame := range [][]byte{
		[]byte("R\x00\x00\x00\x01\x00t\x00d\xff\xff"),
		[]byte("T\xff\xff\xff\xff\x00\x00\x00\x40\x10"),
		[]byte("M\x01\x00\x00\x00\x00\x00\x00\x00\x01p\x00\xff\xff\xff\xff"),
		[]byte("I\x00\x00\x40\x10N\x00\x03t\xff\xff\xff\xff"),
		binary.BigEndian.AppendUint32([]byte("I\x00\x00\x40\x10N\x00\x03t"), math.MaxInt32),
	} {
		d := begun(t)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := d.Decode(frame)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Fatalf("%q was decoded", frame)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 64<<10 {
			t.Errorf("%v of %d bytes cost %d bytes of memory", Kind(frame[0]), len(frame), got)
		}
	}
}
