package publish

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oikion/orgcast"
)

var noteScope = Scope{Organizations: []orgcast.OrganizationID{"org_a"}, Types: []orgcast.EventType{orgcast.NotificationNew}}

func mustNew(t testing.TB, s *Store, name string) (bearer string, k *Key) {
	t.Helper()
	bearer, k, err := s.New(name, noteScope)
	if err != nil {
		t.Fatal(err)
	}
	return bearer, k
}

func finds(t *testing.T, s *Store, bearer string, want bool) {
	t.Helper()
	k, err := s.Find(bearer)
	if (err == nil) != want || (k != nil) != want || err != nil && !errors.Is(err, ErrNoKey) {
		t.Fatalf("found %v, %v; want %v", k != nil, err, want)
	}
}

func TestAKeyIsFoundUntilItIsRevoked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	s := NewStore(path)
	if err := s.Health(); err != nil || len(s.List()) != 0 {
		t.Fatalf("without a file: %v", err)
	}
	bearer, k := mustNew(t, s, "billing")
	other, _ := mustNew(t, s, "crm")
	secret := bearer[len(bearer)-keySecret:]
	if raw, err := base64.RawURLEncoding.DecodeString(secret); err != nil || len(raw) != 32 || !strings.HasPrefix(bearer, "orgc_"+k.ID+"_") || bearer == other {
		t.Fatalf("the key has not the form that is promised")
	}
	for _, store := range []*Store{s, NewStore(path)} {
		got, err := store.Find(bearer)
		if err != nil || got.ID != k.ID || got.Name != "billing" || !got.Created.Equal(k.Created) || got.Scope.Check(&Draft{Type: orgcast.NotificationNew, Organization: "org_a"}) != nil {
			t.Fatalf("found %+v, %v", got, err)
		}
		if names := []string{store.List()[0].Name, store.List()[1].Name}; !slices.Equal(names, []string{"billing", "crm"}) {
			t.Fatalf("list %v", names)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), secret) || strings.Contains(fmt.Sprintf("%+v %v", k, s.List()), secret) {
		t.Fatalf("the secret is kept (%v)", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if err := s.Revoke(k.ID); err != nil {
		t.Fatal(err)
	}
	finds(t, s, bearer, false)
	finds(t, s, other, true)
	if err := s.Revoke(k.ID); !errors.Is(err, ErrNoKey) {
		t.Errorf("revoked twice: %v", err)
	}
	left, err := filepath.Glob(path + ".new-*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestEveryLetterOfAKeyCounts(t *testing.T) {
	s := NewStore(filepath.Join(t.TempDir(), "keys.json"))
	bearer, _ := mustNew(t, s, "n")
	for i := range bearer {
		for bit := range 8 {
			bent := []byte(bearer)
			bent[i] ^= 1 << bit
			finds(t, s, string(bent), false)
		}
		finds(t, s, bearer[:i], false)
		finds(t, s, bearer[:i]+"A"+bearer[i:], false)
	}
	finds(t, s, bearer, true)
}

// TestAnotherProcessIsSeenWithinASecond also where the file's time does not
// show the change.
func TestAnotherProcessIsSeenWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "keys.json")
		server, command := NewStore(path), NewStore(path)
		finds(t, server, "orgc_", false)
		bearer, k := mustNew(t, command, "n")
		if server.Health() != nil { // its first look
			t.Fatal("no health")
		}
		finds(t, server, bearer, true)
		if err := command.Revoke(k.ID); err != nil {
			t.Fatal(err)
		}
		finds(t, server, bearer, true) // looked less than a second ago
		<-time.After(checkEvery)
		finds(t, server, bearer, false)
	})
}

