package publish

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
)

var (
	sealSecret = &Secret{1, 2, 3}
	sealedAt   = time.UnixMilli(1763881200123).UTC()
)

func batchOf(t testing.TB, n int) *Sealed {
	t.Helper()
	events := make([]string, n)
	for i := range events {
		events[i] = eventOf(orgcast.NotificationNew, fmt.Sprintf(`{"userId":"u%d","title":"<T>","message":"m","priority":"low","category":"c","metadata":{"n": %d}}`, i, i))
	}
	drafts, problems := Read([]byte("["+strings.Join(events, ",")+"]"), LimitHTTP)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return &Sealed{ID: [16]byte{9, 8, 7}, Key: "aaaabbbbccccdddd", Idempotency: IdempotencyID("k", "i", nil), IssuedAt: sealedAt, Drafts: drafts}
}

func TestWhatIsSealedIsOpenedAsItWas(t *testing.T) {
	types := make([]orgcast.EventType, 0, len(good))
	for typ := range good {
		types = append(types, typ)
	}
	rapid.Check(t, func(t *rapid.T) {
		var secret Secret
		copy(secret[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "secret"))
		texts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			typ := rapid.SampledFrom(types).Draw(t, "type")
			return eventOf(typ, good[typ])
		}), 1, LimitHTTP.Events).Draw(t, "events")
		drafts, problems := Read([]byte("["+strings.Join(texts, ",")+"]"), LimitHTTP)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		b := &Sealed{
			ID: NewID(), Key: rapid.StringN(1, 60, 255).Draw(t, "key"), Idempotency: IdempotencyID("k", "i", nil),
			IssuedAt: time.UnixMilli(rapid.Int64Range(0, 1<<45).Draw(t, "issued")).UTC(), Drafts: drafts,
		}
		messages, err := Seal(&secret, b)
		if err != nil {
			t.Fatal(err)
		}
		got := *b
		got.Drafts = nil
		for _, m := range messages {
			part, err := Open(&secret, m, b.IssuedAt.Add(time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if part.First != len(got.Drafts) || part.Total != len(drafts) || len(part.Drafts) > orgcast.SubIndexes {
				t.Fatalf("part at %d of %d, with %d events, after %d", part.First, part.Total, len(part.Drafts), len(got.Drafts))
			}
			if part.ID != b.ID || part.Key != b.Key || part.Idempotency != b.Idempotency || !part.IssuedAt.Equal(b.IssuedAt) {
				t.Fatalf("head %+v of %+v", part, b)
			}
			got.Drafts = append(got.Drafts, part.Drafts...)
		}
		if !reflect.DeepEqual(&got, b) {
			t.Fatalf("got %+v\nwant %+v", got, b)
		}
	})
}

