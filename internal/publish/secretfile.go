package publish

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/oikion/orgcast"
)

var errSecret = errors.New("malformed seal secret")

// ParseSecret reads a secret: 64 hexadecimal digits. Its error does not show
// them.
func ParseSecret(text string) (*Secret, error) {
	var s Secret
	digits := strings.TrimSpace(text)
	if len(digits) != hex.EncodedLen(len(s)) {
		return nil, fmt.Errorf("%w: not %d hexadecimal digits", errSecret, hex.EncodedLen(len(s)))
	}
	if _, err := hex.Decode(s[:], []byte(digits)); err != nil {
		return nil, fmt.Errorf("%w: not %d hexadecimal digits", errSecret, hex.EncodedLen(len(s)))
	}
	return &s, nil
}

// LoadSecret reads the secret in the file at path. A file that others can read or
// write is refused: whoever has the secret can speak for every key.
func LoadSecret(path string) (*Secret, error) {
	s, err := loadSecret(path)
	if err != nil {
		return nil, orgcast.WithHint("read seal secret", err, "set it to a file of this user's, mode 0600, that holds what `openssl rand -hex 32` prints")
	}
	return s, nil
}

// MakeSecret reads the secret in the file at path, or draws one and puts it
// there. Processes that do so at once get the same.
func MakeSecret(path string) (*Secret, error) {
	s, err := loadSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeSecret(path); err == nil {
			s, err = loadSecret(path)
		}
	}
	if err != nil {
		return nil, orgcast.WithHint("make seal secret", err, "give this user the right to write the data directory; a malformed file can be removed, a new one is made at the start")
	}
	return s, nil
}

func loadSecret(path string) (s *Secret, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	// Of the open file: the name may point elsewhere by now.
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: not a regular file", errSecret)
	}
	if mode := info.Mode().Perm(); mode&0o037 != 0 && permissionsCount {
		return nil, orgcast.WithHint("check mode", fmt.Errorf("%w: mode %#o lets other users read or write it", errSecret, mode), "chmod 600 the file")
	}
	var text [256]byte
	n, err := io.ReadFull(f, text[:])
	if err == nil {
		return nil, fmt.Errorf("%w: %d bytes or more", errSecret, n)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return ParseSecret(string(text[:n]))
}

// makeSecret puts a new secret where none is. The file appears whole, or not at
// all; one that another process put there first stays.
func makeSecret(path string) (err error) {
	var s Secret
	_, _ = rand.Read(s[:]) // never fails: it ends the process instead
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	if err = keepOwner(f, path); err == nil {
		_, err = f.WriteString(hex.EncodeToString(s[:]) + "\n")
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDirectory(dir)
}
