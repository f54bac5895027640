package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/oikion/orgcast"
)

// Scheme is how the application keeps its sessions.
type Scheme string

const (
	// Auto tells Auth.js and NextAuth apart by the name of the cookie found, or,
	// if the name is configured, by the header of the token. It reads no session
	// of the database: what is a random text to it may be a row that the application
	// no longer looks at, and a server should not ask for a table of credentials
	// that it was not told to read.
	Auto Scheme = "auto"
	// AuthJS is Auth.js v5 with its JWT strategy.
	AuthJS Scheme = "authjs"
	// NextAuth is NextAuth v4 with its JWT strategy.
	NextAuth Scheme = "nextauth"
	// AuthJSDatabase is the database strategy of both: the cookie is a random
	// token, the session a row. It reads no token that seals itself.
	AuthJSDatabase Scheme = "authjs-database"
)

// ErrNoTable is returned by [New] for [AuthJSDatabase] without a table: only a
// server that follows the database knows its sessions.
var ErrNoTable = errors.New("sessions in the database are known to a running server only")

// SecureCookies says which of the default cookie names are looked for. Auth.js
// puts "__Secure-" in front of them when its own URL is https.
type SecureCookies uint8

const (
	// SecureUnknown looks for both, the "__Secure-" names first. A server in
	// production that was not told the application's URL can't know which ones
	// the application sets, and with one of the two only, every user of the other
	// half of the installations would be turned away.
	//
	// The price: a plain name can be set by a sibling host or over http. Such a
	// cookie must still be sealed with the application's secret, so at worst a
	// browser without a "__Secure-" session reads the planter's own stream. To
	// exclude it, give the URL.
	SecureUnknown SecureCookies = iota
	// SecureOnly looks for the "__Secure-" names only: the application is https.
	SecureOnly
	// SecureNever looks for the plain names only: the application is http.
	SecureNever
)

// maxSecrets bounds what a key id is compared with. A rotation needs two.
const maxSecrets = 16

// Config is what [New] needs. The zero value of every field but Secrets (or
// Table) is a default.
type Config struct {
	// Scheme is Auto if empty.
	Scheme Scheme
	// Cookie is the cookie's whole name, if the application changed it.
	Cookie string
	// Secure chooses among the default names; without effect if Cookie is set.
	Secure SecureCookies
	// Secrets are the application's, newest first; 1 to 16. A token without a
	// key id is checked with the first one only, which is every NextAuth token.
	Secrets []string
	// Salt replaces the cookie's name in Auth.js's key derivation, for an
	// application that passes its own.
	Salt string
	// UserClaim is the claim with the user's id, "sub" if empty.
	UserClaim string
	// Table holds the sessions of AuthJSDatabase, which needs it and no secret.
	Table Table
}

// String is fit for a log: it counts the secrets.
func (c Config) String() string {
	return fmt.Sprintf("session{scheme:%s cookie:%s secrets:%d userClaim:%s}",
		c.Scheme, c.Cookie, len(c.Secrets), c.UserClaim)
}

// GoString is String, so that no verb of fmt prints a secret.
func (c Config) GoString() string { return c.String() }

// check fills the defaults in and refuses what can't work.
func (c *Config) check() error {
	if c.Scheme == "" {
		c.Scheme = Auto
	}
	if c.UserClaim == "" {
		c.UserClaim = "sub"
	}
	fail := func(cause, hint string) error {
		return orgcast.WithHint("configure sessions", errors.New(cause), hint)
	}
	switch c.Scheme {
	case Auto, AuthJS, NextAuth:
	case AuthJSDatabase:
		return c.checkDatabase(fail)
	default:
		return fail("unknown scheme", "set ORGCAST_SESSION to auto, authjs, nextauth or authjs-database")
	}
	switch {
	case c.Table != nil:
		return fail("a table of sessions with scheme "+string(c.Scheme), "set ORGCAST_SESSION to authjs-database")
	case len(c.Secrets) == 0:
		return fail("no secret", "set AUTH_SECRET (or NEXTAUTH_SECRET) to the application's value, or ORGCAST_AUTH_SECRETS to several, newest first; for sessions that are kept in the database set ORGCAST_SESSION to authjs-database")
	case len(c.Secrets) > maxSecrets:
		return fail(fmt.Sprintf("%d secrets, at most %d", len(c.Secrets), maxSecrets), "remove the secrets whose last session has expired")
	case slices.Contains(c.Secrets, ""):
		return fail("empty secret", "remove it: anyone could make a session with it")
	case c.Salt != "" && c.Scheme == NextAuth:
		return fail("salt with scheme nextauth", "unset ORGCAST_SESSION_SALT: NextAuth v4 derives the key of its sessions without one")
	case slices.Contains([]string{"exp", "nbf", "iat", "jti"}, c.UserClaim):
		return fail("user claim "+c.UserClaim, "set ORGCAST_SESSION_USER_CLAIM to the claim with the user's id; it is \"sub\" unless the application changed it")
	case c.Secure > SecureNever:
		return fail("unknown choice of secure cookies", "use SecureUnknown, SecureOnly or SecureNever")
	}
	return c.checkCookie()
}

// checkDatabase refuses what would change how a token is read: there is none.
// Secrets are not looked at: Auth.js has one with this strategy too.
func (c *Config) checkDatabase(fail func(cause, hint string) error) error {
	switch {
	case c.Table == nil:
		return orgcast.WithHint("configure sessions", ErrNoTable,
			"ask a running server: curl its stream with the cookie; with ORGCAST_LOG_LEVEL=debug it logs why it takes no session")
	case c.Salt != "":
		return fail("salt with scheme authjs-database", "unset ORGCAST_SESSION_SALT: no key is derived for sessions in the database")
	case c.UserClaim != "sub":
		return fail("user claim with scheme authjs-database", "unset ORGCAST_SESSION_USER_CLAIM: the rule file names the column, below sessions")
	case c.Secure > SecureNever:
		return fail("unknown choice of secure cookies", "use SecureUnknown, SecureOnly or SecureNever")
	}
	return c.checkCookie()
}

func (c *Config) checkCookie() error {
	if c.Cookie == "" {
		return nil
	}
	fail := func(cause, hint string) error {
		return orgcast.WithHint("configure session cookie", errors.New(cause), hint)
	}
	if len(c.Cookie) > 256 || strings.ContainsFunc(c.Cookie, notInCookieName) {
		return fail("not a cookie name", "set ORGCAST_SESSION_COOKIE to the whole name that the browser shows, without its value")
	}
	if i := strings.LastIndexByte(c.Cookie, '.'); i >= 0 {
		if _, ok := chunkIndex(c.Cookie[i+1:]); ok {
			return fail("name of a chunk", "set ORGCAST_SESSION_COOKIE to the name without the number at its end")
		}
	}
	return nil
}

// notInCookieName tells what is not a token character of RFC 9110.
func notInCookieName(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}
