package admin

import (
	"errors"
	"slices"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
	"github.com/oikion/orgcast/internal/sse"
)

// Line is one line of a tail: an event, or a word of the tail itself.
type Line struct {
	// Control is [ControlBegin] and so on; empty for an event.
	Control Control `json:"control,omitempty"`
	// Reason is that of a reset or closing.
	Reason string `json:"reason,omitempty"`
	// Cursor is the event's, or what the tail has reached.
	Cursor string `json:"cursor"`
	// Channel is the event's. A reset that stands among the events has none.
	Channel string `json:"channel,omitempty"`
	// Audience says who of the members may see the event; absent: all of them.
	Audience *Audience `json:"audience,omitempty"`
	// Event is what browsers are sent.
	Event codec.Raw `json:"event,omitempty"`
}

// Audience is [orgcast.Audience] in JSON.
type Audience struct {
	User  orgcast.UserID   `json:"user,omitempty"`
	Users []orgcast.UserID `json:"users,omitempty"`
	Roles []string         `json:"roles,omitempty"`
}

// Control is a word of the tail itself.
type Control string

// The words.
const (
	// ControlBegin is the first line: what follows is behind its cursor.
	ControlBegin Control = "begin"
	// ControlHeartbeat breaks a silence of 15 s.
	ControlHeartbeat Control = "heartbeat"
	// ControlReset says that events before its cursor are not in the log, or are
	// not of this epoch; the tail goes on from it.
	ControlReset Control = "reset"
	// ControlClosing is the last line.
	ControlClosing Control = "closing"
)

// TailEnd is why a tail ended, or did not begin.
type TailEnd string

// The reasons.
const (
	TailGone     TailEnd = "peer_gone"
	TailShutdown TailEnd = "shutdown"
	// TailSlow is a reader that took nothing for 10 s. It can't be told: a last
	// line would lie behind what it does not take.
	TailSlow TailEnd = "slow_consumer"
	TailLog  TailEnd = "log_unreadable"
	TailMany TailEnd = "too_many"
)

// TailEnds lists the reasons.
func TailEnds() []TailEnd { return []TailEnd{TailGone, TailShutdown, TailSlow, TailLog, TailMany} }

// ErrStopping is the cause with which the listener's context ends when the process
// stops.
var ErrStopping = errors.New("the process stops")

// line is an event as it is told.
func line(e *orgcast.Event) Line {
	l := Line{Cursor: e.Cursor.String(), Event: slices.Clone(codec.Raw(sse.Data(e.Frame))), Audience: audience(e.Audience)}
	if e.Kind == orgcast.KindEvent {
		l.Channel = e.Type.Channel().String()
	}
	return l
}

// audience copies an audience; nil if it is every member.
func audience(a orgcast.Audience) *Audience {
	if a.All() {
		return nil
	}
	return &Audience{User: a.User, Users: slices.Clone(a.Users), Roles: slices.Clone(a.Roles)}
}
