package route

import (
	"time"

	"github.com/oikion/orgcast"
)

// session keeps the table of sessions. Nothing of it is ever an event. What is
// known of a session is kept under the hash of its token; the token itself is
// not kept.
func (r *Router) session(b *binding, c *orgcast.Change, out *Output) {
	if c.Operation != orgcast.Insert && (c.Old == nil || c.OldIsKey) {
		r.withhold(b.table, ReasonNoOldRow)
		r.distrustSessions(b, c, out)
		return
	}
	var before, after *storedSession
	if c.Old != nil {
		before, _ = b.session(c.Old, nil) // what can't be read never was a session
	}
	if c.New != nil {
		var reason Reason
		if after, reason = b.session(c.New, c.Old); reason != "" {
			r.withhold(b.table, reason)
		}
	}
	if before != nil && after != nil && *before == *after {
		return // nothing that matters here
	}
	if before != nil && (after == nil || after.id != before.id) {
		r.endSession(c.Ordinal, before.id, out)
	}
	if after != nil {
		r.setSession(c.Ordinal, after, out)
	}
}

func (r *Router) setSession(ordinal uint64, s *storedSession, out *Output) {
	out.set(orgcast.SpaceSessions, func(k []byte) []byte { return append(k, s.id[:]...) }, s.Append)
	out.Sessions = append(out.Sessions, orgcast.SessionChange{Cursor: r.cursor(ordinal, 0), ID: s.id})
}

func (r *Router) endSession(ordinal uint64, id orgcast.SessionID, out *Output) {
	out.set(orgcast.SpaceSessions, func(k []byte) []byte { return append(k, id[:]...) }, nil)
	out.Sessions = append(out.Sessions, orgcast.SessionChange{Cursor: r.cursor(ordinal, 0), ID: id})
}

// endSessions takes a truncated table of sessions.
func (r *Router) endSessions(ordinal uint64, out *Output) {
	out.States = append(out.States, orgcast.StateChange{Space: orgcast.SpaceSessions, Prefix: true})
	out.Sessions = append(out.Sessions, orgcast.SessionChange{Cursor: r.cursor(ordinal, orgcast.SubIndexes-1), Everybody: true})
}

// distrustSessions takes a change of the table of sessions whose old version
// can't be read, so that any session may be the one that it ended: none stands,
// but the one that the row says there is now.
func (r *Router) distrustSessions(b *binding, c *orgcast.Change, out *Output) {
	r.endSessions(c.Ordinal, out)
	if b.missing != "" || c.New == nil {
		return
	}
	if s, reason := b.session(c.New, nil); reason == "" {
		r.setSession(c.Ordinal, s, out)
	}
}

// storedSession is a row of the table of sessions.
type storedSession struct {
	id orgcast.SessionID
	orgcast.Session
}

// session reads one version of a row; what was not sent of it, because it was
// unchanged, is in old.
func (b *binding) session(row, old []orgcast.Value) (*storedSession, Reason) {
	text := func(column int) []byte {
		v := row[column]
		if v.Kind == orgcast.Unchanged && old != nil {
			v = old[column]
		}
		return v.Text // nil is a null, or was not sent
	}
	return session(text(b.id), text(b.user), text(b.expires))
}

// session reads a session from its texts; nil is a null, or was not sent.
func session(token, user, expires []byte) (*storedSession, Reason) {
	if len(token) == 0 || len(user) == 0 || len(user) > maxKey {
		return nil, ReasonNoKey
	}
	end, ok := moment(string(expires))
	if !ok {
		return nil, ReasonNoTime
	}
	return &storedSession{orgcast.NameSession(token), orgcast.Session{User: orgcast.UserID(user), ExpiresAt: end}}, ""
}

// momentForms are the forms of timestamp and timestamptz, as the pinned session
// settings print them. Auth.js's adapters write UTC into columns without a zone.
var momentForms = []string{"2006-01-02 15:04:05.999999", "2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999-07:00"}

// moment reads a point in time. Infinity is the last second that RFC 3339 can
// write.
func moment(text string) (time.Time, bool) {
	if text == "infinity" {
		return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), true
	}
	for _, form := range momentForms {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
