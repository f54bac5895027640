package doctor

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/session"
)

// minSecret is what `openssl rand -base64 32` and `npx auth secret` give at
// least, in bytes: HKDF makes a key of any text, and a guess of it is everybody's
// session.
const minSecret = 32

// sessions holds the session's variables against each other and the application.
func sessions(_ context.Context, s *Scene) []Finding {
	getenv := func(name string) string { return s.Environ[name] }
	c, err := session.FromEnv(getenv)
	if err == nil {
		if c.Scheme == session.AuthJSDatabase {
			c.Table = noTable{}
		}
		var a *session.Authenticator
		if a, err = session.New(c); err == nil {
			s.good("sessions: scheme " + string(c.Scheme) + "; reads " + describe(c, a.Names()))
			if c.Scheme == session.AuthJSDatabase {
				return cookies(c, getenv, s.Environ["NEXT_PUBLIC_APP_URL"])
			}
			return append(secrets(c, getenv), cookies(c, getenv, s.Environ["NEXT_PUBLIC_APP_URL"])...)
		}
	}
	code, text := SessionInvalid, err.Error()
	switch {
	case c.Scheme != session.AuthJSDatabase && getenv("AUTH_SECRET") == "" && getenv("NEXTAUTH_SECRET") == "" && getenv("ORGCAST_AUTH_SECRETS") == "" && getenv("ORGCAST_AUTH_SECRETS_FILE") == "":
		code = SecretMissing
	case c.Scheme == session.NextAuth && c.Salt != "":
		code = SessionSalt
	}
	return []Finding{found(code, text, cureOf(err, "see docs/CONFIG.md, Sessions")).as(Fatal)}
}

// noTable stands for the table of sessions where only the variables are looked at.
type noTable struct{}

func (noTable) Session(orgcast.SessionID) (orgcast.Session, bool) { return orgcast.Session{}, false }

// describe says which cookie is read, and whose it is taken for.
func describe(c session.Config, names []string) string {
	if c.Cookie != "" {
		switch c.Scheme {
		case session.Auto:
			return c.Cookie + ", as Auth.js v5 or NextAuth v4 by the token's header"
		case session.AuthJS:
			return c.Cookie + " (Auth.js v5)"
		case session.AuthJSDatabase:
			return c.Cookie
		}
		return c.Cookie + " (NextAuth v4)"
	}
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = n + " (Auth.js v5)"
		if strings.Contains(n, "next-auth") {
			words[i] = n + " (NextAuth v4)"
		}
	}
	return strings.Join(words, ", then ")
}

func secrets(c session.Config, getenv func(string) string) (out []Finding) {
	short, spaced := 0, false
	for _, secret := range c.Secrets {
		if len(secret) < minSecret {
			short++
		}
		spaced = spaced || strings.TrimSpace(secret) != secret
	}
	if short > 0 {
		out = append(out, found(SecretShort, fmt.Sprintf("%d of %d session secrets have fewer than %d bytes: who guesses one can be anybody", short, len(c.Secrets), minSecret),
			"make one with `npx auth secret` or `openssl rand -base64 32`, for the application and for orgcast; all users sign in anew"))
	}
	if spaced {
		out = append(out, found(SecretSpaced, "a session secret begins or ends with white space, which is part of it",
			"see that the application has the same, or take the white space out of both"))
	}
	own := getenv("ORGCAST_AUTH_SECRETS") != "" || getenv("ORGCAST_AUTH_SECRETS_FILE") != ""
	auth, next := getenv("AUTH_SECRET"), getenv("NEXTAUTH_SECRET")
	if !own && auth != "" && next != "" && auth != next {
		out = append(out, found(SecretsDiffer, "AUTH_SECRET and NEXTAUTH_SECRET differ: orgcast and Auth.js v5 take the first, NextAuth v4 the second",
			"unset the one that the application does not use"))
	}
	var numbered []string
	for _, name := range []string{"AUTH_SECRET_1", "AUTH_SECRET_2", "AUTH_SECRET_3"} {
		if getenv(name) != "" {
			numbered = append(numbered, name)
		}
	}
	if !own && len(numbered) > 0 {
		out = append(out, found(SecretsNumbered, some(numbered)+" set, and ignored: by next-auth too as long as AUTH_SECRET or NEXTAUTH_SECRET is set",
			"for a rotation set ORGCAST_AUTH_SECRETS to all secrets that the application takes, newest first, one a line"))
	}
	if c.Salt != "" && c.Scheme != session.AuthJS {
		out = append(out, found(SessionSalt, "ORGCAST_SESSION_SALT is set, and the scheme is "+string(c.Scheme)+": NextAuth v4 uses no salt",
			"set ORGCAST_SESSION=authjs, or unset ORGCAST_SESSION_SALT"))
	}
	return out
}

// cookies tells names that are looked for from those that the application sets.
func cookies(c session.Config, getenv func(string) string, app string) []Finding {
	if c.Cookie != "" {
		return nil
	}
	if c.Secure == session.SecureUnknown {
		return []Finding{found(CookieNamesBoth, "neither AUTH_URL nor NEXTAUTH_URL is set, so cookies without __Secure- are read too: a sibling host can plant these",
			"set AUTH_URL to the application's address, as the application has it")}
	}
	u, err := url.Parse(app)
	if err != nil || u.Host == "" {
		return nil // told with the origins
	}
	variable := "AUTH_URL"
	if getenv(variable) == "" {
		variable = "NEXTAUTH_URL"
	}
	if getenv(variable) == "" {
		variable = "NODE_ENV"
	}
	cure := "set " + variable + " as the application has it: https sets __Secure- cookies, http those without"
	switch {
	case c.Secure == session.SecureNever && u.Scheme == "https":
		return []Finding{found(CookieScheme, "NEXT_PUBLIC_APP_URL is https, and by "+variable+" only cookies without __Secure- are read: every user would get 401", cure)}
	case c.Secure == session.SecureOnly && u.Scheme == "http":
		return []Finding{found(CookieScheme, "NEXT_PUBLIC_APP_URL is http, and by "+variable+" only __Secure- cookies are read: every user would get 401", cure)}
	}
	return nil
}
