package eventlog

import (
	"bytes"
	"slices"
	"testing"

	"github.com/oikion/orgcast"
)

func FuzzEventValue(f *testing.F) {
	for _, e := range []orgcast.Event{
		{},
		{Kind: orgcast.KindReset, Type: orgcast.DataSync, Frame: []byte("id: 1.2.3\ndata: {}\n\n")},
		{Audience: orgcast.Audience{User: "u", Roles: []string{"ORG_OWNER", ""}}, Frame: []byte{0}},
		{Audience: orgcast.Audience{Users: []orgcast.UserID{"u", "v"}, Roles: []string{"r"}}, Frame: []byte("x")},
		{Audience: orgcast.Audience{User: orgcast.UserID(bytes.Repeat([]byte("u"), 200))}},
	} {
		f.Add(appendEventValue(nil, &e))
	}
	f.Add([]byte{eventVersion, 0, 0, 0x80, 0})                                                          // a length that is not the shortest
	f.Add([]byte{eventVersion, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})       // 2^64-1 roles
	f.Add([]byte{eventVersionUsers + 1, 0, 0, 0, 0})                                                    // another version
	f.Add([]byte{eventVersionUsers, 0, 0, 0, 0, 0})                                                     // for nobody
	f.Add([]byte{eventVersionUsers, 0, 0, 0, 0, 0xff, 0xff, 0x3f, 'u'})                                 // more users than bytes
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
	// The slices of users and roles are reused from event to event.
	var e orgcast.Event
	for _, want := range []orgcast.Audience{
		{Roles: []string{"a", "b"}}, {Users: []orgcast.UserID{"u", "v"}}, {}, {Roles: []string{"c"}, Users: []orgcast.UserID{"w"}}, {Roles: []string{"d"}},
	} {
		v := appendEventValue(nil, &orgcast.Event{Audience: want})
		if err := decodeEventValue(v, &e); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(e.Audience.Roles, want.Roles) || !slices.Equal(e.Audience.Users, want.Users) {
			t.Fatalf("audience %+v, want %+v", e.Audience, want)
		}
	}
}

// TestWhatAnOlderLogHoldsIsRead: its bytes, as the version before wrote them.
func TestWhatAnOlderLogHoldsIsRead(t *testing.T) {
	var e orgcast.Event
	if err := decodeEventValue([]byte("\x01\x00\x05\x02u1\x02\x01A\x02BCframe"), &e); err != nil {
		t.Fatal(err)
	}
	if e.Type != orgcast.NotificationNew || e.Audience.User != "u1" || len(e.Audience.Users) > 0 || !slices.Equal(e.Audience.Roles, []string{"A", "BC"}) || string(e.Frame) != "frame" {
		t.Errorf("read %+v", e)
	}
}

func FuzzIdentity(f *testing.F) {
	f.Add(encodeIdentity(Identity{SystemID: 1<<64 - 1, Timeline: 3, Database: "app", Slot: "orgcast_app", State: "s", Rules: "r", Tables: "t"}, 7))
	f.Add([]byte("0123456789abcdef\x00\x00\x00"))
	f.Add(encodeIdentity(Identity{}, 0))
	f.Add([]byte("0123456789abcdef\x00\x00\x05x"))
	f.Fuzz(func(t *testing.T, v []byte) {
		id, epoch, err := decodeIdentity(v)
		if err != nil {
			return
		}
		// One of three texts is an older log's, and is written with five.
		if again := encodeIdentity(id, epoch); !bytes.Equal(again, v) && !bytes.Equal(again, append(bytes.Clone(v), 0, 0)) {
			t.Fatalf("%x decodes to %+v", v, id)
		}
	})
}
