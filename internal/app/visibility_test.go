package app

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
)

func TestASnapshotHidesWhatRunsAndWhatIsToCome(t *testing.T) {
	wrap := uint64(5)<<32 | 3 // XIDs of 32 bits have just begun anew
	hidden, err := hiding("21474836470:21474836483:21474836475,21474836481")
	if err != nil || wrap != 21474836483 {
		t.Fatal(err, wrap)
	}
	for xid, want := range map[uint32]bool{
		math.MaxUint32 - 4: true,  // …475, runs
		1:                  true,  // …481, runs
		2:                  false, // …482, ended
		3:                  true,  // xmax itself
		4:                  true,
		math.MaxUint32:     false,
	} {
		if hidden(xid) != want {
			t.Errorf("%d hidden: %v", xid, !want)
		}
	}
	for _, text := range []string{"", "1:2", "1:x:", "1:2:x", "1:2:3:4"} {
		if _, err := hiding(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// TestAPositionWaitsUntilItsCommitsAreSeen hands out a transaction that other
// sessions see a little later, and one that came after the question.
func TestAPositionWaitsUntilItsCommitsAreSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v visibility
		v.dispatching(100)
		v.dispatching(101)
		asked := 0
		err := v.wait(t.Context(), func(context.Context) (string, error) {
			asked++
			v.dispatching(102) // not waited for: it is behind the position
			if asked < 3 {
				return "100:103:100,102", nil
			}
			return "102:103:102", nil
		})
		if err != nil || asked != 3 {
			t.Fatalf("asked %d times: %v", asked, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := v.wait(ctx, func(context.Context) (string, error) { return "1:2:", nil }); err == nil {
			t.Fatal("a wait that was given up is no answer")
		}
	})
}
