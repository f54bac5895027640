package session

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
)

// Longest value of one cookie, in bytes, as the two libraries count: what is
// left of 4096 for the value when name and attributes are estimated.
const (
	authJSChunk   = 3936
	nextAuthChunk = 3933
)

// Grant is a session to be made.
type Grant struct {
	User orgcast.UserID
	// Scheme is AuthJS or NextAuth, or empty for the first that is read.
	Scheme Scheme
	// IssuedAt is rounded down to the second.
	IssuedAt time.Time
	// Lifetime is at least a second.
	Lifetime time.Duration
	// Claims are further ones. They can't replace those of the grant itself.
	Claims map[string]any
}

// Mint makes a session as the application would, with the first secret, and
// returns the value of a Cookie header. It is for tests, demos and curl: whoever
// can mint has the application's secret already. What it makes,
// [Authenticator.Authenticate] of the same configuration accepts.
func (a *Authenticator) Mint(g Grant) (string, error) {
	fail := func(cause error, hint string) (string, error) {
		return "", orgcast.WithHint("mint session", cause, hint)
	}
	if !plausibleUser(string(g.User)) {
		return fail(errors.New("not a user id"), fmt.Sprintf("give 1 to %d bytes without control characters", maxUser))
	}
	if g.Lifetime < time.Second {
		return fail(errors.New("lifetime below a second"), "give a positive duration like 1h; for an expired session, set the time that it is issued at")
	}
	name, k, ok := a.mintingKey(g.Scheme)
	if !ok {
		return fail(errors.New("scheme is not read by this configuration"), "set ORGCAST_SESSION to auto or to this scheme")
	}
	token, err := k.seal(a.userClaim, g)
	if err != nil {
		return fail(err, "check the claims: they must be values that JSON can write")
	}
	if len(token) > maxToken {
		return fail(fmt.Errorf("token of %d bytes, at most %d", len(token), maxToken), "give fewer claims")
	}
	size := authJSChunk
	if k.scheme == NextAuth {
		size = nextAuthChunk
	}
	return cookieLine(name, token, size), nil
}

// mintingKey is the first key of the scheme: that of the first secret and of the
// cipher in use today.
func (a *Authenticator) mintingKey(s Scheme) (name string, k key, ok bool) {
	for i, ring := range a.keys {
		for _, k := range ring {
			if s == "" || k.scheme == s {
				return a.names[i], k, true
			}
		}
	}
	return "", key{}, false
}

// seal makes the token.
func (k key) seal(userClaim string, g Grant) (string, error) {
	issued := g.IssuedAt.Unix()
	object := map[string]any{}
	for name, value := range g.Claims {
		object[name] = value
	}
	object["sub"] = g.User
	object[userClaim] = g.User
	object["iat"] = issued
	object["exp"] = issued + int64(g.Lifetime/time.Second)
	object["jti"] = rand.Text()
	plain, err := codec.Marshal(object)
	if err != nil {
		return "", fmt.Errorf("write claims: %w", err)
	}
	to := jose.Recipient{Algorithm: jose.DIRECT, Key: k.bytes, KeyID: k.kid}
	encrypter, err := jose.NewEncrypter(k.enc, to, nil)
	if err != nil {
		return "", fmt.Errorf("prepare encryption: %w", err)
	}
	jwe, err := encrypter.Encrypt(plain)
	if err != nil {
		return "", fmt.Errorf("encrypt claims: %w", err)
	}
	token, err := jwe.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("write token: %w", err)
	}
	return token, nil
}

// cookieLine writes name=token, or name.0=… in chunks of size bytes.
func cookieLine(name, token string, size int) string {
	if len(token) <= size {
		return name + "=" + token
	}
	var b strings.Builder
	for i := 0; len(token) > 0; i++ {
		n := min(size, len(token))
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s.%d=%s", name, i, token[:n])
		token = token[n:]
	}
	return b.String()
}
