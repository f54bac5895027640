package feed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
)

// frameOf is a frame that is told apart from every other.
func frameOf(n uint64, size int) []byte {
	frame := bytes.Repeat([]byte{byte(n)}, size)
	if size >= 8 {
		binary.BigEndian.PutUint64(frame, n)
	}
	return frame
}

// Frames of any size come out as they went in, as often as they are asked for,
// from memory, from the file, or from both; and nothing is left behind.
func TestASpoolGivesBackWhatWasPutIn(t *testing.T) {
	const limit = 4000
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		s := spool{dir: dir, limit: limit}
		for range rapid.IntRange(1, 3).Draw(t, "transactions") {
			sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(0, 2000), rapid.IntRange(limit-8, limit+8), rapid.IntRange(0, 400<<10)), 0, 30).Draw(t, "sizes")
			for n, size := range sizes {
				if err := s.add(frameOf(uint64(n), size)); err != nil {
					t.Fatal(err)
				}
			}
			if len(s.memory) > limit {
				t.Fatalf("%d bytes in memory", len(s.memory))
			}
			for range 2 {
				n := 0
				err := s.each(func(frame []byte) error {
					if n >= len(sizes) || !bytes.Equal(frame, frameOf(uint64(n), sizes[n])) {
						t.Fatalf("frame %d is not what was put in", n)
					}
					n++
					return nil
				})
				if err != nil || n != len(sizes) {
					t.Fatalf("%d frames of %d: %v", n, len(sizes), err)
				}
			}
			if err := s.reset(); err != nil {
				t.Fatal(err)
			}
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Fatalf("left: %v %v", left, err)
		}
	})
}

func TestASpoolWithoutRoomTellsTheOperatorWhereItIsMissing(t *testing.T) {
	s := spool{dir: t.TempDir() + "/gone", limit: spoolMemory}
	err := s.add(make([]byte, spoolMemory+1))
	if !errors.Is(err, os.ErrNotExist) || orgcast.Hint(err) == "" {
		t.Fatalf("got %v, hint %q", err, orgcast.Hint(err))
	}
}
