package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
)

// maxKeyFile bounds the file of keys, in bytes: a wrong path must not fill the
// memory.
const maxKeyFile = codec.MaxSize

const keyFileVersion = 1

// keyFile is the file of keys.
type keyFile struct {
	Version int        `json:"version"`
	Keys    []keyEntry `json:"keys"`
}

type keyEntry struct {
	ID               string                   `json:"id"`
	Name             string                   `json:"name"`
	SHA256           string                   `json:"sha256"`
	Created          time.Time                `json:"created"`
	Organizations    []orgcast.OrganizationID `json:"organizations,omitempty"`
	AllOrganizations bool                     `json:"allOrganizations,omitempty"`
	Types            []string                 `json:"types"`
	Broadcast        bool                     `json:"broadcast,omitempty"`
}

var errKeyFile = errors.New("malformed file of keys")

// readKeys reads the file of keys, and what it was when it was read. One that
// others can write is refused: they could give themselves a key.
func readKeys(path string) (keys []*Key, info fs.FileInfo, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	// Of the open file: the name may point elsewhere by now.
	if info, err = f.Stat(); err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%w: not a regular file", errKeyFile)
	}
	if mode := info.Mode().Perm(); mode&0o027 != 0 && permissionsCount {
		return nil, nil, orgcast.WithHint("check mode", fmt.Errorf("%w: mode %#o lets other users write or read it", errKeyFile, mode), "chmod 600 the file")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, nil, err
	}
	if keys, err = parseKeys(data); err != nil {
		return nil, nil, err
	}
	return keys, info, nil
}

// parseKeys reads the file's text. Its errors say which entry, by its place.
func parseKeys(data []byte) ([]*Key, error) {
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("%w: larger than %d bytes", errKeyFile, maxKeyFile)
	}
	var file keyFile
	if err := codec.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%w: it %s", errKeyFile, explain(err))
	}
	if file.Version != keyFileVersion {
		return nil, fmt.Errorf("%w: version %d, this program knows %d", errKeyFile, file.Version, keyFileVersion)
	}
	if len(file.Keys) > maxKeys {
		return nil, fmt.Errorf("%w: more than %d keys", errKeyFile, maxKeys)
	}
	keys := make([]*Key, len(file.Keys))
	seen := make(map[string]bool, len(file.Keys))
	for i := range file.Keys {
		k, err := file.Keys[i].key()
		if err == nil && seen[k.ID] {
			err = errors.New("its id comes twice")
		}
		if err != nil {
			return nil, fmt.Errorf("%w: key %d: %w", errKeyFile, i, err)
		}
		seen[k.ID] = true
		keys[i] = k
	}
	return keys, nil
}

func (e *keyEntry) key() (*Key, error) {
	k := &Key{ID: e.ID, Name: e.Name, Created: e.Created, Scope: Scope{
		Organizations: e.Organizations, AllOrganizations: e.AllOrganizations, Broadcast: e.Broadcast,
	}}
	if len(e.ID) != keyID || !printable(e.ID) {
		return nil, fmt.Errorf("its id does not have %d characters", keyID)
	}
	hash, err := hex.DecodeString(e.SHA256)
	if err != nil || len(hash) != sha256.Size {
		return nil, errors.New("its sha256 is none")
	}
	k.hash = [sha256.Size]byte(hash)
	for _, name := range e.Types {
		t, ok := orgcast.ParseEventType(name)
		if !ok {
			return nil, errors.New("one of its types is not known: the types are " + orgcast.EventTypeNames())
		}
		k.Scope.Types = append(k.Scope.Types, t)
	}
	return k, k.check()
}

func entryOf(k *Key) keyEntry {
	e := keyEntry{
		ID: k.ID, Name: k.Name, SHA256: hex.EncodeToString(k.hash[:]), Created: k.Created,
		Organizations: k.Scope.Organizations, AllOrganizations: k.Scope.AllOrganizations, Broadcast: k.Scope.Broadcast,
	}
	for _, t := range k.Scope.Types {
		e.Types = append(e.Types, t.String())
	}
	return e
}

// writeKeys puts a new file in the old one's place: whoever reads, reads one of
// the two, whole, and so does who reads after a crash.
func writeKeys(path string, keys []*Key) (err error) {
	file := keyFile{Version: keyFileVersion, Keys: make([]keyEntry, len(keys))}
	for i, k := range keys {
		file.Keys[i] = entryOf(k)
	}
	data, err := codec.Marshal(file)
	if err != nil {
		return err
	}
	if _, err := parseKeys(data); err != nil {
		return err // what can't be read again is not written
	}
	if err := replaceFile(path, append(data, '\n')); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

// replaceFile leaves nothing behind if it fails.
func replaceFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err = keepOwner(f, path); err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
