package route

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/pgoutput/pgoutputtest"
	"github.com/oikion/orgcast/internal/publish"
)

var testSecret = &publish.Secret{7}

// batch seals notifications for users of organization o1, of a request that is
// not to be done twice if it has a name.
func batch(tb tester, id byte, request string, at time.Time, users ...string) [][]byte {
	tb.Helper()
	events := make([]string, len(users))
	for i, user := range users {
		events[i] = fmt.Sprintf(`{"type":"notification.new","organizationId":"o1","payload":{"userId":%q,"title":"t","message":"","priority":"low","category":"c"}}`, user)
	}
	return sealedBatch(tb, testSecret, id, request, at, events...)
}

func sealedBatch(tb tester, secret *publish.Secret, id byte, request string, at time.Time, events ...string) (frames [][]byte) {
	tb.Helper()
	drafts, problems := publish.Read([]byte("["+strings.Join(events, ",")+"]"), publish.LimitHTTP)
	if len(problems) > 0 {
		tb.Fatal(problems)
	}
	b := publish.Sealed{ID: [16]byte{id}, Key: "key", IssuedAt: at, Drafts: drafts}
	if request != "" {
		b.Idempotency = publish.IdempotencyID("key", request, nil)
	}
	messages, err := publish.Seal(secret, &b)
	if err != nil {
		tb.Fatal(err)
	}
	for _, m := range messages {
		frames = append(frames, pgoutputtest.Message(true, 1, publish.PrefixSealed, string(m)))
	}
	return frames
}

// sealedWorld takes sealed messages and remembers them as the app does.
func sealedWorld(tb tester, m Members) (*world, *publish.Receipts) {
	w, receipts := smallWorld(tb, m), publish.NewReceipts()
	w.router.Unseal(testSecret, receipts)
	if err := w.router.Load(orgcast.SpaceOrganizations, []byte("o1"), nil); err != nil {
		tb.Fatal(err)
	}
	return w, receipts
}

// remember commits, and has the receipts learn of it.
func (w *world) remember(receipts *publish.Receipts, frames ...[]byte) *Output {
	w.tb.Helper()
	out := w.commit(frames...)
	if err := receipts.Apply(out.States); err != nil {
		w.tb.Fatal(err)
	}
	return out
}

// notified is the line of a notification for a user.
func notified(place, user string) string {
	return fmt.Sprintf(`%s o1 notification.new {"userId":%q,"title":"t","message":"","priority":"low","category":"c"} from app to %s`, place, user, user)
}

func TestASealedBatchIsToldInItsOrderAndACopyIsNot(t *testing.T) {
	w, receipts := sealedWorld(t, members{"u1@o1": 1, "u2@o1": 1})
	users := slices.Repeat([]string{"u1", "u2"}, 5) // two messages
	frames := batch(t, 1, "", commitTime, users...)
	out := w.remember(receipts, append([][]byte{pgoutputtest.Message(true, 1, "another's", "")}, frames...)...)
	var want []string
	for i, user := range users {
		want = append(want, notified(fmt.Sprintf("%d.%d", 1+i/8, i%8), user))
	}
	w.want(out, want...)
	receipt := receipts.Batch([16]byte{1})
	if receipt == nil || !receipt.Complete() {
		t.Fatalf("receipt %+v", receipt)
	}
	for i, c := range receipt.Cursors() {
		if c != out.Events[i].Cursor {
			t.Errorf("event %d: receipt says %v, the event %v", i, c, out.Events[i].Cursor)
		}
	}
	const replayed = "refused replayed: [the body is a copy of a sealed message that came before]"
	for _, copies := range [][][]byte{frames, {frames[1]}, {frames[1], frames[0]}} {
		out = w.remember(receipts, copies...)
		w.want(out, slices.Repeat([]string{replayed}, len(copies))...)
		if len(out.States) > 0 {
			t.Errorf("a copy is remembered: %v", out.States)
		}
	}
}

func TestACopyInOneTransactionIsToldOnce(t *testing.T) {
	w, receipts := sealedWorld(t, members{"u1@o1": 1})
	one, other := batch(t, 1, "r", commitTime, "u1"), batch(t, 2, "r", commitTime, "u1")
	w.want(w.remember(receipts, one[0], one[0], other[0]), notified("0.0", "u1"),
		"refused replayed: [the body is a copy of a sealed message that came before]",
		"refused repeated: [the body was done before, under the same Idempotency-Key]")
}

