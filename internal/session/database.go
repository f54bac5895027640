package session

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oikion/orgcast"
)

// maxSessionToken bounds a token of the database strategy, in bytes. It is a UUID
// unless the application makes its own.
const maxSessionToken = 1 << 10

// Table is the application's table of sessions, as far as the change feed has
// come.
type Table interface {
	// Session finds a session by the hash of its token, also one that has expired.
	Session(orgcast.SessionID) (orgcast.Session, bool)
}

// find looks a token up. What is not there, and what has expired by what is
// known, may be news that the feed has not told yet: these refusals are
// [orgcast.ErrUnknownSession].
func (a *Authenticator) find(token string, now time.Time) (orgcast.Principal, error) {
	switch {
	case len(token) > maxSessionToken:
		return orgcast.Principal{}, refuse(Oversize)
	case !utf8.ValidString(token) || strings.IndexByte(token, 0) >= 0:
		return orgcast.Principal{}, refuse(Malformed) // no database has such a text
	}
	id := orgcast.NameSession([]byte(token))
	session, ok := a.table.Session(id)
	switch {
	case !ok:
		return orgcast.Principal{}, refuse(UnknownSession)
	case !plausibleUser(string(session.User)):
		return orgcast.Principal{}, refuse(NoUser)
	case session.ExpiresAt.Before(now): // no tolerance, as Auth.js
		return orgcast.Principal{}, refuse(SessionExpired)
	}
	return orgcast.Principal{
		User:      session.User,
		ExpiresAt: session.ExpiresAt,
		Scheme:    string(AuthJSDatabase),
		Session:   id,
		Scope:     databaseScope(token),
	}, nil
}

// databaseScope names a session of the database without telling which: see
// [scope]. It is another hash than the [orgcast.SessionID], so that who sees one
// does not know the other, and it needs no secret: nobody finds the random token
// that it is of. It stays the same for as long as the session lives.
func databaseScope(token string) string {
	sum := sha256.Sum256([]byte("orgcast database session scope\x00" + token))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:22]
}
