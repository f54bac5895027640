package replication

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBackoffDoublesToItsBoundAndStartsOverAfterAStableMinute(t *testing.T) {
	b := Backoff{Rand: func() float64 { return 0.5 }}
	now := time.Unix(0, 0)
	for i, want := range []float64{0.25, 0.5, 1, 2, 4, 8, 15, 15, 15} {
		wait := b.Next(now)
		if wait.Seconds() != want {
			t.Fatalf("wait %d is %v, want %vs", i, wait, want)
		}
		now = now.Add(wait + 59*time.Second) // it was up for less than a minute
	}
	if wait := b.Next(now.Add(time.Second)); wait != 250*time.Millisecond {
		t.Fatalf("after a stable minute the wait is %v, want 250ms", wait)
	}
}

func TestBackoffStaysInItsBoundsForEver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rapid.Float64Range(0, 0.9999)
		b := Backoff{Rand: func() float64 { return random.Draw(t, "random") }}
		now := time.Unix(0, 0)
		for range rapid.IntRange(1, 200).Draw(t, "failures") {
			wait := b.Next(now)
			if wait < 0 || wait >= 30*time.Second {
				t.Fatalf("wait %v", wait)
			}
			now = now.Add(wait)
		}
	})
}
