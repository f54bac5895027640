package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/admin"
	"github.com/oikion/orgcast/internal/codec"
	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/eventlog"
)

// logCmd is about the event log on disk.
type logCmd struct {
	Purge logPurgeCmd `cmd:"" help:"Delete an organization's events from the event log, for good."`
}

type logPurgeCmd struct {
	listenerFlags
	Organization orgcast.OrganizationID `required:"" placeholder:"ID" help:"The organization whose events are deleted. Those of others, and of the database, are not touched."`
	JSON         bool                   `name:"json" help:"Print one line of JSON, for scripts."`
}

// Run has the running process do it or, if none runs, does it itself.
func (c *logPurgeCmd) Run(env *environment) error {
	client, o, err := c.client(env)
	if err != nil {
		return err
	}
	p, err := client.Purge(env.ctx, c.Organization)
	if errors.Is(err, admin.ErrUnreachable) && c.URL == "" {
		p, err = purgeStopped(env.ctx, o, c.Organization, err)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		err = codec.Line(env.stdout, p)
	} else {
		_, err = fmt.Fprintf(env.stdout, "%d events (%d bytes) deleted; who resumes from below %s is told to refetch\n", p.Events, p.Bytes, p.Floor)
	}
	if err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}

// purgeStopped opens the log of a process that does not run. unreachable is why
// it was not asked.
func purgeStopped(ctx context.Context, o config.Operator, organization orgcast.OrganizationID, unreachable error) (p admin.Purged, err error) {
	dir := filepath.Join(o.DataDir, "log")
	// Open would make one.
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return p, errors.Join(unreachable, orgcast.WithHint("open log", fmt.Errorf("there is none in %s", o.DataDir),
			"Set ORGCAST_DATA_DIR as serve has it."))
	}
	log, err := eventlog.Open(dir, eventlog.Options{MinFree: -1}) // deleting must work on a full disk, too
	switch {
	case errors.Is(err, eventlog.ErrLocked):
		return p, errors.Join(unreachable, err)
	case err != nil:
		return p, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	if damage := log.Recovered(); damage != nil {
		return p, orgcast.WithHint("purge log", fmt.Errorf("it was damaged, and set aside: %w", damage),
			"Delete "+dir+".damaged, which holds the events of all organizations; the next start begins a new epoch.")
	}
	done, err := log.Purge(ctx, organization)
	switch {
	case errors.Is(err, eventlog.ErrEmpty):
		return p, orgcast.WithHint("purge log", err, "There is nothing to delete.")
	case errors.Is(err, eventlog.ErrNotOne), errors.Is(err, eventlog.ErrTooLong):
		return p, orgcast.WithHint("purge log", err, "Give --organization the id of one organization.")
	case err != nil:
		return p, orgcast.WithHint("purge log", err, "Ask again: what is hidden already stays hidden.")
	}
	return admin.Purged{Organization: organization, Events: done.Events, Bytes: done.Bytes, Floor: done.Floor.String()}, nil
}
