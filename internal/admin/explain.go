package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
	"github.com/oikion/orgcast/internal/sse"
)

// Explanation is why an event reached, or would reach, or did not reach a user;
// or, without a cursor, what was withheld.
type Explanation struct {
	Organization orgcast.OrganizationID `json:"organizationId"`
	// Name is the organization's; empty if there is none, or none of it is known.
	Name string `json:"organizationName,omitempty"`
	// Position is how far the change feed has come; Floor the cursor behind which the
	// log has all of the organization's events.
	Position string `json:"position"`
	Floor    string `json:"floor"`

	// Cursor is the one that was asked for, and Verdict what the log has at it.
	Cursor  string          `json:"cursor,omitempty"`
	Verdict Verdict         `json:"verdict,omitempty"`
	Event   *ExplainedEvent `json:"event,omitempty"`
	// InTransaction is how many of the organization's events the transaction at
	// the cursor has in all.
	InTransaction int `json:"inTransaction,omitempty"`

	User *ExplainedUser `json:"user,omitempty"`

	// Withheld and Refused are counts of this process, of all organizations: given
	// unless the event was found.
	Withheld []Count `json:"withheld,omitempty"`
	Refused  []Count `json:"refused,omitempty"`
}

// Verdict is what the log has at a cursor.
type Verdict string

// The verdicts.
const (
	VerdictFound Verdict = "found"
	// VerdictNone: the organization has no event there.
	VerdictNone Verdict = "no_event"
	// VerdictTooOld: events from there on were retired, or the organization purged.
	VerdictTooOld Verdict = "too_old"
	VerdictAhead  Verdict = "ahead"
	VerdictEpoch  Verdict = "epoch"
)

// ExplainedEvent is an event without its values.
type ExplainedEvent struct {
	// Type is "reset" for a place at which the organization was told to refetch.
	Type    string `json:"type"`
	Channel string `json:"channel,omitempty"`
	Source  string `json:"source,omitempty"`
	// Timestamp is the commit's, in milliseconds since 1970.
	Timestamp int64 `json:"timestamp,omitempty"`
	// Tables are those whose rules make such events; none for one that an
	// application published. The log does not keep which it was.
	Tables []string `json:"tables,omitempty"`
	// Audience says who of the members may see it; absent: all of them.
	Audience *Audience `json:"audience,omitempty"`
	// Truncated says that it was too large, and carries keys only.
	Truncated bool `json:"truncated,omitempty"`
	// Everyone says that it is for all organizations.
	Everyone bool `json:"everyone,omitempty"`
}

// ExplainedUser is a user's place, as of now.
type ExplainedUser struct {
	ID     orgcast.UserID `json:"id"`
	Member bool           `json:"member"`
	Role   string         `json:"role,omitempty"`
	// Since is the commit LSN of his membership; absent if it is older than the log.
	Since string `json:"since,omitempty"`
	// Sees tells whether he may see the event, and Why by which rule, or why not.
	Sees *bool `json:"sees,omitempty"`
	Why  Why   `json:"why,omitempty"`
	// Streams is how many of his streams follow the organization now, and Taking
	// how many of these the event's type passes.
	Streams int  `json:"streams"`
	Taking  *int `json:"taking,omitempty"`
}

// Why is the rule by which a user sees an event, or does not.
type Why string

// The rules.
const (
	WhyEveryMember  Why = "every_member"
	WhyNamed        Why = "named"
	WhyRole         Why = "role"
	WhyNotMember    Why = "not_a_member"
	WhyBeforeJoined Why = "before_membership"
	WhyOtherUser    Why = "for_another_user"
	WhyRoleMissing  Why = "role_missing"
)

