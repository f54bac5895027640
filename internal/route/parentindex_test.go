package route

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
)

// all are the entries, in no order.
func (x *parentIndex) all() iter.Seq2[string, tenant] {
	return func(yield func(string, tenant) bool) {
		for i := range x.shards {
			s := &x.shards[i]
			for slot, at := range s.slots {
				if at == slotFree || at == slotRemoved {
					continue
				}
				key, _ := s.key(at - 1)
				if !yield(string(key), tenant{organization: x.owners.names[s.owner(slot)]}) {
					return
				}
			}
		}
		for key, t := range x.other {
			if !yield(key, t) {
				return
			}
		}
	}
}

// TestAnIndexIsAsGoodAsAMap drives an index and a map with the same random steps.
func TestAnIndexIsAsGoodAsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, want := newParentIndex(&owners{}), map[string]tenant{}
		parent := &table{name: "parent"}
		// Few keys come again and again; many make shards grow.
		few := rapid.SampledFrom([]string{"", "a", "ab", "a\x00", string(make([]byte, 300))})
		many := rapid.Custom(func(t *rapid.T) string { return fmt.Sprint("key ", rapid.IntRange(0, 20_000).Draw(t, "number")) })
		keys := rapid.OneOf(few, many)
		same := func(t *rapid.T, key string) {
			got, ok := x.get([]byte(key))
			if known, there := want[key]; ok != there || !reflect.DeepEqual(got, known) {
				t.Fatalf("%q is %v %v, want %v %v", key, got, ok, known, there)
			}
		}
		set := func(t *rapid.T, key string) {
			value := tenant{organization: orgcast.OrganizationID(rapid.SampledFrom([]string{"org_1", "org_10", "org_2"}).Draw(t, "organization"))}
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0:
				value = tenant{steps: []step{{parent: parent, key: "up"}}}
			case 1:
				value = tenant{}
			}
			x.set([]byte(key), value)
			want[key] = value
		}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) { set(t, keys.Draw(t, "key")) },
			"set many": func(t *rapid.T) {
				from := rapid.IntRange(0, 20_000).Draw(t, "from")
				owner := tenant{organization: "org_3"}
				for i := from; i < from+3000; i++ {
					key := fmt.Sprint("key ", i)
					x.set([]byte(key), owner)
					want[key] = owner
				}
			},
			"remove": func(t *rapid.T) {
				key := keys.Draw(t, "key")
				x.remove(key)
				delete(want, key)
			},
			"remove many": func(t *rapid.T) {
				left := rapid.IntRange(0, 500).Draw(t, "left")
				for key := range want {
					if len(want) <= left {
						break
					}
					x.remove(key)
					delete(want, key)
				}
			},
			"clear": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
					x.clear()
					clear(want)
				}
			},
			"get": func(t *rapid.T) { same(t, keys.Draw(t, "key")) },
		})
		for key := range maps.Clone(want) {
			same(t, key)
		}
		if n := len(maps.Collect(x.all())); n != len(want) {
			t.Fatalf("%d entries, want %d", n, len(want))
		}
	})
}

// TestAnIndexGivesBackWhatWasRemoved: a table whose rows come and go takes no more
// than one that has them all at once.
func TestAnIndexGivesBackWhatWasRemoved(t *testing.T) {
	x := newParentIndex(&owners{})
	const rows = 100_000
	size := func() (bytes int) {
		for i := range x.shards {
			bytes += cap(x.shards[i].arena) + 4*len(x.shards[i].slots)
		}
		return bytes
	}
	full := 0
	for round := range 5 {
		for i := range rows {
			x.set(fmt.Appendf(nil, "row %d of round %d", i, round), tenant{organization: "org_1"})
		}
		full = max(full, size())
		for i := range rows {
			x.remove(fmt.Sprintf("row %d of round %d", i, round))
		}
	}
	if left := size(); full > 60*rows || left > full/4 {
		t.Errorf("%d bytes a row when full, %d bytes in all when empty", full/rows, left)
	}
}

func BenchmarkIndex(b *testing.B) {
	const rows = 400_000
	x := newParentIndex(&owners{})
	keys := make([][]byte, rows)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "cm%023d", i*7919)
		x.set(keys[i], tenant{organization: orgcast.OrganizationID(fmt.Sprint("org_", i%1000))})
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, ok := x.get(keys[i]); !ok {
			b.Fatal("not there")
		}
		if i++; i == rows {
			i = 0
		}
	}
}
