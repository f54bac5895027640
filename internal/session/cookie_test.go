package session

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Against the plainest model: cut a text anywhere into chunks, shuffle them,
// spread them over lines among other cookies, and it comes back.
func TestChunksComeBackInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.StringMatching(`[A-Za-z0-9_.-]{1,300}`).Draw(t, "token")
		n := rapid.IntRange(1, min(maxChunks, len(want))).Draw(t, "chunks")
		var cookies []string
		rest := want
		for i := range n {
			cut := len(rest)
			if i < n-1 {
				cut = rapid.IntRange(1, len(rest)-(n-1-i)).Draw(t, "cut")
			}
			value := rest[:cut]
			if rapid.Bool().Draw(t, "encoded") {
				value = strings.ReplaceAll(value, ".", "%2E")
			}
			cookies = append(cookies, fmt.Sprintf("name.%d=%s", i, value))
			rest = rest[cut:]
		}
		others := rapid.SampledFrom([]string{"a=b", "name.x=1", "name.01=2", "names=3", "", "name", "name.0x=4"})
		cookies = append(cookies, rapid.SliceOfN(others, 0, 5).Draw(t, "others")...)
		var lines []string
		for _, c := range rapid.Permutation(cookies).Draw(t, "order") {
			if len(lines) > 0 && rapid.Bool().Draw(t, "same line") {
				lines[len(lines)-1] += "; " + c
			} else {
				lines = append(lines, c)
			}
		}
		if got, _, reason := findToken(lines, []string{"name"}); got != want || reason != "" {
			t.Fatalf("got %q (%s), want %q", got, reason, want)
		}
		// Without any one of the chunks but the last, nothing comes back.
		if gone := rapid.IntRange(0, n-1).Draw(t, "gone"); gone < n-1 {
			for i, line := range lines {
				lines[i] = strings.ReplaceAll(line, fmt.Sprintf("name.%d=", gone), "gone=")
			}
			if got, _, reason := findToken(lines, []string{"name"}); reason != BadChunks {
				t.Fatalf("with a hole at %d: %q (%s)", gone, got, reason)
			}
		}
	})
}

func TestWhatIsTooLongIsRefusedBeforeItIsCopied(t *testing.T) {
	a, err := New(Config{Secrets: []string{"secret"}})
	if err != nil {
		t.Fatal(err)
	}
	part := strings.Repeat("A", 3000)
	var chunks []string
	for i := range maxChunks {
		chunks = append(chunks, fmt.Sprintf("authjs.session-token.%d=%s", i, part))
	}
	for _, test := range []struct {
		name  string
		lines []string
		most  uint64 // bytes for one request
	}{
		{"a line of 16 MiB", []string{"authjs.session-token=" + strings.Repeat("A", 16<<20)}, 64},
		{"many lines", make64KiBOfLines(), 64},
		{"a token of 60 KiB", []string{"authjs.session-token=" + strings.Repeat("A", 60<<10)}, 64},
		{"a token of 60 KiB, percent-encoded at its end", []string{"authjs.session-token=" + strings.Repeat("A", 60<<10) + "%41"}, 72 << 10},
		{"48 KiB in sixteen chunks", []string{strings.Join(chunks, "; ")}, 34 << 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			const rounds = 20
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range rounds {
				if _, err := a.Authenticate(test.lines, time.Time{}); reasonOf(t, err) != Oversize {
					t.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			// A few hundred bytes of slack for what the runtime does meanwhile.
			if got := (after.TotalAlloc - before.TotalAlloc) / rounds; got > test.most+512 {
				t.Errorf("%d bytes allocated, want at most %d", got, test.most)
			}
		})
	}
}

func make64KiBOfLines() []string {
	lines := make([]string, 0, 3000)
	for range cap(lines) {
		lines = append(lines, "authjs.session-token=A")
	}
	return lines
}
