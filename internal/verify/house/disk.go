//go:build linux

package house

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// disk is a file system of its own for the log, made of a file: ext4 on a loop
// device. Mounting needs root; without it the log has a plain directory, and what
// needs a disk of its own is not done.
type disk struct {
	image, mount string
	mounted      bool
}

// diskBytes is the size of the file system: room for the log's bound, Pebble's
// WAL and what is rewritten, and little to fill.
const diskBytes = 768 << 20

// newDisk makes and mounts it in dir. Where that is not allowed it is a directory.
func newDisk(ctx context.Context, dir string) (*disk, error) {
	d := &disk{image: filepath.Join(dir, "disk.img"), mount: filepath.Join(dir, "disk")}
	if err := os.Mkdir(d.mount, 0o700); err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return d, nil
	}
	f, err := os.Create(d.image)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(diskBytes), f.Close()); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-F", "-m", "0", d.image).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make a file system: %w: %s", err, out)
	}
	if out, err := exec.CommandContext(ctx, "mount", "-o", "loop", d.image, d.mount).CombinedOutput(); err != nil {
		// No loop devices, as in many containers: no disk of its own.
		_ = out
		return d, nil
	}
	d.mounted = true
	return d, nil
}

// Fill takes all that is free but for some bytes, and returns how to give it back.
func (d *disk) fill(leave int64) (free func() error, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.mount, &s); err != nil {
		return nil, err
	}
	take := int64(s.Bavail)*s.Bsize - leave
	path := filepath.Join(d.mount, "ballast")
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if take > 0 {
		if err := syscall.Fallocate(int(f.Fd()), 0, 0, take); err != nil && !errors.Is(err, syscall.ENOSPC) {
			return nil, errors.Join(fmt.Errorf("take %d bytes: %w", take, err), f.Close())
		}
	}
	return func() error { return errors.Join(f.Close(), os.Remove(path)) }, nil
}

// The calls of linux/fs.h that freeze a file system and thaw it.
const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

func (d *disk) freeze(on bool) error {
	f, err := os.Open(d.mount)
	if err != nil {
		return err
	}
	defer f.Close()
	call := uintptr(fiThaw)
	if on {
		call = fiFreeze
	}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), call, 0); errno != 0 {
		return fmt.Errorf("freeze %v: %w", on, errno)
	}
	return nil
}

func (d *disk) close() error {
	if !d.mounted {
		return nil
	}
	d.mounted = false
	if out, err := exec.Command("umount", d.mount).CombinedOutput(); err != nil {
		return fmt.Errorf("unmount %s: %w: %s", d.mount, err, out)
	}
	return nil
}
