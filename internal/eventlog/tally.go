package eventlog

import (
	"slices"
	"strings"

	"github.com/oikion/orgcast"
)

// maxTallied is how many organizations a tally counts. When there are more, those
// with the fewest bytes are forgotten, and the others lose as much: whose count is
// above one part in 32,768 of all is never forgotten, and no count is above what
// there is. So who is found to be over his share is over it.
const maxTallied = 1 << 16

// tally is how many bytes each organization has, before compression. It is a
// weighted Misra-Gries summary, which is exact for up to maxTallied organizations.
type tally struct {
	bytes map[orgcast.OrganizationID]uint64
	sum   uint64 // of bytes
}

// add counts bytes of an organization. The identifier is copied.
func (t *tally) add(organization orgcast.OrganizationID, bytes uint64) {
	if bytes == 0 {
		return
	}
	t.sum += bytes
	if n, ok := t.bytes[organization]; ok {
		t.bytes[organization] = n + bytes
		return
	}
	if t.bytes == nil {
		t.bytes = map[orgcast.OrganizationID]uint64{}
	}
	t.bytes[orgcast.OrganizationID(strings.Clone(string(organization)))] = bytes
	if len(t.bytes) > maxTallied {
		t.thin()
	}
}

// thin takes the median from every count, and forgets those that come to nothing.
func (t *tally) thin() {
	counts := make([]uint64, 0, len(t.bytes))
	for _, n := range t.bytes {
		counts = append(counts, n)
	}
	slices.Sort(counts)
	median := counts[len(counts)/2]
	t.sum = 0
	for organization, n := range t.bytes {
		if n <= median {
			delete(t.bytes, organization)
			continue
		}
		t.bytes[organization] = n - median
		t.sum += n - median
	}
}

// take takes bytes that are deleted from an organization's count.
func (t *tally) take(organization orgcast.OrganizationID, bytes uint64) {
	n, ok := t.bytes[organization]
	if !ok {
		return
	}
	left := n - min(n, bytes)
	t.sum -= n - left
	if left == 0 {
		delete(t.bytes, organization)
	} else {
		t.bytes[organization] = left
	}
}