// The message's own events take all the places that its change has.
func TestARefetchThatIsOwedIsToldBeforeASealedMessage(t *testing.T) {
	w, receipts := sealedWorld(t, members{"u1@o1": 1})
	sealed := batch(t, 1, "", commitTime, slices.Repeat([]string{"u1"}, orgcast.SubIndexes)...)
	if len(sealed) != 1 {
		t.Fatalf("%d messages", len(sealed))
	}
	out := w.remember(receipts, insert(clients, row{"c1", "o1"}), insert(notes, row{"n1", nil, "c1", "x"}), truncate(clients),
		insert(notes, row{"n2", nil, "c9", "x"}), insert(clients, row{"c9", "o1"}), sealed[0])
	var places []string
	for i := range out.Events {
		at := out.Events[i].Cursor.Index
		places = append(places, fmt.Sprintf("%d.%d", at/orgcast.SubIndexes, at%orgcast.SubIndexes))
	}
	want := []string{"1.0", "2.0", "4.7", "5.0", "5.1", "5.2", "5.3", "5.4", "5.5", "5.6", "5.7"}
	if !slices.Equal(places, want) {
		t.Errorf("events at %v, want %v", places, want)
	}
}

// TestSealedMessagesAreRefused for each reason, and nothing of them is told or
// remembered.
func TestSealedMessagesAreRefused(t *testing.T) {
	content := func(frames [][]byte) string {
		s := string(frames[0])
		return s[strings.Index(s, publish.PrefixSealed)+len(publish.PrefixSealed)+5:]
	}
	good := content(batch(t, 1, "", commitTime, "u1"))
	message := func(content string) []byte { return pgoutputtest.Message(true, 1, publish.PrefixSealed, content) }
	for name, tt := range map[string]struct {
		frame  []byte
		reason publish.Reason
	}{
		"good":                    {message(good), ""},
		"not transactional":       {pgoutputtest.Message(false, 1, publish.PrefixSealed, good), publish.ReasonNotTransactional},
		"empty":                   {message(""), publish.ReasonSeal},
		"an event as SQL says it": {message(`{"type":"notification.new","organizationId":"o1","payload":{}}`), publish.ReasonSeal},
		"another secret": {message(content(sealedBatch(t, &publish.Secret{8}, 1, "", commitTime,
			`{"type":"system.alert","organizationId":"*","payload":{"alertType":"info","message":"m"}}`))), publish.ReasonSeal},
		"altered":     {message(strings.Replace(good, "u1", "u2", 1)), publish.ReasonSeal},
		"cut":         {message(good[:len(good)-1]), publish.ReasonSeal},
		"with more":   {message(good + "x"), publish.ReasonSeal},
		"too old":     {batch(t, 1, "", commitTime.Add(-publish.MaxDelay-time.Millisecond), "u1")[0], publish.ReasonSealDelay},
		"too new":     {batch(t, 1, "", commitTime.Add(publish.MaxDelay+time.Millisecond), "u1")[0], publish.ReasonSealDelay},
		"almost old":  {batch(t, 1, "", commitTime.Add(-publish.MaxDelay), "u1")[0], ""},
		"no member":   {batch(t, 1, "", commitTime, "u2")[0], ReasonNoMember},
		"nobody":      {sealedBatch(t, testSecret, 1, "", commitTime, `{"type":"system.alert","organizationId":"o2","payload":{"alertType":"info","message":"m"}}`)[0], publish.ReasonOrganization},
		"as by SQL":   {pgoutputtest.Message(true, 1, publish.Prefix, good), publish.ReasonInvalid},
		"another one": {pgoutputtest.Message(true, 1, publish.PrefixSealed+"2", good), "not ours"},
	} {
		w, receipts := sealedWorld(t, members{"u1@o1": 1})
		w.remember(receipts, tt.frame)
		told, kept := len(w.out.Events), receipts.Len()
		reason := ""
		if len(w.withheld) > 0 {
			reason, _, _ = strings.Cut(strings.TrimPrefix(w.withheld[0], "refused "), ":")
		}
		switch tt.reason {
		case "":
			if told != 1 || kept != 1 || reason != "" {
				t.Errorf("%s: %d told, %d kept, refused %q", name, told, kept, reason)
			}
		case ReasonNoMember, publish.ReasonOrganization: // it came, and is never to come again
			if told != 0 || kept != 1 || reason != string(tt.reason) || !receipts.Batch([16]byte{1}).Cursors()[0].IsZero() {
				t.Errorf("%s: %d told, %d kept, refused %q", name, told, kept, reason)
			}
		case "not ours":
			if told != 0 || kept != 0 || reason != "" {
				t.Errorf("%s: %d told, %d kept, refused %q", name, told, kept, reason)
			}
		default:
			if told != 0 || kept != 0 || reason != string(tt.reason) {
				t.Errorf("%s: %d told, %d kept, refused %q, want %q", name, told, kept, reason, tt.reason)
			}
		}
	}
}

