package eventlog

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// witness is what Pebble's MANIFEST was when it was last looked at, and is kept in a
// file beside it. Pebble takes a MANIFEST that was cut, or is one of before, for the
// whole truth: what was flushed since is then missing in the middle of the log, and
// if that was state, a member who was removed is back. Counting events can't find it.
//
// The witness may be behind the MANIFEST, never ahead: it is of bytes that are
// fsynced, and a MANIFEST only grows, until one of a higher number takes its place.
type witness struct {
	number uint64 // in the MANIFEST's name; 0: none was looked at
	size   int64
	sum    uint32 // CRC-32C of so many bytes
}

const (
	witnessFile    = "WITNESS"
	manifestPrefix = "MANIFEST-"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// text is number, size and sum, and the sum of these: a witness that is damaged
// itself says nothing.
func (w *witness) text() string {
	said := fmt.Sprintf("%d %d %08x", w.number, w.size, w.sum)
	return fmt.Sprintf("%s %08x\n", said, crc32.Checksum([]byte(said), castagnoli))
}

func parseWitness(text string) (w witness, ok bool) {
	_, err := fmt.Sscanf(text, "%d %d %x", &w.number, &w.size, &w.sum)
	return w, err == nil && w.size >= 0 && w.text() == text
}

// read goes on reading the MANIFEST, up to an offset or its end, and fsyncs it: what
// is remembered must not be taken back by a power cut.
func (w *witness) read(fsys vfs.FS, name string, upTo int64) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, w.size, upTo-w.size))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		w.size, w.sum = w.size+int64(len(b)), crc32.Update(w.sum, castagnoli, b)
	}
	return err
}

// manifest is the one that Pebble goes by; number 0 if there is none.
func manifest(fsys vfs.FS, dir string) (name string, number uint64, err error) {
	is, err := pebble.Peek(dir, fsys)
	if err != nil || !is.Exists {
		return "", 0, err
	}
	digits := strings.TrimPrefix(fsys.PathBase(is.ManifestFilename), manifestPrefix)
	number, err = strconv.ParseUint(digits, 10, 64)
	return is.ManifestFilename, number, err
}

// checkWitness holds the MANIFEST against what it was, before Pebble reads it.
func (l *Log) checkWitness() error {
	text, err := readFile(l.opts.FS, l.opts.FS.PathJoin(l.dir, witnessFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a new log, or one of a program that left none
	}
	if err != nil {
		return err
	}
	was, ok := parseWitness(string(text))
	if !ok {
		return nil
	}
	name, number, err := manifest(l.opts.FS, l.dir)
	switch {
	case err != nil:
		return err
	case number > was.number:
		return nil // made since then, from all that the one before said
	case number < was.number:
		return fmt.Errorf("%w: the MANIFEST is not the one of before", errDamaged)
	}
	now := witness{number: number}
	if err := now.read(l.opts.FS, name, was.size); err != nil {
		return err
	}
	if now.size != was.size || now.sum != was.sum {
		return fmt.Errorf("%w: the MANIFEST is not what it was: %d bytes of %d", errDamaged, now.size, was.size)
	}
	return nil
}

// bearWitness stores what the MANIFEST is now.
func (l *Log) bearWitness() error {
	l.maintenance.Lock()
	defer l.maintenance.Unlock()
	name, number, err := manifest(l.opts.FS, l.dir)
	if err == nil {
		if w := &l.witness; w.number != number {
			*w = witness{number: number}
		}
		err = l.witness.read(l.opts.FS, name, math.MaxInt64)
	}
	if err == nil {
		err = replaceFile(l.opts.FS, l.dir, witnessFile, l.witness.text())
	}
	if err != nil {
		return fmt.Errorf("remember MANIFEST: %w", err)
	}
	return nil
}
