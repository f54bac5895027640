package orgcast

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// SessionID names a session that the application keeps in its database: the
// SHA-256 of the token in the user's cookie. The token itself opens the session
// and is kept nowhere. Zero is a session that is not kept in the database.
type SessionID [sha256.Size]byte

// NameSession names the session of a token.
func NameSession(token []byte) SessionID { return sha256.Sum256(token) }

// IsZero tells whether id names no session.
func (id SessionID) IsZero() bool { return id == SessionID{} }

// Session is one row of the application's table of sessions.
type Session struct {
	User UserID
	// ExpiresAt is when the session ends, in UTC, to the microsecond.
	ExpiresAt time.Time
}

// SessionChange says that a transaction began, changed or ended a session. What
// it is now, if it still is one, the directory knows.
type SessionChange struct {
	// Cursor is the place of the change among the events.
	Cursor Cursor
	ID     SessionID
	// Everybody is a truncated table of sessions: any may have ended.
	Everybody bool
}

// ErrUnknownSession is returned for a session that the change feed has not told
// of, or not of its extension: it may have begun, or been extended, a moment ago.
var ErrUnknownSession = errors.New("session is not known to the change feed")

// errSession is a stored session that can't be read.
var errSession = errors.New("read session: malformed entry")

// Append appends the session in the form in which it is stored: the end
// (microseconds since 1970, 8 bytes, big endian), then the user.
func (s *Session) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.ExpiresAt.UnixMicro()))
	return append(dst, s.User...)
}

// ParseSession reads what [Session.Append] wrote, and its key.
func ParseSession(key, value []byte) (SessionID, Session, error) {
	if len(key) != sha256.Size || len(value) <= 8 {
		return SessionID{}, Session{}, errSession
	}
	return SessionID(key), Session{
		User:      UserID(value[8:]),
		ExpiresAt: time.UnixMicro(int64(binary.BigEndian.Uint64(value))).UTC(),
	}, nil
}
