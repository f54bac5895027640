package publish

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oikion/orgcast"
)

// An API key is "orgc_<id>_<secret>": the id is public, 80 random bits in lower
// case base 32; the secret is 256 random bits in base64url.
const (
	keyPrefix  = "orgc_"
	keyID      = 16
	keySecret  = 43
	keyLength  = len(keyPrefix) + keyID + 1 + keySecret
	maxKeyName = 100
)

// The bounds of a file of keys.
const (
	maxKeys             = 1_000
	maxKeyOrganizations = 1_000
)

// Key is what is kept of an API key: not the key. It is shared and must not be
// altered.
type Key struct {
	ID      string
	Name    string
	Scope   Scope
	Created time.Time

	hash [sha256.Size]byte // of the whole key, its id included
}

var (
	// ErrNoKey is returned for a text that is no API key of ours, whatever the
	// reason.
	ErrNoKey = errors.New("find API key: no such key")
	// ErrKeyScope is returned for a new key that could never say anything, or
	// is malformed.
	ErrKeyScope = errors.New("malformed API key")
)

// Bearer finds the token in the value of an Authorization header. It does not
// tell whether the token is a key.
func Bearer(header string) (token string, ok bool) {
	scheme, token, ok := strings.Cut(header, " ")
	token = strings.TrimLeft(token, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > keyLength {
		return "", false
	}
	return token, true
}

// newKey draws a key. bearer is the only time that its secret is seen.
func newKey(name string, scope Scope, now time.Time) (bearer string, k *Key) {
	var random [10 + 32]byte
	_, _ = rand.Read(random[:]) // never fails: it ends the process instead
	id := strings.ToLower(base32.StdEncoding.EncodeToString(random[:10]))
	bearer = keyPrefix + id + "_" + base64.RawURLEncoding.EncodeToString(random[10:])
	scope.Organizations, scope.Types = slices.Clone(scope.Organizations), slices.Clone(scope.Types)
	return bearer, &Key{ID: id, Name: name, Scope: scope, Created: now.UTC().Truncate(time.Second), hash: sha256.Sum256([]byte(bearer))}
}

// parseKey finds the id in a key. The rest is the hash's matter.
func parseKey(bearer string) (id string, ok bool) {
	if len(bearer) != keyLength || bearer[:len(keyPrefix)] != keyPrefix || bearer[len(keyPrefix)+keyID] != '_' {
		return "", false
	}
	return bearer[len(keyPrefix) : len(keyPrefix)+keyID], true
}

// proves tells whether bearer is the key that k was made from. It takes as long
// for a nil k, so that the time does not tell which ids there are.
func (k *Key) proves(bearer string) bool {
	hash, want := sha256.Sum256([]byte(bearer)), [sha256.Size]byte{}
	if k != nil {
		want = k.hash
	}
	return subtle.ConstantTimeCompare(hash[:], want[:]) == 1 && k != nil
}

// check returns what is wrong with a key's name and scope.
func (k *Key) check() error {
	s := &k.Scope
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrKeyScope, fmt.Sprintf(format, args...))
	}
	switch {
	case k.Name == "" || len(k.Name) > maxKeyName || !printable(k.Name):
		return bad("a name has 1 to %d bytes, without control characters", maxKeyName)
	case len(s.Types) == 0:
		return bad("its scope has no type")
	case len(s.Organizations) > maxKeyOrganizations:
		return bad("its scope has more than %d organizations: give it all of them, or make several keys", maxKeyOrganizations)
	case len(s.Organizations) == 0 && !s.AllOrganizations && !s.Broadcast:
		return bad("its scope has no organization")
	case len(s.Organizations) > 0 && s.AllOrganizations:
		return bad("its scope has all organizations and some: say one of the two")
	case s.Broadcast && !slices.Contains(s.Types, orgcast.SystemAlert):
		return bad("its scope has the right to broadcast, but not the type %s", orgcast.SystemAlert)
	}
	for _, o := range s.Organizations {
		if o == "" || len(o) > orgcast.MaxOrganizationID || o == orgcast.Everyone || !printable(string(o)) {
			return bad("an organization has 1 to %d bytes without control characters, and is not %q", orgcast.MaxOrganizationID, orgcast.Everyone)
		}
	}
	return nil
}
