package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/oikion/orgcast"
)

const (
	// checkEvery is how old the knowledge of the file may be: a key is good, and
	// a revoked one is none, at most this much later.
	checkEvery = time.Second
	// settled is how old a file must be when it is read for its times to show
	// the next change: file systems count in steps.
	settled = 2 * time.Second
	// lockWait bounds the wait for another writer, who needs a few milliseconds.
	lockWait, lockEvery = 5 * time.Second, 10 * time.Millisecond
)

// ErrLocked is returned when another process holds the file of keys for too
// long.
var ErrLocked = errors.New("another process is altering the file of keys")

// Store keeps API keys in a file, which several processes may read and alter.
// What one of them alters, the others see without a restart. A file that can't
// be read leaves the keys as they were and shows in [Store.Health]. It is safe
// for use by many goroutines.
type Store struct {
	path string

	mu      sync.Mutex
	keys    []*Key
	byID    map[string]*Key
	info    fs.FileInfo // of the file that keys came from; nil: there was none
	read    time.Time   // when it was
	checked time.Time
	health  error
}

// NewStore returns the store of the file at path, which need not be there: no
// file is no keys. One that is there and can't be read shows in Health.
func NewStore(path string) *Store { return &Store{path: path} }

// Health returns why the file, as it is now, is not what is in use.
func (s *Store) Health() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh(time.Now())
	return s.health
}

// List returns the keys, oldest first. They are shared: not to be altered.
func (s *Store) List() []*Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh(time.Now())
	return slices.Clone(s.keys)
}

// Find returns the key that bearer is, or ErrNoKey.
func (s *Store) Find(bearer string) (*Key, error) {
	id, ok := parseKey(bearer)
	if !ok {
		return nil, ErrNoKey
	}
	s.mu.Lock()
	s.refresh(time.Now())
	k := s.byID[id]
	s.mu.Unlock()
	if !k.proves(bearer) {
		return nil, ErrNoKey
	}
	return k, nil
}

// New makes a key and stores what is needed to know it again. bearer is the key
// itself: it can't be shown a second time.
func (s *Store) New(name string, scope Scope) (bearer string, k *Key, err error) {
	bearer, k = newKey(name, scope, time.Now())
	if err := k.check(); err != nil {
		return "", nil, orgcast.WithHint("make API key", err, "name the key, its types, and its organizations (or all of them)")
	}
	err = s.alter("make API key", func(keys []*Key) ([]*Key, error) {
		if len(keys) >= maxKeys {
			return nil, orgcast.WithHint("count keys", fmt.Errorf("there are %d keys already", maxKeys), "revoke those that nobody uses any more")
		}
		return append(keys, k), nil
	})
	if err != nil {
		return "", nil, err
	}
	return bearer, k, nil
}

// Revoke takes a key away by its id: within a second for every process.
func (s *Store) Revoke(id string) error {
	return s.alter("revoke API key", func(keys []*Key) ([]*Key, error) {
		i := slices.IndexFunc(keys, func(k *Key) bool { return k.ID == id })
		if i < 0 {
			return nil, ErrNoKey
		}
		return slices.Delete(keys, i, i+1), nil
	})
}

// alter changes the file as it is now, not as it was when it was last read.
func (s *Store) alter(op string, change func([]*Key) ([]*Key, error)) (err error) {
	const hint = "give this user the right to write the file of keys and its directory"
	unlock, err := lock(s.path + ".lock")
	if err != nil {
		return orgcast.WithHint(op, err, hint)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	s.mu.Lock()
	defer s.mu.Unlock()
	keys, _, err := readKeys(s.path)
	if err != nil && (!errors.Is(err, fs.ErrNotExist) || s.info != nil) {
		return orgcast.WithHint(op, err, "repair the file of keys, or put it back: it is left as it is")
	}
	if keys, err = change(keys); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if err := writeKeys(s.path, keys); err != nil {
		return orgcast.WithHint(op, err, hint)
	}
	s.checked, s.read = time.Time{}, time.Time{} // read it again, whatever it looks like
	s.refresh(time.Now())
	return s.health
}

// refresh reads the file again if it is another one.
func (s *Store) refresh(now time.Time) {
	if !s.checked.IsZero() && now.Sub(s.checked) < checkEvery {
		return
	}
	s.checked = now
	info, err := os.Stat(s.path)
	if s.info == nil && errors.Is(err, fs.ErrNotExist) {
		s.health = nil
		return
	}
	if err == nil && s.health == nil && s.info != nil && same(info, s.info) && s.read.Sub(s.info.ModTime()) > settled {
		return
	}
	keys, info, err := readKeys(s.path)
	if err != nil {
		s.health = orgcast.WithHint("read API keys", err, "repair the file of keys, or put it back: until then the keys stay as they were")
		return
	}
	s.keys, s.info, s.read, s.health = keys, info, now, nil
	s.byID = make(map[string]*Key, len(keys))
	for _, k := range keys {
		s.byID[k.ID] = k
	}
}

func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// lock waits for its turn to alter the file of keys. The lock is a file of its
// own, because the file of keys is another one after each change; it stays.
func lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := keepOwner(f, path[:len(path)-len(".lock")]); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	turn := time.NewTicker(lockEvery)
	defer turn.Stop()
	for until := time.Now().Add(lockWait); ; <-turn.C {
		taken, err := tryLock(f)
		if taken {
			return f.Close, nil
		}
		if err == nil && time.Now().After(until) {
			err = ErrLocked
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
}
