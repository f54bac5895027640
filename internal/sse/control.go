package sse

import (
	"strconv"
	"time"

	"github.com/oikion/orgcast"
)

// Organization is what a stream's first message says of an organization.
type Organization struct {
	ID   orgcast.OrganizationID
	Name string
}

// Hello is a stream's first message.
type Hello struct {
	// RetryMS is what a client waits, in milliseconds, before it connects again.
	RetryMS int
	// Fresh is a stream without a cursor of its own: the hello gives it one. A
	// resuming stream keeps its own until its replay is done.
	Fresh         bool
	Cursor        orgcast.Cursor
	Time          time.Time
	Organizations []Organization
	Channel       string
	User          orgcast.UserID
	ConnectionID  string
	Scope         string
}

// AppendHello appends the `connection` message.
func AppendHello(dst []byte, h *Hello) []byte {
	dst = appendRetry(dst, h.RetryMS)
	if h.Fresh {
		dst = appendID(dst, h.Cursor)
	}
	first := Organization{}
	if len(h.Organizations) > 0 {
		first = h.Organizations[0]
	}
	dst = append(dst, `data: {"type":"connection","status":"connected","timestamp":`...)
	dst = strconv.AppendInt(dst, h.Time.UnixMilli(), 10)
	dst = append(dst, `,"organizationId":`...)
	dst = AppendString(dst, string(first.ID))
	dst = append(dst, `,"organizationName":`...)
	dst = AppendString(dst, first.Name)
	dst = append(dst, `,"channel":`...)
	dst = AppendString(dst, h.Channel)
	dst = append(dst, `,"userId":`...)
	dst = AppendString(dst, string(h.User))
	dst = append(dst, `,"connectionId":`...)
	dst = AppendString(dst, h.ConnectionID)
	dst = appendCursor(dst, h.Cursor)
	dst = append(dst, `,"scope":`...)
	dst = AppendString(dst, h.Scope)
	dst = append(dst, `,"organizations":[`...)
	for i, o := range h.Organizations {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		dst = AppendString(dst, string(o.ID))
		dst = append(dst, `,"name":`...)
		dst = AppendString(dst, o.Name)
		dst = append(dst, '}')
	}
	return append(dst, "]}\n\n"...)
}

// AppendReady appends the `ready` message: from c on, the stream is live.
func AppendReady(dst []byte, c orgcast.Cursor, replayed int) []byte {
	dst = appendID(dst, c)
	dst = append(dst, `data: {"type":"ready"`...)
	dst = appendCursor(dst, c)
	dst = append(dst, `,"replayed":`...)
	dst = strconv.AppendInt(dst, int64(replayed), 10)
	return append(dst, "}\n\n"...)
}

// AppendStatus appends the `status` message.
func AppendStatus(dst []byte, state orgcast.FeedState, since time.Time) []byte {
	dst = append(dst, `data: {"type":"status","state":"`...)
	dst = append(dst, state...)
	dst = append(dst, `","since":`...)
	dst = strconv.AppendInt(dst, since.UnixMilli(), 10)
	return append(dst, "}\n\n"...)
}

// AppendReset appends the `reset` message: the client refetches, then goes on
// from c.
func AppendReset(dst []byte, reason orgcast.ResetReason, c orgcast.Cursor) []byte {
	dst = appendID(dst, c)
	dst = append(dst, `data: {"type":"reset","reason":"`...)
	dst = append(dst, reason...)
	dst = append(dst, '"')
	dst = appendCursor(dst, c)
	return append(dst, "}\n\n"...)
}

// Closing is the last message of a stream.
type Closing struct {
	Reason orgcast.ClosingReason
	// Organization, if not empty, is the one that the reason is about.
	Organization orgcast.OrganizationID
	// RetryMS is when to come back, in milliseconds, if at all.
	RetryMS int
}

// AppendClosing appends the `closing` message.
func AppendClosing(dst []byte, c Closing) []byte {
	dst = appendRetry(dst, c.RetryMS)
	dst = append(dst, `data: {"type":"closing","reason":"`...)
	dst = append(dst, c.Reason...)
	dst = append(dst, '"')
	if c.Organization != "" {
		dst = append(dst, `,"organizationId":`...)
		dst = AppendString(dst, string(c.Organization))
	}
	dst = append(dst, `,"reconnect":`...)
	dst = strconv.AppendBool(dst, c.Reason.Reconnect())
	dst = append(dst, `,"retryMs":`...)
	dst = strconv.AppendInt(dst, int64(c.RetryMS), 10)
	return append(dst, "}\n\n"...)
}

// AppendHeartbeat appends a comment and, if c is not zero, the position that
// the stream has reached: an id without data, which moves Last-Event-ID and
// fires nothing.
func AppendHeartbeat(dst []byte, now time.Time, c orgcast.Cursor) []byte {
	dst = append(dst, ": heartbeat "...)
	dst = strconv.AppendInt(dst, now.UnixMilli(), 10)
	dst = append(dst, '\n')
	if !c.IsZero() {
		dst = appendID(dst, c)
	}
	return append(dst, '\n')
}

func appendRetry(dst []byte, ms int) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, int64(ms), 10)
	return append(dst, '\n')
}

func appendID(dst []byte, c orgcast.Cursor) []byte {
	dst = append(dst, "id: "...)
	dst = c.Append(dst)
	return append(dst, '\n')
}

func appendCursor(dst []byte, c orgcast.Cursor) []byte {
	dst = append(dst, `,"cursor":"`...)
	dst = c.Append(dst)
	return append(dst, '"')
}
