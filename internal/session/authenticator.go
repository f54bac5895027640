package session

import (
	"cmp"
	"encoding/base64"
	"slices"
	"time"

	"github.com/oikion/orgcast"
)

const (
	authJSName   = "authjs.session-token"
	nextAuthName = "next-auth.session-token"
	securePrefix = "__Secure-"
)

// Authenticator reads sessions. It is safe for concurrent use, as its table must
// be: nothing in it changes after [New].
type Authenticator struct {
	userClaim string
	names     []string          // in the order in which they are looked for
	keys      []keyring         // of the name at the same place
	usual     map[string]header // by how the keys' schemes spell it
	scopeKey  []byte
	table     Table // of AuthJSDatabase, which has no keys
}

// New derives the keys, or takes the table. Its errors have a hint.
func New(c Config) (*Authenticator, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	a := &Authenticator{userClaim: c.UserClaim, table: c.Table, usual: map[string]header{}}
	if c.Scheme == AuthJSDatabase {
		for _, n := range cookieNames(c) {
			a.names = append(a.names, n.name)
		}
		return a, nil
	}
	var err error
	if a.scopeKey, err = scopeKey(c.Secrets[0]); err != nil {
		return nil, err
	}
	for _, n := range cookieNames(c) {
		var ring keyring
		for _, s := range n.schemes {
			var keys []key
			if s == AuthJS {
				// The base name, also when the cookie comes in chunks.
				keys, err = authJSKeys(c.Secrets, cmp.Or(c.Salt, n.name))
			} else {
				keys, err = nextAuthKeys(c.Secrets)
			}
			if err != nil {
				return nil, err
			}
			ring = append(ring, keys...)
		}
		for _, k := range ring {
			a.usual[k.header] = header{k.enc, k.kid, k.kid != ""}
		}
		a.names = append(a.names, n.name)
		a.keys = append(a.keys, ring)
	}
	return a, nil
}

// Names returns the cookie names that are looked for, in that order. A cookie
// in chunks has ".0", ".1" … behind one of them.
func (a *Authenticator) Names() []string { return slices.Clone(a.names) }

// Authenticate returns whose session is in the request's Cookie header lines, of
// which there may be several. The error is always a [*Refusal]. Lines and tokens
// that are too long are refused before anything of them is copied.
func (a *Authenticator) Authenticate(cookies []string, now time.Time) (orgcast.Principal, error) {
	token, which, reason := findToken(cookies, a.names)
	if reason != "" {
		return orgcast.Principal{}, refuse(reason)
	}
	if a.table != nil {
		return a.find(token, now)
	}
	s, reason := gate(token, a.usual)
	if reason != "" {
		return orgcast.Principal{}, refuse(reason)
	}
	k, reason := a.keys[which].choose(s.header)
	if reason != "" {
		return orgcast.Principal{}, refuse(reason)
	}
	plain, reason := k.open(&s)
	if reason != "" {
		return orgcast.Principal{}, refuse(reason)
	}
	c, reason := readClaims(plain, a.userClaim, now)
	if reason != "" {
		return orgcast.Principal{}, refuse(reason)
	}
	return orgcast.Principal{
		User:      c.user,
		ExpiresAt: c.exp,
		Scheme:    string(k.scheme),
		Scope:     scope(a.scopeKey, c.user, c.jti, token),
	}, nil
}

// open checks the seal of a token that passed the gate, in constant time, before
// it decrypts. One reason for all that can be wrong with it: which part it was
// would help only the one who tampered. The ciphers are the JOSE library's; its
// reader of JSON is left out, since the gate has read all that there is to read.
func (k key) open(s *sealed) ([]byte, Reason) {
	size := base64.RawURLEncoding.DecodedLen
	room := make([]byte, size(len(s.iv))+size(len(s.text))+size(len(s.tag)))
	iv, text := room[:size(len(s.iv))], room[size(len(s.iv)):]
	for _, part := range []struct {
		to      []byte
		encoded string
	}{{iv, s.iv}, {text, s.text}, {text[size(len(s.text)):], s.tag}} {
		if _, err := base64.RawURLEncoding.Decode(part.to, []byte(part.encoded)); err != nil {
			return nil, Malformed // the gate is stricter, so this is never seen
		}
	}
	plain, err := k.aead.Open(nil, iv, text, []byte(s.encoded))
	if err != nil {
		return nil, Tampered
	}
	return plain, ""
}

// namedSchemes is a cookie name and the schemes that may have set it.
type namedSchemes struct {
	name    string
	schemes []Scheme
}

func cookieNames(c Config) []namedSchemes {
	if c.Cookie != "" {
		if c.Scheme == Auto {
			return []namedSchemes{{c.Cookie, []Scheme{AuthJS, NextAuth}}}
		}
		return []namedSchemes{{c.Cookie, []Scheme{c.Scheme}}}
	}
	var names []namedSchemes
	for _, prefix := range prefixes(c.Secure) {
		if c.Scheme != NextAuth {
			names = append(names, namedSchemes{prefix + authJSName, []Scheme{AuthJS}})
		}
		if c.Scheme != AuthJS {
			names = append(names, namedSchemes{prefix + nextAuthName, []Scheme{NextAuth}})
		}
	}
	return names
}

func prefixes(s SecureCookies) []string {
	switch s {
	case SecureOnly:
		return []string{securePrefix}
	case SecureNever:
		return []string{""}
	default:
		return []string{securePrefix, ""}
	}
}
