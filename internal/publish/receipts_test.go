package publish

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
)

// receiptOf is a batch of one event.
func receiptOf(n int, request string, at time.Time) *Receipt {
	r := &Receipt{IssuedAt: at, Total: 1, Parts: []ReceiptPart{{Events: 1, Told: 1, At: orgcast.Cursor{Epoch: 1, LSN: orgcast.LSN(n)}}}}
	binary.BigEndian.PutUint64(r.ID[:], uint64(n))
	if request != "" {
		r.Request = IdempotencyID("k", request, nil)
	}
	return r
}

func put(r *Receipt) orgcast.StateChange {
	return orgcast.StateChange{Space: orgcast.SpaceReceipts, Key: r.ID[:], Value: r.Append(nil)}
}

func mustApply(t testing.TB, r *Receipts, changes ...orgcast.StateChange) {
	t.Helper()
	if err := r.Apply(changes); err != nil {
		t.Fatal(err)
	}
}

// TestReceiptsAreThoseOfAPlainModel, whatever comes, goes, and is loaded anew.
func TestReceiptsAreThoseOfAPlainModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		receipts, model, now := NewReceipts(), map[int]*Receipt{}, sealedAt
		for n := range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "minutes")) * time.Minute)
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0: // forget what may be
				for _, id := range receipts.Over(now, 4) {
					i := int(binary.BigEndian.Uint64(id[:]))
					if r := model[i]; r == nil || now.Sub(r.IssuedAt) <= r.keep() {
						t.Fatalf("batch %d may be forgotten: %+v at %v", i, r, now)
					}
					delete(model, i)
					if err := receipts.Apply([]orgcast.StateChange{{Space: orgcast.SpaceReceipts, Key: id[:]}}); err != nil {
						t.Fatal(err)
					}
				}
			case 1: // a restart
				if err := receipts.Replace(func(put func(orgcast.Space, []byte, []byte) error) error {
					for _, r := range model {
						if err := put(orgcast.SpaceReceipts, r.ID[:], r.Append(nil)); err != nil {
							return err
						}
					}
					return put(orgcast.SpaceMembers, []byte("m"), nil)
				}); err != nil {
					t.Fatal(err)
				}
			default:
				request := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "request")
				if request != "" && receipts.Request(IdempotencyID("k", request, nil), now) != nil {
					continue // the router repeats nothing
				}
				r := receiptOf(n, request, now)
				model[n] = r
				if err := receipts.Apply([]orgcast.StateChange{put(r), {Space: orgcast.SpaceMembers, Key: []byte("m")}}); err != nil {
					t.Fatal(err)
				}
			}
			if receipts.Len() != len(model) {
				t.Fatalf("%d are remembered, want %d", receipts.Len(), len(model))
			}
			for i, r := range model {
				if got := receipts.Batch(r.ID); !reflect.DeepEqual(got, r) {
					t.Fatalf("batch %d: %+v, want %+v", i, got, r)
				}
				if r.Request == ([32]byte{}) || r.over(now) {
					continue
				}
				if got := receipts.Request(r.Request, now); got == nil || got.ID != r.ID {
					t.Fatalf("request of batch %d: %+v", i, got)
				}
			}
		}
		for range len(model) { // a day later all goes
			for _, id := range receipts.Over(now.Add(KeepRequest+time.Minute), 4) {
				mustForget(t, receipts, id)
			}
		}
		if receipts.Len() != 0 || len(receipts.byRequest) != 0 || len(receipts.brief)+len(receipts.long) != 0 {
			t.Fatalf("left: %d, %d requests, %d and %d in order", receipts.Len(), len(receipts.byRequest), len(receipts.brief), len(receipts.long))
		}
	})
}

func mustForget(t *rapid.T, receipts *Receipts, id [16]byte) {
	if err := receipts.Apply([]orgcast.StateChange{{Space: orgcast.SpaceReceipts, Key: id[:]}}); err != nil {
		t.Fatal(err)
	}
}