func TestEveryBitOfASealedMessageCounts(t *testing.T) {
	messages, err := Seal(sealSecret, batchOf(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	m := messages[0]
	for i := range m {
		for bit := range 8 {
			bent := bytes.Clone(m)
			bent[i] ^= 1 << bit
			if _, err := Open(sealSecret, bent, sealedAt); !errors.Is(err, ErrSeal) {
				t.Fatalf("bit %d of byte %d altered: %v", bit, i, err)
			}
		}
		if _, err := Open(sealSecret, m[:i], sealedAt); !errors.Is(err, ErrSeal) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	for bit := range 256 {
		other := *sealSecret
		other[bit/8] ^= 1 << (bit % 8)
		if _, err := Open(&other, m, sealedAt); !errors.Is(err, ErrSeal) {
			t.Fatalf("bit %d of the secret altered: %v", bit, err)
		}
	}
	for _, longer := range [][]byte{append(bytes.Clone(m), 0), append([]byte{0}, m...), append(bytes.Clone(m), m...), make([]byte, MaxSealed+1), nil} {
		if _, err := Open(sealSecret, longer, sealedAt); !errors.Is(err, ErrSeal) {
			t.Fatalf("%d bytes: %v", len(longer), err)
		}
	}
}

// TestAnOldMessageIsAsGoodAsItsCommit: Open does not know what time it is.
func TestAnOldMessageIsAsGoodAsItsCommit(t *testing.T) {
	messages, err := Seal(sealSecret, batchOf(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	for late, want := range map[time.Duration]error{
		0: nil, time.Minute: nil, -time.Minute: nil, MaxDelay: nil, -MaxDelay: nil,
		MaxDelay + time.Millisecond: ErrDelay, -MaxDelay - time.Millisecond: ErrDelay, 1000 * time.Hour: ErrDelay,
	} {
		if _, err := Open(sealSecret, messages[0], sealedAt.Add(late)); !errors.Is(err, want) {
			t.Errorf("committed %v later: %v, want %v", late, err, want)
		}
	}
	if _, err := Open(sealSecret, messages[0], time.Time{}); !errors.Is(err, ErrDelay) {
		t.Errorf("without a commit: %v", err)
	}
}

// TestBehindAGoodSealTheFormStillCounts: a newer program may seal otherwise.
func TestBehindAGoodSealTheFormStillCounts(t *testing.T) {
	messages, err := Seal(sealSecret, batchOf(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		alter func(m []byte) []byte
		want  error
	}{
		"another version":     {func(m []byte) []byte { m[0]++; return m }, ErrVersion},
		"a longer key":        {func(m []byte) []byte { return append(m[:headSize-1], 255) }, ErrContent},
		"no events":           {func(m []byte) []byte { return append(m[:headSize+16], "[]"...) }, ErrContent},
		"more than its total": {func(m []byte) []byte { binary.BigEndian.PutUint16(m[59:], 1); return m }, ErrContent},
		"an invalid event":    {func(m []byte) []byte { return bytes.Replace(m, []byte(`"low"`), []byte(`"canary"`), 1) }, ErrContent},
		"a time beyond all":   {func(m []byte) []byte { binary.BigEndian.PutUint64(m[49:], 1<<63); return m }, ErrDelay},
	} {
		t.Run(name, func(t *testing.T) {
			m := tt.alter(bytes.Clone(messages[0][:len(messages[0])-32]))
			_, err := Open(sealSecret, append(m, sealOf(sealSecret, m)...), sealedAt)
			if !errors.Is(err, tt.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestWhateverIsReadCanBeSealed: the texts that grow most when they are escaped,
// in a body as large as it may be.
func TestWhateverIsReadCanBeSealed(t *testing.T) {
	alert := fmt.Sprintf(`{"type":"system.alert","organizationId":%q,"payload":{"alertType":"info","message":"%s"}}`,
		strings.Repeat("<", 255), strings.Repeat("<", 9_900))
	body := "[" + strings.TrimSuffix(strings.Repeat(alert+",", 25), ",") + "]"
	drafts, problems := Read([]byte(body), LimitHTTP)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	messages, err := Seal(sealSecret, &Sealed{Key: strings.Repeat("k", 255), IssuedAt: sealedAt, Drafts: drafts})
	if err != nil || len(messages) != 4 {
		t.Fatalf("%d messages, %v", len(messages), err)
	}
	if _, err := Open(sealSecret, messages[3], sealedAt); err != nil {
		t.Error(err)
	}
}

func TestSealRefusesWhatOpenWould(t *testing.T) {
	for name, alter := range map[string]func(*Sealed){
		"no event":       func(b *Sealed) { b.Drafts = nil },
		"101 events":     func(b *Sealed) { b.Drafts = make([]Draft, 101) },
		"no key":         func(b *Sealed) { b.Key = "" },
		"a long key":     func(b *Sealed) { b.Key = strings.Repeat("k", 256) },
		"no time at all": func(b *Sealed) { b.IssuedAt = time.Time{} },
	} {
		b := batchOf(t, 1)
		alter(b)
		if _, err := Seal(sealSecret, b); !errors.Is(err, ErrBatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheSecretPrintsAsNothing(t *testing.T) {
	s := Secret([]byte("canary-canary-canary-canary-cana"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{s, &s, struct{ S Secret }{s}} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "canary") || strings.Contains(text, "63616e617279") || strings.Contains(text, "99 97") {
				t.Errorf("%s: %s", verb, text)
			}
		}
	}
}

func TestAnIdempotencyIDIsOfKeyAndBodyTogether(t *testing.T) {
	seen := map[[32]byte]string{}
	for _, parts := range [][3]string{{"a", "b", "c"}, {"ab", "", "c"}, {"a", "bc", ""}, {"", "ab", "c"}, {"a", "b", "cc"}, {"a", "c", "b"}, {"", "", ""}, {"a", "b", "c\x00"}} {
		id := IdempotencyID(parts[0], parts[1], []byte(parts[2]))
		if other, ok := seen[id]; ok {
			t.Errorf("%q and %q are one", parts, other)
		}
		if id != IdempotencyID(parts[0], parts[1], []byte(parts[2])) || id == [32]byte{} {
			t.Errorf("%q: not the same twice, or nothing", parts)
		}
		seen[id] = fmt.Sprint(parts)
	}
}

// FuzzOpen holds the worst thing against a sealed message: that one which was
// not sealed here is opened; and that nothing behind a good seal can break the
// reader.
func FuzzOpen(f *testing.F) {
	genuine := map[string]bool{}
	for _, n := range []int{1, 3, 20} {
		messages, err := Seal(sealSecret, batchOf(f, n))
		if err != nil {
			f.Fatal(err)
		}
		for _, m := range messages {
			genuine[string(m)] = true
			f.Add(m)
			f.Add(m[:len(m)-32])
		}
	}
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, m []byte) {
		if s, err := Open(sealSecret, m, sealedAt); err == nil && !genuine[string(m)] {
			t.Fatalf("opened a forgery: %+v", s)
		}
		s, err := Open(sealSecret, append(bytes.Clone(m), sealOf(sealSecret, m)...), sealedAt)
		if err != nil {
			return
		}
		if len(s.Drafts) == 0 || len(s.Drafts) > orgcast.SubIndexes || s.First+len(s.Drafts) > s.Total {
			t.Fatalf("opened %+v", s)
		}
	})
}