// TestABrokenFileLeavesTheKeysAsTheyWere breaks the file in each way that a
// disk, an editor or an operator can.
func TestABrokenFileLeavesTheKeysAsTheyWere(t *testing.T) {
	write := func(text string) func(path string, whole []byte) error {
		return func(path string, _ []byte) error { return os.WriteFile(path, []byte(text), 0o600) }
	}
	for name, spoil := range map[string]func(path string, whole []byte) error{
		"half written": func(path string, whole []byte) error { return os.WriteFile(path, whole[:len(whole)/2], 0o600) },
		"emptied":      write(""),
		"no JSON":      write("canary"),
		"vanished":     func(path string, _ []byte) error { return os.Remove(path) },
		"a directory": func(path string, _ []byte) error {
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
		},
		"too large": func(path string, whole []byte) error {
			return os.WriteFile(path, append(whole, make([]byte, maxKeyFile)...), 0o600)
		},
		"writable for all":         func(path string, _ []byte) error { return os.Chmod(path, 0o602) },
		"another version":          write(`{"version":2,"keys":[]}`),
		"an unknown member":        write(`{"version":1,"keys":[],"canary":1}`),
		"an id twice":              func(path string, whole []byte) error { return os.WriteFile(path, twice(whole), 0o600) },
		"an unknown type":          write(`{"version":1,"keys":[{"id":"aaaaaaaaaaaaaaaa","name":"n","sha256":"` + strings.Repeat("00", 32) + `","created":"2025-01-01T00:00:00Z","allOrganizations":true,"types":["canary"]}]}`),
		"a scope that is none":     write(`{"version":1,"keys":[{"id":"aaaaaaaaaaaaaaaa","name":"canary","sha256":"` + strings.Repeat("00", 32) + `","created":"2025-01-01T00:00:00Z","types":["system.alert"]}]}`),
		"a hash that is too short": write(`{"version":1,"keys":[{"id":"aaaaaaaaaaaaaaaa","name":"n","sha256":"canary","created":"2025-01-01T00:00:00Z","allOrganizations":true,"types":["system.alert"]}]}`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "keys.json")
				s := NewStore(path)
				bearer, k := mustNew(t, s, "n")
				whole, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := spoil(path, slices.Clone(whole)); err != nil {
					t.Fatal(err)
				}
				<-time.After(checkEvery)
				finds(t, s, bearer, true)
				err = s.Health()
				if err == nil || orgcast.Hint(err) == "" || strings.Contains(err.Error(), "canary") {
					t.Fatalf("health %v, hint %q", err, orgcast.Hint(err))
				}
				if _, _, err := s.New("m", noteScope); err == nil || orgcast.Hint(err) == "" {
					t.Fatalf("written over what can't be read: %v", err)
				}
				if err := s.Revoke(k.ID); err == nil {
					t.Fatal("revoked in what can't be read")
				}
				if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, whole, 0o600)); err != nil {
					t.Fatal(err)
				}
				<-time.After(checkEvery)
				if err := s.Health(); err != nil {
					t.Fatalf("after its repair: %v", err)
				}
				mustNew(t, s, "m")
				finds(t, s, bearer, true)
			})
		})
	}
}

func twice(whole []byte) []byte {
	entry := whole[strings.IndexByte(string(whole), '[')+1 : len(whole)-3]
	return fmt.Appendf(nil, `{"version":1,"keys":[%s,%s]}`, entry, entry)
}

func TestWritersDoNotLoseEachOthersKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	const writers, each = 4, 6
	var group sync.WaitGroup
	var mu sync.Mutex
	kept := map[string]bool{} // bearer → not revoked
	reader := NewStore(path)
	for range writers {
		s := NewStore(path) // as another process has it
		group.Go(func() {
			for i := range each {
				bearer, k, err := s.New("n", noteScope)
				if err != nil {
					t.Error(err)
					return
				}
				if i%2 == 0 {
					if err := reader.Revoke(k.ID); err != nil {
						t.Error(err)
					}
				}
				if _, err := reader.Find(bearer); err != nil && !errors.Is(err, ErrNoKey) {
					t.Error(err)
				}
				mu.Lock()
				kept[bearer] = i%2 != 0
				mu.Unlock()
			}
		})
	}
	group.Wait()
	s := NewStore(path)
	for bearer, want := range kept {
		finds(t, s, bearer, want)
	}
	if n := len(s.List()); n != writers*each/2 || len(kept) != writers*each {
		t.Errorf("%d keys", n)
	}
}

func TestAWriterDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "keys.json")
		unlock, err := lock(path + ".lock")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, _, err := NewStore(path).New("n", noteScope); !errors.Is(err, ErrLocked) || time.Since(start) < lockWait {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
		mustNew(t, NewStore(path), "n")
	})
}

func TestADirectoryThatIsNotThereIsTold(t *testing.T) {
	s := NewStore(filepath.Join(t.TempDir(), "nowhere", "keys.json"))
	if _, _, err := s.New("n", noteScope); !errors.Is(err, fs.ErrNotExist) || orgcast.Hint(err) == "" {
		t.Errorf("got %v, hint %q", err, orgcast.Hint(err))
	}
}

