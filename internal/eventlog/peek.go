package eventlog

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/oikion/orgcast"
)

// MinFree is the default of [Options.MinFree]: with less, Open refuses.
const MinFree = defaultMinFree

// Peeked is what [Peek] saw of a log.
type Peeked struct {
	Identity Identity
	Epoch    orgcast.Epoch
	// Position is the end of the last transaction that is complete in the log.
	Position orgcast.LSN
	// Empty: there is a directory, and no identity in it yet.
	Empty bool
}

// Peek tells what the log in dir is a log of, and changes nothing: where [Open]
// would mend, make, restrict or set aside, it only reads. The errors are those
// of Open; [fs.ErrNotExist] if there is no directory. It holds the lock meanwhile.
func Peek(dir string) (p Peeked, err error) {
	fsys := vfs.Default
	if _, err := fsys.Stat(dir); err != nil {
		return Peeked{}, fmt.Errorf("peek into log: %w", err)
	}
	if err := checkDirectory(fsys, dir); err != nil {
		return Peeked{}, err
	}
	// Without these there is nothing to read, and locking would make a file.
	for _, name := range []string{formatFile, lockFile} {
		if _, err := fsys.Stat(fsys.PathJoin(dir, name)); errors.Is(err, fs.ErrNotExist) {
			return Peeked{Empty: true}, nil
		}
	}
	lock, err := lockDirectory(fsys, dir)
	if err != nil {
		return Peeked{}, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	l := &Log{dir: dir, opts: Options{}}
	if err := l.opts.setDefaults(); err != nil {
		return Peeked{}, err
	}
	options := l.pebbleOptions(lock)
	options.ReadOnly = true
	options.Logger = peekLogger{}
	// The log's own would give up the events of a bad block.
	options.EventListener = &pebble.EventListener{DataCorruption: func(pebble.DataCorruptionInfo) {}}
	l.db, err = pebble.Open(dir, options)
	switch {
	case errors.Is(err, pebble.ErrDBDoesNotExist):
		return Peeked{Empty: true}, nil
	case err != nil:
		return Peeked{}, orgcast.WithHint("peek into log", err, openHint(err))
	}
	defer func() { err = errors.Join(err, l.db.Close()) }()
	v, ok, err := l.get(keyIdentity)
	if err != nil || !ok {
		return Peeked{Empty: true}, err
	}
	if p.Identity, p.Epoch, err = decodeIdentity(v); err != nil {
		return Peeked{}, orgcast.WithHint("peek into log", err, openHint(err))
	}
	if v, err = l.must(keyPosition, "position"); err == nil {
		p.Position, err = decodePosition(v)
	}
	if err != nil {
		return Peeked{}, orgcast.WithHint("peek into log", err, openHint(err))
	}
	return p, nil
}

// FreeBytes is how much of the disk of an existing directory is free for this
// user; negative where the system does not tell.
func FreeBytes(dir string) (int64, error) {
	switch usage, err := vfs.Default.GetDiskUsage(dir); {
	case errors.Is(err, vfs.ErrUnsupported):
		return -1, nil
	case err != nil:
		return 0, fmt.Errorf("check disk: %w", err)
	default:
		return int64(min(usage.AvailBytes, 1<<62)), nil
	}
}

// peekLogger is silent: what Peek meets, it returns.
type peekLogger struct{}

func (peekLogger) Infof(string, ...any)              {}
func (peekLogger) Errorf(string, ...any)             {}
func (peekLogger) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
