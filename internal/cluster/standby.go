package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"github.com/oikion/orgcast"
)

// StartStandby makes a standby of a primary, with a physical replication slot of
// that name on it, and returns when it answers. It is copied while the primary is
// stopped, since pg_basebackup is not with every server, and the primary is started
// again. From PostgreSQL 17 on it also keeps the primary's failover slots.
func StartStandby(ctx context.Context, primary *Cluster, slot string, o Options) (*Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if o.Dir != "" {
		return nil, errors.New("make standby: only in a directory of its own")
	}
	var version int
	err := primary.query(ctx, "SELECT current_setting('server_version_num')::int FROM pg_create_physical_replication_slot('"+slot+"', true)", &version)
	if err != nil {
		return nil, fmt.Errorf("make standby's slot: %w", err)
	}
	c := &Cluster{options: o, bin: primary.bin, user: primary.user, password: primary.password}
	settings := maps.Clone(primary.options.Settings)
	if settings == nil {
		settings = map[string]string{}
	}
	settings["primary_conninfo"] = fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s dbname=postgres application_name=%s",
		primary.port, superuser, primary.password, slot)
	settings["primary_slot_name"] = slot
	settings["hot_standby_feedback"] = "on"
	if version >= 170000 {
		settings["sync_replication_slots"] = "on"
	}
	maps.Copy(settings, o.Settings)
	c.options.Settings = settings
	if err := c.makeDir(); err != nil {
		return nil, err
	}
	if err := c.follow(ctx, primary); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// follow copies the primary's data and starts on it as a standby.
func (c *Cluster) follow(ctx context.Context, primary *Cluster) error {
	if err := primary.Stop(ctx, "fast"); err != nil {
		return err
	}
	err := c.copyData(primary)
	if err := errors.Join(err, primary.Start(ctx)); err != nil {
		return err
	}
	signal := filepath.Join(c.data(), "standby.signal")
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		return fmt.Errorf("make standby: %w", err)
	}
	if c.user != nil {
		if err := c.user.own(signal); err != nil {
			return err
		}
	}
	return c.settle(ctx)
}

// copyData copies what a base backup has: not the slots of the primary.
func (c *Cluster) copyData(primary *Cluster) error {
	err := filepath.WalkDir(primary.data(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(primary.data(), path)
		if err != nil {
			return err
		}
		to := filepath.Join(c.data(), relative)
		switch {
		case entry.IsDir() && filepath.Dir(relative) == "pg_replslot":
			return fs.SkipDir
		case entry.IsDir():
			err = os.Mkdir(to, 0o700)
		case entry.Type().IsRegular():
			err = copyFile(to, path)
		default:
			err = orgcast.WithHint("copy", fmt.Errorf("%s is neither file nor directory", path), "a primary with tablespaces can't be copied")
		}
		if err == nil && c.user != nil {
			err = c.user.own(to)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("make standby: %w", err)
	}
	return nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// Promote makes a standby a primary, on a new timeline, and returns when it is one.
func (c *Cluster) Promote(ctx context.Context) error {
	var promoted bool
	if err := c.query(ctx, "SELECT pg_promote(true, 60)", &promoted); err != nil {
		return fmt.Errorf("promote: %w", err)
	}
	if !promoted {
		return errors.New("promote: not within a minute")
	}
	return nil
}
