package route

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"

	"github.com/oikion/orgcast"
)

// parentIndex says whose the rows of a parent table are, by their keys. There may be
// millions, so that an entry with one direct organization, as nearly all have,
// takes its key, 5 bytes and a slot of 5 to 11: no pointer that a collection of
// garbage would follow, and a third of what a map takes. It is in shards, so that
// one that grows moves a small part of it.
type parentIndex struct {
	seed   maphash.Seed
	owners *owners
	shards [indexShards]shard
	// other holds the entries that hang on other parents, or on nothing.
	other map[string]tenant
}

const indexShards = 256

// owners numbers the organizations that entries are of. One stays until
// [Router.Forget].
type owners struct {
	names   []orgcast.OrganizationID
	numbers map[orgcast.OrganizationID]uint32
}

func (o *owners) number(name orgcast.OrganizationID) uint32 {
	if n, ok := o.numbers[name]; ok {
		return n
	}
	n := uint32(len(o.names))
	o.names = append(o.names, name)
	if o.numbers == nil {
		o.numbers = map[orgcast.OrganizationID]uint32{}
	}
	o.numbers[name] = n
	return n
}

// shard is an open hash table, probed one slot after the other.
type shard struct {
	slots []uint32 // of a power of two: where an entry begins in arena, plus one
	arena []byte   // entries: owner:4, the length of the key (uvarint), key
	live  int      // entries
	used  int      // slots that are not free: those of live and of removed entries
	dead  int      // bytes of removed entries
}

// Of a slot. An entry never begins at the end of 4 GiB: all shards together would
// hold a TiB.
const (
	slotFree    = 0
	slotRemoved = math.MaxUint32
)

const minSlots = 8

// minArena is the least that an arena grows by, in bytes. A large one grows by an
// eighth: append's quarter would be empty bytes for every eighth key.
const minArena = 128

func newParentIndex(o *owners) *parentIndex {
	return &parentIndex{seed: maphash.MakeSeed(), owners: o, other: map[string]tenant{}}
}

// get finds an entry. A nil index has none.
func (x *parentIndex) get(key []byte) (tenant, bool) {
	if x == nil {
		return tenant{}, false
	}
	hash := maphash.Bytes(x.seed, key)
	s := &x.shards[hash%indexShards]
	if i := s.find(hash, key); i >= 0 {
		return tenant{organization: x.owners.names[s.owner(i)]}, true
	}
	if len(x.other) == 0 {
		return tenant{}, false
	}
	t, ok := x.other[string(key)]
	return t, ok
}

// set puts an entry, or puts it in another's place. The key is copied.
func (x *parentIndex) set(key []byte, t tenant) {
	hash := maphash.Bytes(x.seed, key)
	s := &x.shards[hash%indexShards]
	if t.organization == "" {
		s.remove(hash, key, x.seed)
		x.other[string(key)] = t
		return
	}
	delete(x.other, string(key))
	owner := x.owners.number(t.organization)
	if i := s.find(hash, key); i >= 0 {
		binary.LittleEndian.PutUint32(s.arena[s.slots[i]-1:], owner)
		return
	}
	s.add(hash, key, owner, x.seed)
}

// remove removes an entry, if it is there.
func (x *parentIndex) remove(key string) {
	hash := maphash.String(x.seed, key)
	x.shards[hash%indexShards].remove(hash, []byte(key), x.seed)
	delete(x.other, key)
}

// clear removes all entries, and gives their memory back.
func (x *parentIndex) clear() {
	clear(x.shards[:])
	x.other = map[string]tenant{}
}

// place is where the probing for a hash begins. The lowest bits chose the shard.
func (s *shard) place(hash uint64) int { return int(hash/indexShards) & (len(s.slots) - 1) }

// find returns the slot of an entry, or a negative number.
func (s *shard) find(hash uint64, key []byte) int {
	if s.live == 0 {
		return -1
	}
	for i := s.place(hash); ; i = (i + 1) & (len(s.slots) - 1) {
		switch at := s.slots[i]; at {
		case slotFree:
			return -1
		case slotRemoved:
		default:
			if k, _ := s.key(at - 1); string(k) == string(key) {
				return i
			}
		}
	}
}

func (s *shard) owner(slot int) uint32 { return binary.LittleEndian.Uint32(s.arena[s.slots[slot]-1:]) }

// key is the key of the entry that begins at a place, and where the entry ends.
func (s *shard) key(at uint32) (key []byte, end int) {
	entry := s.arena[at+4:]
	n, size := uint64(entry[0]), 1
	if n >= 0x80 { // few keys are as long
		n, size = binary.Uvarint(entry)
	}
	return entry[size : size+int(n)], int(at) + 4 + size + int(n)
}

// add puts an entry that is not there.
func (s *shard) add(hash uint64, key []byte, owner uint32, seed maphash.Seed) {
	if 4*(s.used+1) > 3*len(s.slots) {
		s.rebuild(seed)
	}
	if need := 4 + binary.MaxVarintLen64 + len(key); cap(s.arena)-len(s.arena) < need {
		s.arena = append(make([]byte, 0, len(s.arena)+max(need, minArena, len(s.arena)/8)), s.arena...)
	}
	at := uint32(len(s.arena)) + 1
	s.arena = binary.LittleEndian.AppendUint32(s.arena, owner)
	s.arena = binary.AppendUvarint(s.arena, uint64(len(key)))
	s.arena = append(s.arena, key...)
	s.take(hash, at)
	s.live++
}

// take puts an entry's place into the first free slot.
func (s *shard) take(hash uint64, at uint32) {
	i := s.place(hash)
	for s.slots[i] != slotFree {
		i = (i + 1) & (len(s.slots) - 1)
	}
	s.slots[i] = at
	s.used++
}

func (s *shard) remove(hash uint64, key []byte, seed maphash.Seed) {
	i := s.find(hash, key)
	if i < 0 {
		return
	}
	at := s.slots[i] - 1
	_, end := s.key(at)
	s.slots[i] = slotRemoved
	s.live--
	s.dead += end - int(at)
	if s.dead > len(s.arena)/2 && s.dead > 4<<10 {
		s.rebuild(seed)
	}
}

// rebuild drops what was removed, and makes room for half as many entries again.
func (s *shard) rebuild(seed maphash.Seed) {
	old := *s
	slots := max(minSlots, 1<<bits.Len(uint(2*old.live)))
	*s = shard{slots: make([]uint32, slots), arena: old.arena, live: old.live}
	if old.dead > 0 {
		s.arena = make([]byte, 0, len(old.arena)-old.dead)
	}
	for _, at := range old.slots {
		if at == slotFree || at == slotRemoved {
			continue
		}
		key, end := old.key(at - 1)
		to := at
		if old.dead > 0 {
			to = uint32(len(s.arena)) + 1
			s.arena = append(s.arena, old.arena[at-1:end]...)
		}
		s.take(maphash.Bytes(seed, key), to)
	}
}
