package eventlog

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
)

// TestTheLevelIsThatOfMaxMinFairness against the search for it, one byte at a time.
func TestTheLevelIsThatOfMaxMinFairness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all tally
		sizes := map[orgcast.OrganizationID]uint64{}
		sum := uint64(0)
		for i := range rapid.IntRange(0, 12).Draw(t, "organizations") {
			o := orgcast.OrganizationID(fmt.Sprint("org_", i))
			sizes[o] = rapid.Uint64Range(1, 40).Draw(t, "bytes")
			sum += sizes[o]
			all.add(o, sizes[o])
		}
		all.add(orgcast.Everyone, rapid.Uint64Range(0, 1000).Draw(t, "everyone's"))
		need := rapid.Uint64Range(1, 500).Draw(t, "need")
		above := func(level uint64) (over uint64) {
			for _, n := range sizes {
				over += n - min(n, level)
			}
			return over
		}
		got := all.overShare(need)
		if need > sum {
			if got != nil {
				t.Fatalf("%v of %v, who have not %d together", got, sizes, need)
			}
			return
		}
		level := uint64(0)
		for above(level+1) >= need {
			level++
		}
		cut := uint64(0)
		for _, e := range got {
			if want := sizes[e.organization] - min(sizes[e.organization], level); e.bytes != want || want == 0 {
				t.Fatalf("%s loses %d of %d, at the level %d", e.organization, e.bytes, sizes[e.organization], level)
			}
			cut += e.bytes
		}
		if cut != above(level) {
			t.Fatalf("%d bytes are cut above %d, want %d", cut, level, above(level))
		}
	})
}

func TestWhereEverybodyIsOverHisShareNobodyIsListed(t *testing.T) {
	var equal tally
	for i := range maxTrimmed + 1 {
		equal.add(orgcast.OrganizationID(fmt.Sprint(i)), 100)
	}
	if over := equal.overShare(maxTrimmed + 1); over != nil {
		t.Errorf("%d are listed", len(over))
	}
	equal.take("0", 100)
	if over := equal.overShare(maxTrimmed); len(over) != maxTrimmed || over[0].bytes != 1 {
		t.Errorf("%d are listed: %v", len(over), over)
	}
}

// TestATallyOfVeryManyFindsTheLargestAndNeverCountsTooMuch.
func TestATallyOfVeryManyFindsTheLargestAndNeverCountsTooMuch(t *testing.T) {
	const organizations = 3 * maxTallied
	random := rand.New(rand.NewPCG(1, 1))
	has := make([]uint64, organizations)
	var got tally
	total, sum := uint64(0), uint64(0)
	for range 4 * organizations {
		i := random.IntN(organizations)
		if random.IntN(10) == 0 {
			i %= 10 // the large ones
		}
		n := uint64(100 + random.IntN(300))
		has[i] += n
		total += n
		got.add(orgcast.OrganizationID(fmt.Sprint("org_", i)), n)
		if len(got.bytes) > maxTallied {
			t.Fatalf("%d are held", len(got.bytes))
		}
	}
	for i, n := range has {
		counted := got.bytes[orgcast.OrganizationID(fmt.Sprint("org_", i))]
		sum += counted
		if counted > n || counted+total/(maxTallied/2) < n {
			t.Fatalf("org_%d has %d, counted are %d of %d in all", i, n, counted, total)
		}
	}
	if got.sum != sum || sum >= total {
		t.Fatalf("the sum is %d, told is %d, of %d", sum, got.sum, total)
	}
}
