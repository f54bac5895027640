package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/oikion/orgcast/internal/eventlog"
)

// directory looks at ORGCAST_DATA_DIR as serve will find it.
func directory(_ context.Context, s *Scene) (out []Finding) {
	dir := s.config.DataDir
	const cure = "set ORGCAST_DATA_DIR to a directory that the user of serve owns, with mode 0700"
	there, info, err := nearest(dir)
	switch {
	case err != nil:
		return []Finding{found(DataDirUnusable, "the data directory can't be used: "+plain(err), cure)}
	case !info.IsDir():
		return []Finding{found(DataDirUnusable, "the data directory can't be used: "+there+" is no directory", cure)}
	case !writable(there):
		return []Finding{found(DataDirUnusable, "the data directory can't be used: this user may not write in "+there, cure)}
	case there != filepath.Clean(dir):
		out = append(out, found(DataDirMissing, "the data directory "+dir+" is not there yet: serve makes it", "nothing is to be done; in a container, mount a volume there, or the log ends with it"))
	case info.Mode().Perm()&0o077 != 0:
		out = append(out, found(DataDirOpen, fmt.Sprintf("the data directory %s has mode %04o: others on this machine may look into it, and it holds every organization's rows", dir, info.Mode().Perm()),
			"make it the owner's only: chmod 700 "+dir))
	}
	free, err := eventlog.FreeBytes(there)
	if err != nil {
		return append(out, failed("look at the free disk space", err)...)
	}
	out = append(out, room(there, free, int64(s.config.LogBytes)-used(filepath.Join(dir, "log")))...)
	if len(out) == 0 {
		s.good(fmt.Sprintf("data directory: %s, %s free", dir, size(free)))
	}
	return out
}

// room holds the free space against what the log may still grow by.
func room(there string, free, wanted int64) []Finding {
	switch {
	case free < 0: // the system does not tell
	case free < eventlog.MinFree:
		return []Finding{found(DiskFull, fmt.Sprintf("%s are free at %s, less than the %s without which the log is not opened", size(free), there, size(eventlog.MinFree)),
			"free disk space, or set ORGCAST_DATA_DIR to another disk")}
	case free-eventlog.MinFree < wanted:
		return []Finding{found(DiskShort, fmt.Sprintf("%s are free at %s, and the log may still grow by %s: the oldest events will go early", size(free), there, size(wanted)),
			"free disk space, or set ORGCAST_LOG_BYTES to less")}
	}
	return nil
}

// nearest is the directory, or the parent of it that is there.
func nearest(dir string) (string, fs.FileInfo, error) {
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return at, info, err
		}
	}
}

// used is what the log takes now. What can't be read counts as nothing: it is
// only about when to speak of space.
func used(dir string) (total int64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
	}
	return total
}
