package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/admin"
	"github.com/oikion/orgcast/internal/codec"
)

type tailCmd struct {
	listenerFlags
	Organization orgcast.OrganizationID `required:"" placeholder:"ID" help:"The organization whose events are followed."`
	Type         []string               `placeholder:"TYPE" help:"Only events of this type; may be repeated."`
	Channel      []string               `placeholder:"CHANNEL" help:"Only events of this channel; may be repeated."`
	After        string                 `placeholder:"CURSOR" help:"Begin behind this cursor, or with the oldest that the log has (\"oldest\"); by default with what comes now."`
	JSON         bool                   `name:"json" help:"Print the lines as they are, one JSON object each, for scripts."`
}

// Run follows an organization until it is interrupted.
func (c *tailCmd) Run(env *environment) error {
	client, _, err := c.client(env)
	if err != nil {
		return err
	}
	q := admin.TailQuery{Organization: c.Organization, Channels: c.Channel, Types: c.Type, After: c.After}
	err = client.Tail(env.ctx, q, func(l admin.Line, text []byte) error {
		if c.JSON {
			_, err := fmt.Fprintf(env.stdout, "%s\n", text)
			return err
		}
		return printLine(env.stdout, env.stderr, l)
	})
	if errors.Is(err, context.Canceled) && env.ctx.Err() != nil {
		return nil // interrupted, as it is meant to be
	}
	return err
}

// printLine prints an event in one line: when, where, what, for whom, and all of
// it. What the tail itself says goes to the other stream.
func printLine(out, aside io.Writer, l admin.Line) error {
	if l.Control != "" {
		if l.Control == admin.ControlHeartbeat {
			return nil
		}
		_, err := fmt.Fprintf(aside, "-- %s%s at %s\n", l.Control, words(" ", l.Reason), l.Cursor)
		return err
	}
	var event struct {
		Type, Reason string
		Timestamp    int64
		Payload      codec.Raw
	}
	if err := codec.Loose(l.Event, &event); err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	at := "               -"
	if event.Timestamp > 0 {
		at = time.UnixMilli(event.Timestamp).UTC().Format("15:04:05.000Z")
	}
	_, err := fmt.Fprintf(out, "%s %s %s%s for %s%s\n", at, l.Cursor, event.Type, words(" ", event.Reason), who(l.Audience), words(" ", printable(string(event.Payload))))
	return err
}

// words puts a separator before a text that is there.
func words(separator, text string) string {
	if text == "" {
		return ""
	}
	return separator + text
}

// who says for whom an event is.
func who(a *admin.Audience) string {
	if a == nil {
		return "every member"
	}
	var parts []string
	if a.User != "" {
		parts = append(parts, "user "+printable(string(a.User)))
	}
	if len(a.Users) > 0 {
		names := make([]string, len(a.Users))
		for i, u := range a.Users {
			names[i] = printable(string(u))
		}
		parts = append(parts, "users "+strings.Join(names, ", "))
	}
	if len(a.Roles) > 0 {
		parts = append(parts, "roles "+printable(strings.Join(a.Roles, ", ")))
	}
	return strings.Join(parts, " with ")
}
