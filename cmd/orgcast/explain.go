package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/admin"
	"github.com/oikion/orgcast/internal/codec"
)

type explainCmd struct {
	listenerFlags
	Organization orgcast.OrganizationID `required:"" placeholder:"ID" help:"The organization."`
	Cursor       string                 `arg:"" optional:"" help:"The event's id, as clients and tail see it. Without it: what was withheld, and why."`
	User         orgcast.UserID         `placeholder:"ID" help:"Tell whether this user may see the event, and by which rule or why not."`
	JSON         bool                   `name:"json" help:"Print one line of JSON, for scripts."`
}

// Run explains one event, or the lack of one. Exit status 1 if there is no such
// event, or the user does not see it.
func (c *explainCmd) Run(env *environment) error {
	client, _, err := c.client(env)
	if err != nil {
		return err
	}
	e, err := client.Explain(env.ctx, c.Organization, c.Cursor, c.User)
	if err != nil {
		return err
	}
	if c.JSON {
		err = codec.Line(env.stdout, e)
	} else {
		_, err = io.WriteString(env.stdout, explain(&e))
	}
	if err != nil {
		return fmt.Errorf("print explanation: %w", err)
	}
	if e.Verdict != "" && e.Verdict != admin.VerdictFound || e.User != nil && e.User.Sees != nil && !*e.User.Sees {
		return exitStatus(1)
	}
	return nil
}

// verdicts say what it means that an event was not found.
var verdicts = map[admin.Verdict]string{
	admin.VerdictNone: "this organization has no event there. A change becomes none if no rule maps its table, if it touches no column that may leave,\n" +
		"or if its row was withheld (below); and a cursor is that of one organization's event: it may be another's",
	admin.VerdictTooOld: "what was there is gone: retention gave it up, or the organization was purged",
	admin.VerdictAhead:  "the change feed has not come so far: see /readyz",
	admin.VerdictEpoch:  "the cursor is of another epoch: the log was begun anew since, or it is another database's",
}

// reasons say by which rule a user sees an event, or why he does not.
var reasons = map[admin.Why]string{
	admin.WhyEveryMember:  "every member may",
	admin.WhyNamed:        "he is named",
	admin.WhyRole:         "his role is named",
	admin.WhyNotMember:    "he is no member of the organization",
	admin.WhyBeforeJoined: "it was committed before his present membership, and no replay reaches behind that",
	admin.WhyOtherUser:    "it is for others",
	admin.WhyRoleMissing:  "his role is not among those that it is for",
}

// explain is the explanation in words.
func explain(e *admin.Explanation) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("organization %s%s: log from %s to %s", printable(string(e.Organization)), words(" ", printable(e.Name)), e.Floor, e.Position)
	if e.Name == "" {
		say("  no organization of this id is known now")
	}
	if e.Cursor != "" {
		say("event %s: %s", e.Cursor, e.Verdict)
		if text := verdicts[e.Verdict]; text != "" {
			say("%s", text)
		}
		if e.InTransaction > 0 {
			say("  its transaction has %d of the organization's events", e.InTransaction)
		}
	}
	if v := e.Event; v != nil {
		say("  %s%s%s", v.Type, words(" on channel ", v.Channel), words(", committed ", at(v.Timestamp)))
		if len(v.Tables) > 0 {
			say("  made of a change of %s", strings.Join(v.Tables, " or "))
		} else if v.Source == "app" {
			say("  published by the application")
		}
		say("  for %s%s", who(v.Audience), map[bool]string{true: ", of all organizations"}[v.Everyone])
	}
	if u := e.User; u != nil {
		explainUser(say, u)
	}
	if e.Event == nil {
		explainCounts(say, "rows that were mapped and withheld", e.Withheld)
		explainCounts(say, "events published by SQL and refused", e.Refused)
	}
	return b.String()
}

func explainUser(say func(string, ...any), u *admin.ExplainedUser) {
	is := "is no member now"
	if u.Member {
		is = "is a member as " + printable(u.Role)
		if u.Since != "" {
			is += " since " + u.Since
		}
	}
	say("user %s %s", printable(string(u.ID)), is)
	if u.Sees != nil {
		say("  %s it: %s", map[bool]string{true: "may see", false: "does not see"}[*u.Sees], reasons[u.Why])
	}
	switch {
	case u.Taking != nil:
		say("  has %d streams open on the organization; %d of them take this type", u.Streams, *u.Taking)
	default:
		say("  has %d streams open on the organization", u.Streams)
	}
}

func explainCounts(say func(string, ...any), what string, counts []admin.Count) {
	if len(counts) == 0 {
		say("%s since the start, of all organizations: none", what)
		return
	}
	say("%s since the start, of all organizations:", what)
	for _, c := range counts {
		say("  %6d  %s", c.Count, strings.TrimSpace(printable(c.Table)+" "+c.Reason))
	}
}

func at(millis int64) string {
	if millis == 0 {
		return ""
	}
	return time.UnixMilli(millis).UTC().Format("2006-01-02T15:04:05.000Z")
}