func TestAKeyThatCouldSayNothingIsNotMade(t *testing.T) {
	s := NewStore(filepath.Join(t.TempDir(), "keys.json"))
	alert := []orgcast.EventType{orgcast.SystemAlert}
	many := make([]orgcast.OrganizationID, maxKeyOrganizations+1)
	for i := range many {
		many[i] = orgcast.OrganizationID(fmt.Sprint(i))
	}
	for name, tt := range map[string]struct {
		name  string
		scope Scope
	}{
		"no name":                     {"", noteScope},
		"a name of two lines":         {"a\nb", noteScope},
		"a long name":                 {strings.Repeat("n", 101), noteScope},
		"no scope":                    {"n", Scope{}},
		"no type":                     {"n", Scope{AllOrganizations: true}},
		"no organization":             {"n", Scope{Types: alert}},
		"all and some":                {"n", Scope{Types: alert, AllOrganizations: true, Organizations: many[:1]}},
		"too many":                    {"n", Scope{Types: alert, Organizations: many}},
		"everyone as an organization": {"n", Scope{Types: alert, Organizations: []orgcast.OrganizationID{"*"}}},
		"an empty organization":       {"n", Scope{Types: alert, Organizations: []orgcast.OrganizationID{""}}},
		"a broadcast of nothing":      {"n", Scope{Types: noteScope.Types, Broadcast: true}},
	} {
		if bearer, k, err := s.New(tt.name, tt.scope); !errors.Is(err, ErrKeyScope) || bearer != "" || k != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := s.New("n", Scope{Types: alert, Broadcast: true}); err != nil {
		t.Errorf("a broadcast: %v", err)
	}
}

// TestAKeyThatIsNotThereProvesNothing: it is compared all the same, and with
// something that a hash could be.
func TestAKeyThatIsNotThereProvesNothing(t *testing.T) {
	s := NewStore(filepath.Join(t.TempDir(), "keys.json"))
	bearer, k := mustNew(t, s, "n")
	finds(t, s, "orgc_"+strings.Repeat("a", keyID)+bearer[len("orgc_")+keyID:], false)
	other, _ := mustNew(t, s, "m")
	finds(t, s, "orgc_"+k.ID+other[len("orgc_")+keyID:], false)
	var none *Key
	if none.proves(bearer) || (&Key{}).proves(bearer) || (&Key{}).proves("") {
		t.Error("no key proves a bearer")
	}
}

// TestAFileIsReadAgainOnlyIfItMayHaveChanged alters it behind its times: where
// these are old enough to be believed, it is not read.
func TestAFileIsReadAgainOnlyIfItMayHaveChanged(t *testing.T) {
	for age, want := range map[time.Duration]string{time.Hour: "before", 0: "behind"} {
		synctest.Test(t, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys.json")
			mustNew(t, NewStore(path), "before")
			at := time.Now().Add(-age)
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
			s := NewStore(path)
			if name := s.List()[0].Name; name != "before" {
				t.Fatal(name)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text = []byte(strings.Replace(string(text), "before", "behind", 1))
			if err := errors.Join(os.WriteFile(path, text, 0o600), os.Chtimes(path, at, at)); err != nil {
				t.Fatal(err)
			}
			<-time.After(checkEvery)
			if name := s.List()[0].Name; name != want {
				t.Errorf("%v old: %s, want %s", age, name, want)
			}
		})
	}
}

// BenchmarkFind is what a request costs before it is known who sends it; it is
// to be the same for each of them.
func BenchmarkFind(b *testing.B) {
	s := NewStore(filepath.Join(b.TempDir(), "keys.json"))
	bearer, _ := mustNew(b, s, "n")
	for name, token := range map[string]string{
		"known": bearer, "wrong": bearer[:keyLength-1] + "!", "unknown": "orgc_" + strings.Repeat("a", keyID) + bearer[len("orgc_")+keyID:],
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := s.Find(token)
				if (err == nil) != (name == "known") {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzBearer holds that an Authorization header is good only if it carries the
// one key, letter for letter.
func FuzzBearer(f *testing.F) {
	s := NewStore(filepath.Join(f.TempDir(), "keys.json"))
	bearer, k := mustNew(f, s, "n")
	for _, h := range []string{"Bearer ", "bearer  ", "Basic ", "", "Bearer\t", "BEARER x"} {
		f.Add(h, true)
		f.Add(h, false)
	}
	f.Add("Bearer orgc_"+strings.Repeat("a", keyID)+"_"+strings.Repeat("A", keySecret), false)
	f.Fuzz(func(t *testing.T, header string, genuine bool) {
		if genuine {
			header += bearer
		}
		token, ok := Bearer(header)
		if !ok {
			if token != "" {
				t.Fatalf("%q: a token, and none", header)
			}
			return
		}
		got, err := s.Find(token)
		if (err == nil) != (token == bearer) || err == nil && got.ID != k.ID {
			t.Fatalf("%q: %v", header, err)
		}
		if err == nil && !strings.HasSuffix(header, bearer) || err != nil && strings.Contains(err.Error(), token) && len(token) > 8 {
			t.Fatalf("%q: %v", header, err)
		}
	})
}
