package eventlog

import (
	"cmp"
	"slices"

	"github.com/oikion/orgcast"
)

// maxTrimmed is how many organizations may be over their share for their own events
// to go. If more are, it is nobody's import: the log is too small for everybody, and
// the oldest segment goes.
const maxTrimmed = 256

// excess is what an organization has above its share, in bytes before compression.
type excess struct {
	organization orgcast.OrganizationID
	bytes        uint64
}

// overShare lists the organizations that are over their max-min fair share when need
// bytes must go, those with the most first, and by how much: what they have above
// one level, which all others are below. What is for [orgcast.Everyone] is nobody's:
// it has no share, and can't go alone, since its absence is a gap in everybody's
// replay. None are listed if they are too many, or have not so much together.
func (t *tally) overShare(need uint64) []excess {
	all := make([]excess, 0, len(t.bytes))
	for organization, n := range t.bytes {
		if organization != orgcast.Everyone {
			all = append(all, excess{organization, n})
		}
	}
	slices.SortFunc(all, func(a, b excess) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.organization, b.organization))
	})
	sum := uint64(0)
	for i := range all[:min(len(all), maxTrimmed)] {
		sum += all[i].bytes
		next := uint64(0)
		if i+1 < len(all) {
			next = all[i+1].bytes
		}
		over := uint64(i + 1)
		if sum < need || (sum-need)/over < next {
			continue // the level lies below the next one's bytes
		}
		level := (sum - need) / over
		for j := range all[:over] {
			all[j].bytes -= level
		}
		return slices.DeleteFunc(all[:over], func(e excess) bool { return e.bytes == 0 })
	}
	return nil
}