// A copy is as good as its original for MaxDelay on either side of its seal: as
// long as that, and as a clock may be put back, its batch is remembered.
func TestABatchIsRememberedLongerThanACopyOfItIsGood(t *testing.T) {
	receipts := NewReceipts()
	mustApply(t, receipts, put(receiptOf(1, "", sealedAt)), put(receiptOf(2, "a", sealedAt)))
	first := sealedAt.Add(-MaxDelay) // the earliest commit that is taken
	if got := receipts.Over(first.Add(2*MaxDelay), 9); len(got) > 0 {
		t.Errorf("forgotten within twice MaxDelay: %v", got)
	}
	if got := receipts.Over(sealedAt.Add(keepSeal+time.Millisecond), 9); len(got) != 1 || got[0] != receiptOf(1, "", sealedAt).ID {
		t.Errorf("afterwards: %v", got)
	}
	request := IdempotencyID("k", "a", nil)
	if receipts.Request(request, sealedAt.Add(KeepRequest)) == nil || receipts.Request(request, sealedAt.Add(KeepRequest+time.Millisecond)) != nil {
		t.Error("a request is not done once for exactly a day")
	}
	// Sealed and committed while both clocks stood a year ahead.
	mustApply(t, receipts, put(receiptOf(3, "", sealedAt.AddDate(1, 0, 0))))
	mustApply(t, receipts, orgcast.StateChange{Space: orgcast.SpaceReceipts, Key: idOf(1)})
	if got := receipts.Over(sealedAt, 9); len(got) != 1 {
		t.Errorf("of a clock that was wrong: %v", got)
	}
}

func idOf(n int) []byte { r := receiptOf(n, "", sealedAt); return r.ID[:] }

