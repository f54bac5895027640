package session

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/oikion/orgcast"
)

// scopeKey derives the key of the scopes. It is of its own: a scope is sent to
// browsers, and tells nothing of the keys that seal sessions.
func scopeKey(secret string) ([]byte, error) {
	k, err := hkdf.Key(sha256.New, []byte(secret), nil, "orgcast session scope", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive scope key: %w", err)
	}
	return k, nil
}

// scope names a user's session without telling who or which: 22 characters,
// 132 bits. It is no secret: knowing it opens nothing, and neither user nor
// session can be computed from it, nor it from them.
//
// The session is the token's jti, or the token itself if it has none. Auth.js
// draws a new jti whenever it renews the cookie, which is each time the
// application reads the session, and keeps nothing else that a sign-in has to
// itself. So the scope is that of a token: never shared by two sign-ins, and not
// kept by one beyond a renewal. What a client keys by it is then fetched anew,
// never shown to another user.
func scope(key []byte, user orgcast.UserID, jti, token string) string {
	mac := hmac.New(sha256.New, key)
	// Lengths in front: "ab"+"c" is not "a"+"bc". hash.Hash never fails.
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(user)))
	mac.Write(n[:])
	mac.Write([]byte(user))
	if jti != "" {
		mac.Write([]byte("jti"))
		mac.Write([]byte(jti))
	} else {
		sum := sha256.Sum256([]byte(token))
		mac.Write([]byte("sha"))
		mac.Write(sum[:])
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))[:22]
}
