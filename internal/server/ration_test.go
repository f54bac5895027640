package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/oikion/orgcast"
	"pgregory.net/rapid"
)

func TestTheTableOfAsksIsBounded(t *testing.T) {
	a := newAsks()
	now := time.Unix(1_763_881_200, 0)
	for i := range maxAsks {
		if !a.allow(orgcast.UserID(fmt.Sprint("user_", i)), now) {
			t.Fatalf("user %d is refused", i)
		}
	}
	if a.allow("one more", now) || len(a.next) > maxAsks {
		t.Fatalf("the table has %d users", len(a.next))
	}
	if !a.allow("user_0", now) {
		t.Error("a user in the full table is refused")
	}
	if now = now.Add(askEvery); !a.allow("one more", now) {
		t.Error("room is not made for who comes later")
	}
	if len(a.next) > 2 {
		t.Errorf("%d users are remembered whose ration is whole", len(a.next)-2)
	}
}

// Against a plain model: in any window a user gets the burst, and one more for
// every askEvery of it.
func TestNobodyAsksMoreThanHisRation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := newAsks()
		now := time.Unix(1_763_881_200, 0)
		var granted []time.Time
		for _, wait := range rapid.SliceOfN(rapid.IntRange(0, 1500), 1, 100).Draw(t, "waits, ms") {
			now = now.Add(time.Duration(wait) * time.Millisecond)
			if a.allow("user_a", now) {
				granted = append(granted, now)
			} else if len(granted) < askBurst {
				t.Fatal("refused within the burst")
			}
		}
		for i, first := range granted {
			for j, last := range granted[i:] {
				if most := askBurst + int(last.Sub(first)/askEvery); j+1 > most {
					t.Fatalf("%d asks in %s", j+1, last.Sub(first))
				}
			}
		}
	})
}
