package session

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	josecipher "github.com/go-jose/go-jose/v4/cipher"
)

// key opens the tokens that were made with one secret and one cipher.
type key struct {
	enc    jose.ContentEncryption
	bytes  []byte
	kid    string // "" if the scheme names no keys
	scheme Scheme
	aead   cipher.AEAD // of bytes; good for many goroutines
	// header is how the scheme's library writes the encoded header of its tokens.
	header string
}

// newKey makes a key ready for use.
func newKey(enc jose.ContentEncryption, bytes []byte, kid string, scheme Scheme) (k key, err error) {
	k = key{enc: enc, bytes: bytes, kid: kid, scheme: scheme}
	header := `{"alg":"dir","enc":"` + string(enc) + `"`
	if kid != "" {
		header += `,"kid":"` + kid + `"`
	}
	k.header = base64.RawURLEncoding.EncodeToString([]byte(header + "}"))
	if enc == jose.A256CBC_HS512 {
		k.aead, err = josecipher.NewCBCHMAC(bytes, aes.NewCipher)
		return k, err
	}
	block, err := aes.NewCipher(bytes)
	if err == nil {
		k.aead, err = cipher.NewGCM(block)
	}
	return k, err
}

// authJSKeys derives two keys of each secret, in the order of the secrets:
// Auth.js makes A256CBC-HS512 today and made A256GCM in its first betas.
func authJSKeys(secrets []string, salt string) ([]key, error) {
	keys := make([]key, 0, 2*len(secrets))
	for _, secret := range secrets {
		info := "Auth.js Generated Encryption Key (" + salt + ")"
		long, err := hkdf.Key(sha256.New, []byte(secret), []byte(salt), info, 64)
		if err != nil {
			return nil, fmt.Errorf("derive key: %w", err)
		}
		// Of one secret the short key is the beginning of the long one: HKDF's
		// output does not depend on how much of it is asked for.
		short := long[:32:32]
		longSum, shortSum := sha512.Sum512(thumbprintInput(long)), sha256.Sum256(thumbprintInput(short))
		today, err := newKey(jose.A256CBC_HS512, long, base64.RawURLEncoding.EncodeToString(longSum[:]), AuthJS)
		if err != nil {
			return nil, fmt.Errorf("prepare key: %w", err)
		}
		beta, err := newKey(jose.A256GCM, short, base64.RawURLEncoding.EncodeToString(shortSum[:]), AuthJS)
		if err != nil {
			return nil, fmt.Errorf("prepare key: %w", err)
		}
		keys = append(keys, today, beta)
	}
	return keys, nil
}

// thumbprintInput is what RFC 7638 hashes of a symmetric key.
func thumbprintInput(k []byte) []byte {
	return []byte(`{"k":"` + base64.RawURLEncoding.EncodeToString(k) + `","kty":"oct"}`)
}

// nextAuthKeys derives the one key of NextAuth v4: of the first secret, without
// a salt, so it does not depend on the cookie's name.
func nextAuthKeys(secrets []string) ([]key, error) {
	k, err := hkdf.Key(sha256.New, []byte(secrets[0]), nil, "NextAuth.js Generated Encryption Key", 32)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	made, err := newKey(jose.A256GCM, k, "", NextAuth)
	if err != nil {
		return nil, fmt.Errorf("prepare key: %w", err)
	}
	return []key{made}, nil
}

// keyring is the keys that may open the tokens of one cookie. If it holds keys
// of both schemes, the header alone tells which one is meant: no token is tried
// with two keys.
type keyring []key

// choose returns the one key that the header asks for.
//
// A key id is a public thumbprint; it is compared in constant time all the same,
// so that nobody has to think about it again.
func (ring keyring) choose(h header) (key, Reason) {
	reason := Unsupported
	for _, k := range ring {
		if k.enc != h.enc {
			continue
		}
		switch k.scheme {
		case AuthJS:
			if !h.hasKid && !ring.has(NextAuth, h.enc) {
				return k, "" // the first secret only, as Auth.js does
			}
			if h.hasKid {
				if subtle.ConstantTimeCompare([]byte(h.kid), []byte(k.kid)) == 1 {
					return k, ""
				}
				reason = UnknownKey
			}
		case NextAuth:
			if !h.hasKid {
				return k, ""
			}
		}
	}
	return key{}, reason
}

func (ring keyring) has(s Scheme, enc jose.ContentEncryption) bool {
	for _, k := range ring {
		if k.scheme == s && k.enc == enc {
			return true
		}
	}
	return false
}
