package sse

import (
	"encoding/binary"
	"testing"
)

// TestAWordIsPlainIfItsBytesAre holds the eight-at-once tests against the table,
// for every byte at every place, alone and beside every other.
func TestAWordIsPlainIfItsBytesAre(t *testing.T) {
	wire := func(c byte) bool { return plain[c] || c == '"' || c == '\\' }
	for at := range 8 {
		for a := range 256 {
			for b := range 256 {
				word := [8]byte{'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x'}
				word[at], word[(at+1)%8] = byte(a), byte(b)
				w := binary.LittleEndian.Uint64(word[:])
				if got, want := plainWord(w), plain[a] && plain[b]; got != want {
					t.Fatalf("plainWord(%q) is %v", word, got)
				}
				// `|` is the one that is looked at in vain.
				if got, want := doubt(w)&highs != 0, !(plain[a] && plain[b]) || a == '|' || b == '|'; got != want {
					t.Fatalf("doubt(%q) is %v", word, got)
				}
				if got, want := wireWord(w)&highs == 0, wire(byte(a)) && wire(byte(b)); got != want {
					t.Fatalf("wireWord(%q) is %v", word, got)
				}
			}
		}
	}
}
