package eventlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/oikion/orgcast"
)

// format is the layout of doc.go's table.
const format = 1

const (
	formatFile    = "ORGCAST"
	formatText    = "orgcast event log "
	reserveFile   = "RESERVE"
	lockFile      = "LOCK"
	damagedSuffix = ".damaged"
)

// prepareDirectory makes dir ours: created with mode 0700, locked, and marked
// with the format. Nothing is written into a directory that is not.
func prepareDirectory(fsys vfs.FS, dir string) (*pebble.Lock, error) {
	if err := makeDirectory(fsys, dir); err != nil {
		return nil, orgcast.WithHint("open log", err, "create the data directory, or give this user the right to")
	}
	if err := checkDirectory(fsys, dir); err != nil {
		return nil, err
	}
	if err := restrict(fsys, dir); err != nil {
		return nil, err
	}
	lock, err := lockDirectory(fsys, dir)
	if err != nil {
		return nil, err
	}
	// Once more, now that nobody else can write.
	if err := checkDirectory(fsys, dir); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if err := markDirectory(fsys, dir); err != nil {
		return nil, errors.Join(orgcast.WithHint("open log", err,
			"give this user the right to write in the data directory"), lock.Close())
	}
	return lock, nil
}

// makeDirectory makes dir, and its parents, so that a power cut does not undo it.
func makeDirectory(fsys vfs.FS, dir string) error {
	var parents []string
	for d := dir; ; d = fsys.PathDir(d) {
		_, err := fsys.Stat(d)
		if err == nil || fsys.PathDir(d) == d {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		parents = append(parents, fsys.PathDir(d))
	}
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, p := range parents {
		if err := syncDirectory(fsys, p); err != nil {
			return err
		}
	}
	return nil
}

// checkDirectory accepts a log of our format and an empty directory.
func checkDirectory(fsys vfs.FS, dir string) error {
	text, err := readFile(fsys, fsys.PathJoin(dir, formatFile))
	switch {
	case err == nil:
		number, ours := strings.CutPrefix(strings.TrimSuffix(string(text), "\n"), formatText)
		n, err := strconv.Atoi(number)
		if !ours || err != nil {
			return foreign(formatFile)
		}
		if n != format {
			return orgcast.WithHint("open log", fmt.Errorf("%w: %d, this program has %d", ErrNewer, n, format),
				"run the program that wrote the log, or move the directory away and start with an empty one")
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return orgcast.WithHint("open log", err, "make the data directory readable for this user")
	}
	names, err := fsys.List(dir)
	if err != nil {
		return orgcast.WithHint("open log", err, "make the data directory readable for this user")
	}
	// What a start that was killed before it marked the directory leaves.
	names = slices.DeleteFunc(names, func(n string) bool {
		return n == lockFile || n == formatFile+".new" || n == "lost+found"
	})
	if len(names) > 0 {
		return foreign(names[0])
	}
	return nil
}

func foreign(name string) error {
	return orgcast.WithHint("open log", fmt.Errorf("%w: it holds %q", ErrForeign, name),
		"give the log a directory of its own")
}

// restrict takes the rights of group and others away: the log holds every
// organization's rows.
func restrict(fsys vfs.FS, dir string) error {
	if fsys != vfs.Default {
		return nil
	}
	info, err := os.Stat(dir)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = os.Chmod(dir, 0o700)
	}
	if err != nil {
		return orgcast.WithHint("open log", err, "make this user the owner of the data directory, with mode 0700")
	}
	return nil
}

func lockDirectory(fsys vfs.FS, dir string) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, fsys)
	if err == nil {
		return lock, nil
	}
	// The lock itself fails with a bare number, the file with its path.
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, orgcast.WithHint("open log", err, "give this user the right to write in the data directory")
	}
	return nil, orgcast.WithHint("open log", fmt.Errorf("%w: %w", ErrLocked, err),
		"stop the other process, or give this one a data directory of its own")
}

// markDirectory writes the format file so that it is there whole or not at all.
func markDirectory(fsys vfs.FS, dir string) error {
	if _, err := fsys.Stat(fsys.PathJoin(dir, formatFile)); err == nil {
		return nil
	}
	return replaceFile(fsys, dir, formatFile, fmt.Sprintf("%s%d\n", formatText, format))
}

// replaceFile makes a file that has the text, or leaves what there was.
func replaceFile(fsys vfs.FS, dir, base, text string) error {
	name := fsys.PathJoin(dir, base)
	f, err := fsys.Create(name+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(name+".new", name); err != nil {
		return err
	}
	return syncDirectory(fsys, dir)
}

// setAside renames a damaged log, replacing the one that was set aside before.
func setAside(fsys vfs.FS, dir string) error {
	to := dir + damagedSuffix
	if err := fsys.Remove(fsys.PathJoin(dir, reserveFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := fsys.RemoveAll(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := fsys.Rename(dir, to); err != nil {
		return err
	}
	return syncDirectory(fsys, fsys.PathDir(dir))
}

func syncDirectory(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func readFile(fsys vfs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}