func TestReceiptsAreFullAtTheirBoundUntilSomeMayGo(t *testing.T) {
	receipts := NewReceipts()
	changes := make([]orgcast.StateChange, 0, MaxReceipts)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for n := range MaxReceipts - 1 {
		changes = append(changes[:0], put(receiptOf(n, fmt.Sprint(n), sealedAt)))
		mustApply(t, receipts, changes...)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if receipts.Full(sealedAt) {
		t.Error("full below the bound")
	}
	mustApply(t, receipts, put(receiptOf(MaxReceipts, "last", sealedAt)))
	if !receipts.Full(sealedAt) || receipts.Full(sealedAt.Add(KeepRequest+time.Millisecond)) {
		t.Error("not full at the bound, or for ever")
	}
	used := after.HeapAlloc - before.HeapAlloc
	t.Logf("%d batches take %d MB", MaxReceipts, used>>20)
	if used > 128<<20 {
		t.Errorf("%d batches take %d bytes", MaxReceipts, used)
	}
}

func TestWhoWaitsForAReceiptIsWoken(t *testing.T) {
	receipts := NewReceipts()
	changed := receipts.Changed()
	mustApply(t, receipts, orgcast.StateChange{Space: orgcast.SpaceMembers, Key: []byte("m")})
	select {
	case <-changed:
		t.Fatal("woken by another's state")
	default:
	}
	mustApply(t, receipts, put(receiptOf(1, "", sealedAt)))
	<-changed
	changed = receipts.Changed()
	if err := receipts.Replace(func(func(orgcast.Space, []byte, []byte) error) error { return nil }); err != nil {
		t.Fatal(err)
	}
	<-changed
}

func TestAReceiptSaysWhereEachEventIs(t *testing.T) {
	r := &Receipt{Total: 10, IssuedAt: sealedAt}
	r = r.With(ReceiptPart{First: 8, Events: 2, Told: 0b11, At: orgcast.Cursor{Epoch: 1, LSN: 9, Index: 8}})
	if r.Complete() || !r.Has(8) || r.Has(0) {
		t.Errorf("half a batch: %+v", r)
	}
	r = r.With(ReceiptPart{First: 0, Events: 8, Told: 0b1111_1101, At: orgcast.Cursor{Epoch: 1, LSN: 10, Index: 16}})
	cursors := r.Cursors()
	if !r.Complete() || r.Last().LSN != 10 || len(cursors) != 10 || !cursors[1].IsZero() ||
		cursors[2] != (orgcast.Cursor{Epoch: 1, LSN: 10, Index: 18}) || cursors[9] != (orgcast.Cursor{Epoch: 1, LSN: 9, Index: 9}) {
		t.Errorf("a whole one: %+v, %v", r, cursors)
	}
}

// The letter is one of the log's, as the vocabulary's are.
func TestTheSpaceOfReceiptsIsTheirOwn(t *testing.T) {
	if slices.Contains([]orgcast.Space{orgcast.SpaceParents, orgcast.SpaceMembers, orgcast.SpaceOrganizations, orgcast.SpaceSessions}, orgcast.SpaceReceipts) {
		t.Fatal("the letter is another's")
	}
}

func FuzzParseReceipt(f *testing.F) {
	f.Add(idOf(1), receiptOf(1, "a", sealedAt).Append(nil))
	f.Add(idOf(1), receiptOf(1, "a", sealedAt).Append(nil)[:receiptSize])
	f.Add([]byte("short"), []byte{})
	f.Fuzz(func(t *testing.T, id, value []byte) {
		r, err := ParseReceipt(id, value)
		if err != nil {
			return
		}
		if !bytes.Equal(r.ID[:], id) || !bytes.Equal(r.Append(nil), value) {
			t.Fatalf("read %+v of %x", r, value)
		}
		if n := len(r.Cursors()); n != r.Total {
			t.Fatalf("%d cursors of %d", n, r.Total)
		}
	})
}

func TestASecretIsMadeOnceAndReadOnlyIfItIsOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal-secret")
	made := make([]*Secret, 8)
	var makers sync.WaitGroup
	for i := range made {
		makers.Go(func() {
			var err error
			if made[i], err = MakeSecret(path); err != nil {
				t.Error(err)
			}
		})
	}
	makers.Wait()
	for _, s := range made {
		if s == nil || *s != *made[0] || *s == (Secret{}) {
			t.Fatal("processes that start at once have different secrets, or none")
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func() error{
		"readable by all": func() error { return os.Chmod(path, 0o604) },
		"writable":        func() error { return os.Chmod(path, 0o620) },
		"cut":             func() error { return os.WriteFile(path, text[:40], 0o600) },
		"longer":          func() error { return os.WriteFile(path, bytes.Repeat(text, 100), 0o600) },
		"no digits":       func() error { return os.WriteFile(path, bytes.Repeat([]byte("x"), 64), 0o600) },
		"empty":           func() error { return os.WriteFile(path, nil, 0o600) },
		"a directory":     func() error { return os.Mkdir(path, 0o700) },
	} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if name == "readable by all" || name == "writable" {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		for _, read := range []func(string) (*Secret, error){LoadSecret, MakeSecret} {
			s, err := read(path)
			if err == nil || s != nil {
				t.Errorf("%s: taken", name)
			} else if orgcast.Hint(err) == "" || strings.Contains(err.Error(), string(text[:16])) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := LoadSecret(path + "-not"); err == nil {
		t.Error("a file that is not there is a secret")
	}
}

func FuzzParseSecret(f *testing.F) {
	f.Add(strings.Repeat("0f", 32))
	f.Add(strings.Repeat("0f", 32) + "\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSecret(text)
		switch {
		case err == nil && len(strings.TrimSpace(text)) != 64, err != nil && s != nil:
			t.Fatalf("%q: %v", text, err)
		case err != nil && len(text) > 8 && strings.Contains(err.Error(), text):
			t.Fatalf("%q is told: %v", text, err)
		}
	})
}

// TestALaterReceiptCountsWhateverTheClockSays: the database's clock was a day
// ahead, and was set back.
func TestALaterReceiptCountsWhateverTheClockSays(t *testing.T) {
	r, now := NewReceipts(), time.Now().UTC().Truncate(time.Millisecond)
	request := [32]byte{7}
	for id, at := range []time.Time{now.Add(25 * time.Hour), now} {
		b := &Receipt{ID: [16]byte{byte(id)}, Request: request, IssuedAt: at, Total: 1,
			Parts: []ReceiptPart{{0, 1, 1, orgcast.Cursor{Epoch: 1, LSN: orgcast.LSN(100 + id)}}}}
		if err := r.Apply([]orgcast.StateChange{{Space: orgcast.SpaceReceipts, Key: b.ID[:], Value: b.Append(nil)}}); err != nil {
			t.Fatal(err)
		}
	}
	if batch := r.Request(request, now); batch == nil || batch.ID != [16]byte{1} {
		t.Errorf("a request that was done this moment is %+v", batch)
	}
}
