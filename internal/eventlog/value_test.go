package eventlog

import (
	"bytes"
	"testing"

	"github.com/oikion/orgcast"
)

func FuzzEventValue(f *testing.F) {
	for _, e := range []orgcast.Event{
		{},
		{Kind: orgcast.KindReset, Type: orgcast.DataSync, Frame: []byte("id: 1.2.3\ndata: {}\n\n")},
		{Audience: orgcast.Audience{User: "u", Roles: []string{"ORG_OWNER", ""}}, Frame: []byte{0}},
		{Audience: orgcast.Audience{User: orgcast.UserID(bytes.Repeat([]byte("u"), 200))}},
	} {
		f.Add(appendEventValue(nil, &e))
	}
	f.Add([]byte{eventVersion, 0, 0, 0x80, 0})                                                          // a length that is not the shortest
	f.Add([]byte{eventVersion, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})       // 2^64-1 roles
	f.Add([]byte{eventVersion + 1, 0, 0, 0, 0})                                                         // another version
	f.Add([]byte{eventVersion, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) // overflow
	f.Fuzz(func(t *testing.T, v []byte) {
		var e orgcast.Event
		if err := decodeEventValue(v, &e); err != nil {
			return
		}
		again := appendEventValue(nil, &e)
		if !bytes.Equal(again, v) {
			t.Fatalf("%x decodes to %+v, which encodes to %x", v, e, again)
		}
		if eventValueLen(&e) != len(again) {
			t.Fatalf("length %d, announced %d", len(again), eventValueLen(&e))
		}
	})
}

func TestAnEventIsNeverNarrowedLess(t *testing.T) {
	// The slice of roles is reused from event to event.
	var e orgcast.Event
	for _, want := range [][]string{{"a", "b"}, {}, {"c"}} {
		v := appendEventValue(nil, &orgcast.Event{Audience: orgcast.Audience{Roles: want}})
		if err := decodeEventValue(v, &e); err != nil {
			t.Fatal(err)
		}
		if len(e.Audience.Roles) != len(want) || (len(want) > 0 && e.Audience.Roles[0] != want[0]) {
			t.Fatalf("roles %q, want %q", e.Audience.Roles, want)
		}
	}
}

func FuzzIdentity(f *testing.F) {
	f.Add(encodeIdentity(Identity{SystemID: 1<<64 - 1, Timeline: 3, Database: "app", Slot: "orgcast_app", Rules: "r"}, 7))
	f.Add(encodeIdentity(Identity{}, 0))
	f.Add([]byte("0123456789abcdef\x00\x00\x05x"))
	f.Fuzz(func(t *testing.T, v []byte) {
		id, epoch, err := decodeIdentity(v)
		if err == nil && !bytes.Equal(encodeIdentity(id, epoch), v) {
			t.Fatalf("%x decodes to %+v", v, id)
		}
	})
}
