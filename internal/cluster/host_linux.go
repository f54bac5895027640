package cluster

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// serverAttr runs the server as its user, in a process group of its own (a
// Ctrl-C in the terminal is ours to turn into a stop), to be stopped at once
// when we die.
func serverAttr(a *account) *syscall.SysProcAttr {
	attr := toolAttr(a)
	attr.Pdeathsig = syscall.SIGQUIT
	attr.Setpgid = true
	return attr
}

// toolAttr runs initdb as the server's user.
func toolAttr(a *account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{}
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

// owns tells whether a may enter the directory as its owner or group.
func owns(info os.FileInfo, a *account) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	return int(st.Uid) == a.uid && info.Mode()&0o100 != 0 ||
		int(st.Gid) == a.gid && info.Mode()&0o010 != 0
}

// dirPrefix starts the name of each directory that we make, lockSuffix that of
// its lock file beside it.
const (
	dirPrefix  = "orgcast-pg-"
	lockSuffix = ".lock"
)

// makeOwnedDir makes a cluster directory and holds a lock beside it for as
// long as this process lives, so that sweep knows a live one from a dead one.
// The lock comes first: a directory without one is never swept.
func makeOwnedDir(parent string) (string, func() error, error) {
	f, err := os.CreateTemp(parent, dirPrefix+"*"+lockSuffix)
	if err != nil {
		return "", nil, err
	}
	unlock := func() error { return errors.Join(os.Remove(f.Name()), f.Close()) }
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return "", nil, errors.Join(err, unlock())
	}
	dir := strings.TrimSuffix(f.Name(), lockSuffix)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", nil, errors.Join(err, unlock())
	}
	return dir, unlock, nil
}

// sweep removes what killed processes left under parent. It is a courtesy:
// what it may not remove stays, and nothing depends on it.
func sweep(parent string) {
	locks, err := filepath.Glob(filepath.Join(parent, dirPrefix+"*"+lockSuffix))
	if err != nil {
		return
	}
	for _, lock := range locks {
		f, err := os.OpenFile(lock, os.O_RDWR|syscall.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		// A lock file younger than its lock has no directory yet: its maker
		// is between two lines, so it is left alone.
		dir := strings.TrimSuffix(lock, lockSuffix)
		_, err = os.Lstat(dir)
		if !errors.Is(err, fs.ErrNotExist) && syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			if os.RemoveAll(dir) == nil {
				os.Remove(lock)
			}
		}
		f.Close()
	}
}
