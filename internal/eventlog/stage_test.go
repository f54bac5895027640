package eventlog

import (
	"bytes"
	"testing"

	"github.com/oikion/orgcast"
)

func FuzzStagedValue(f *testing.F) {
	for _, c := range []orgcast.StateChange{
		{},
		{Space: orgcast.SpaceMembers, Key: []byte("m1")},
		{Space: orgcast.SpaceParents, Key: []byte("\x04tab1k"), Value: []byte{}},
		{Space: orgcast.SpaceParents, Key: bytes.Repeat([]byte("k"), 200), Value: []byte("\x00\x05org_1")},
		{Space: orgcast.SpaceSessions, Prefix: true, Value: []byte("is not kept")},
	} {
		f.Add(appendStagedValue(nil, &c))
	}
	f.Add([]byte{stagedPrefix + 1, 'p', 0})           // does nothing that is known
	f.Add([]byte{stagedUnset, 'p', 1, 'k', 'v'})      // a value where none can be
	f.Add([]byte{stagedSet, 'p', 0x81, 0, 'k'})       // a length that is not the shortest
	f.Add([]byte{stagedSet, 'p', 0xff, 0xff, 3, 'k'}) // more key than bytes
	f.Fuzz(func(t *testing.T, v []byte) {
		c, ok := decodeStagedValue(v)
		if !ok {
			return
		}
		again := appendStagedValue(nil, &c)
		if !bytes.Equal(again, v) {
			t.Fatalf("%x decodes to %+v, which encodes to %x", v, c, again)
		}
		if stagedValueLen(&c) != len(again) {
			t.Fatalf("length %d, announced %d", len(again), stagedValueLen(&c))
		}
	})
}