// Count is how often something was withheld, since the process started.
type Count struct {
	Table  string `json:"table,omitempty"`
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

// Explainer knows what an explanation is made of.
type Explainer struct {
	Log        Log
	Name       func(orgcast.OrganizationID) string
	Membership func(orgcast.UserID, orgcast.OrganizationID) (orgcast.Membership, bool)
	// Listening tells how many streams of a user follow an organization, and how
	// many of these take events of a type.
	Listening func(orgcast.UserID, orgcast.OrganizationID, orgcast.EventType) (streams, taking int)
	// Tables lists the tables whose rules make such events.
	Tables func(t orgcast.EventType, entity string, updated []string) []string
	// Withheld and Refused are the counts: rows that were mapped and not sent, and
	// messages that were not.
	Withheld, Refused func() []Count
}

// ServeHTTP explains: ?organizationId=…[&cursor=…][&userId=…].
func (x Explainer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := newParameters(r.URL.RawQuery, []string{"organizationId", "cursor", "userId"}, nil)
	organization := p.organization()
	cursor, has := p.cursor("cursor")
	if p.problem != "" {
		text(w, http.StatusBadRequest, "Bad Request: "+p.problem)
		return
	}
	position := x.Log.Position()
	if position.Epoch == 0 {
		text(w, http.StatusServiceUnavailable, "Service Unavailable: "+ErrNotYet.Error())
		return
	}
	e := &Explanation{
		Organization: organization, Name: x.Name(organization), Position: position.String(), Floor: x.Log.Floor(organization).String(),
	}
	var event *orgcast.Event
	if has {
		var err error
		if event, err = x.at(r.Context(), e, cursor, position); err != nil {
			text(w, http.StatusInternalServerError, "Internal Server Error: "+err.Error())
			return
		}
	}
	if user := orgcast.UserID(p.values.Get("userId")); user != "" {
		e.User = x.user(user, organization, event)
	}
	if event == nil {
		e.Withheld, e.Refused = x.Withheld(), x.Refused()
	}
	answer(w, e)
}

// at looks up what the log has at a cursor, and gives it a copy; nil if there is
// no event.
func (x Explainer) at(ctx context.Context, e *Explanation, c, position orgcast.Cursor) (*orgcast.Event, error) {
	e.Cursor = c.String()
	switch {
	case c.Epoch != position.Epoch:
		e.Verdict = VerdictEpoch
		return nil, nil
	case c.Compare(position) > 0:
		e.Verdict = VerdictAhead
		return nil, nil
	}
	// The transaction's events: the cursor before its first, and one above all.
	before, end := orgcast.Position(c.Epoch, c.LSN), orgcast.Position(c.Epoch, c.LSN+1)
	before.Index, end.Index = 1<<64-1, 1<<64-1
	floor := x.Log.Floor(e.Organization)
	if c.Compare(floor) <= 0 {
		e.Verdict = VerdictTooOld
		return nil, nil
	}
	if before.Compare(floor) < 0 {
		before = floor
	}
	var found *orgcast.Event
	err := x.Log.Read(ctx, e.Organization, before, end, func(event *orgcast.Event) bool {
		e.InTransaction++
		if event.Cursor == c {
			found = new(*event)
			found.Frame, found.Audience.Users, found.Audience.Roles = slices.Clone(event.Frame), slices.Clone(event.Audience.Users), slices.Clone(event.Audience.Roles)
		}
		return true
	})
	switch {
	case errors.Is(err, orgcast.ErrBelowFloor): // it was raised meanwhile
		e.Verdict = VerdictTooOld
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read event: %w", err)
	}
	if e.Verdict = VerdictNone; found == nil {
		return nil, nil
	}
	e.Verdict, e.Event = VerdictFound, x.event(found)
	return found, nil
}

// event is an event without its values.
func (x Explainer) event(event *orgcast.Event) *ExplainedEvent {
	e := &ExplainedEvent{Type: event.Type.String(), Channel: event.Type.Channel().String(), Audience: audience(event.Audience), Everyone: event.Organization == orgcast.Everyone}
	if event.Kind == orgcast.KindReset {
		e.Type, e.Channel = "reset", ""
		return e
	}
	var data struct {
		Source    string
		Timestamp int64
		Truncated bool
		Payload   struct {
			EntityType    string
			UpdatedFields []string
		}
	}
	if err := codec.Loose(sse.Data(event.Frame), &data); err != nil {
		return e // what else is known of it stands
	}
	e.Source, e.Timestamp, e.Truncated = data.Source, data.Timestamp, data.Truncated
	if data.Source == sse.SourcePostgres {
		e.Tables = x.Tables(event.Type, data.Payload.EntityType, data.Payload.UpdatedFields)
	}
	return e
}

// user says what a user is, and whether he may see the event, if there is one.
func (x Explainer) user(id orgcast.UserID, organization orgcast.OrganizationID, event *orgcast.Event) *ExplainedUser {
	u := &ExplainedUser{ID: id}
	m, member := x.Membership(id, organization)
	u.Member, u.Role = member, m.Role
	if m.Since > 0 {
		u.Since = m.Since.String()
	}
	if event == nil {
		u.Streams, _ = x.Listening(id, organization, 0)
		return u
	}
	var taking int
	u.Streams, taking = x.Listening(id, organization, event.Type)
	if event.Kind == orgcast.KindReset {
		taking = u.Streams // no filter stops it
	}
	u.Taking = &taking
	sees, why := judge(m, member, event)
	u.Sees, u.Why = &sees, why
	return u
}

// judge says whether who is, or is not, a member may see an event, and why: as a
// stream would that is opened now.
func judge(m orgcast.Membership, member bool, event *orgcast.Event) (sees bool, why Why) {
	a := &event.Audience
	switch {
	case !member:
		return false, WhyNotMember
	case event.Cursor.LSN < m.Since:
		return false, WhyBeforeJoined
	case a.Allows(m.User, m.Role):
		switch {
		case a.All():
			return true, WhyEveryMember
		case a.User != "" || len(a.Users) > 0:
			return true, WhyNamed
		}
		return true, WhyRole
	case len(a.Roles) > 0 && !slices.Contains(a.Roles, m.Role):
		return false, WhyRoleMissing
	}
	return false, WhyOtherUser
}