// full is receipts that have no room.
type full struct{ *publish.Receipts }

func (full) Full(time.Time) bool { return true }

func TestWhatCanNotBeRememberedIsNotTold(t *testing.T) {
	w, receipts := sealedWorld(t, members{"u1@o1": 1})
	w.router.Unseal(testSecret, full{receipts})
	w.want(w.remember(receipts, batch(t, 1, "", commitTime, "u1")...), "refused receipts_full: [the body can't be remembered: too much was published]")
}

func TestWithoutASecretNoMessageIsSealed(t *testing.T) {
	w := smallWorld(t, members{"u1@o1": 1})
	w.want(w.commit(batch(t, 1, "", commitTime, "u1")...), "refused seal: [the body has a seal that does not fit: forged, altered, or of another secret]")
}

// TestNothingIsToldTwice against a plain model, whatever is emitted in whatever
// order, with restarts in between.
func TestNothingIsToldTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, receipts := sealedWorld(t, members{"u1@o1": 1})
		requests := map[byte]string{1: "", 2: "a", 3: "a", 4: "b", 5: ""}
		parts := map[byte][][]byte{}
		for id, request := range requests {
			parts[id] = batch(t, id, request, commitTime, slices.Repeat([]string{"u1"}, 1+7*int(id))...)
		}
		stored := map[string][]byte{}
		came := map[string]orgcast.Cursor{} // of each part, where it was told
		owner := map[string]byte{}          // of each request, whose batch has it
		for range rapid.IntRange(1, 20).Draw(t, "transactions") {
			if rapid.Bool().Draw(t, "restart") {
				if err := receipts.Replace(func(put func(orgcast.Space, []byte, []byte) error) error {
					for key, value := range stored {
						if err := put(orgcast.SpaceReceipts, []byte(key), value); err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
			}
			var frames [][]byte
			want := 0
			for i := range rapid.IntRange(1, 4).Draw(t, "messages") {
				id := byte(rapid.IntRange(1, 5).Draw(t, "batch"))
				n := rapid.IntRange(0, len(parts[id])-1).Draw(t, "part")
				frames = append(frames, parts[id][n])
				name, request := fmt.Sprint(id, ".", n), requests[id]
				_, told := came[name]
				if told || request != "" && owner[request] != 0 && owner[request] != id {
					continue
				}
				if request != "" {
					owner[request] = id
				}
				came[name] = orgcast.Cursor{Epoch: 1, LSN: w.lsn + 0x100, Index: uint64(i) * orgcast.SubIndexes}
				want += min(orgcast.SubIndexes, 1+7*int(id)-n*orgcast.SubIndexes)
			}
			out := w.remember(receipts, frames...)
			if len(out.Events) != want {
				t.Fatalf("%d events told, want %d", len(out.Events), want)
			}
			for _, s := range out.States {
				if s.Value == nil {
					delete(stored, string(s.Key))
				} else {
					stored[string(s.Key)] = slices.Clone(s.Value)
				}
			}
		}
		for id := range requests {
			receipt := receipts.Batch([16]byte{id})
			for n := range parts[id] {
				at, told := came[fmt.Sprint(id, ".", n)]
				switch {
				case told && (receipt == nil || receipt.Cursors()[n*orgcast.SubIndexes] != at):
					t.Fatalf("batch %d, part %d: told at %v, receipt %+v", id, n, at, receipt)
				case !told && receipt != nil && receipt.Has(n*orgcast.SubIndexes):
					t.Fatalf("batch %d, part %d: not told, receipt %+v", id, n, receipt)
				}
			}
		}
	})
}
