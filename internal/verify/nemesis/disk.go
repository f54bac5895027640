//go:build linux

package nemesis

import (
	"context"
	"errors"
	"github.com/oikion/orgcast/internal/verify"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func diskFull(ctx context.Context, n *Nemesis) error {
	free, err := n.house.Fill(0)
	if err != nil {
		return err
	}
	return then(verify.Pause(ctx, n.seconds(6, 12)), free)
}

func diskFullAtStart(ctx context.Context, n *Nemesis) error {
	s := n.house.Server
	if err := s.Kill(); err != nil {
		return err
	}
	free, err := n.house.Fill(0)
	if err != nil {
		return err
	}
	err = s.Start()
	if err == nil {
		err = verify.Pause(ctx, n.seconds(3, 8))
	}
	return then(err, free)
}

func diskStuck(ctx context.Context, n *Nemesis) error {
	if err := n.house.Freeze(true); err != nil {
		return err
	}
	return then(verify.Pause(ctx, n.seconds(3, 8)), func() error { return n.house.Freeze(false) })
}

// diskStuckKill kills the server while its log waits for the disk: what it had not
// yet written is lost, whatever it said of it.
func diskStuckKill(ctx context.Context, n *Nemesis) error {
	s := n.house.Server
	if err := n.house.Freeze(true); err != nil {
		return err
	}
	err := verify.Pause(ctx, n.seconds(1, 3))
	if err == nil {
		err = s.Signal(syscall.SIGKILL) // it ends when the disk lets it
	}
	err = then(err, func() error { return n.house.Freeze(false) })
	return errors.Join(err, steps(s.Kill, s.Start))
}

// newest is the file of the log's own write-ahead log that was written last.
func (n *Nemesis) newest() (path string, size int64, err error) {
	var last time.Time
	err = filepath.WalkDir(n.house.DataDir(), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".log") {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.ModTime().After(last) {
			path, size, last = p, info.Size(), info.ModTime()
		}
		return nil
	})
	if err == nil && path == "" {
		err = errors.New("the log has no file that ends in .log")
	}
	return path, size, err
}

// used is the length of a file up to its last byte that is not zero: a log's files
// are made longer than what they hold.
func used(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n := len(text)
	for n > 0 && text[n-1] == 0 {
		n--
	}
	return int64(n), nil
}

// damage kills the server, has something done to its newest log file, and starts it.
func (n *Nemesis) damage(how func(path string) error) error {
	s := n.house.Server
	return steps(s.Kill, func() error {
		path, _, err := n.newest()
		if err != nil {
			return err
		}
		return how(path)
	}, s.Start)
}

func logTorn(_ context.Context, n *Nemesis) error {
	return n.damage(func(path string) error {
		size, err := used(path)
		if err != nil {
			return err
		}
		return os.Truncate(path, max(0, size-int64(1+n.rand.IntN(20_000))))
	})
}

func logZeroed(_ context.Context, n *Nemesis) error {
	return n.damage(func(path string) error {
		size, err := used(path)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		from := max(0, size-int64(1+n.rand.IntN(20_000)))
		_, err = f.WriteAt(make([]byte, size-from), from)
		return errors.Join(err, f.Close())
	})
}

func logFileLost(_ context.Context, n *Nemesis) error { return n.damage(os.Remove) }

func dataLost(_ context.Context, n *Nemesis) error {
	s := n.house.Server
	return steps(s.Kill, func() error { return os.RemoveAll(n.house.DataDir()) }, s.Start)
}
