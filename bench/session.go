package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha512"
	"errors"
	"flag"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/session"
)

// sessions checks cookies of every scheme as the server does for each request,
// beside the cryptography alone that the seal of an Auth.js token takes.
func sessions(ctx context.Context, flags *flag.FlagSet, args []string) error {
	rounds := flags.Int("rounds", 9, "rounds; the best of each counts")
	checks := flags.Int("checks", 5000, "checks of a round")
	if err := flags.Parse(args); err != nil {
		return err
	}
	secret := strings.Repeat("secret", 8)
	sealed, err := session.New(session.Config{Secrets: []string{secret}, Secure: session.SecureOnly})
	if err != nil {
		return err
	}
	now := time.Now()
	const user, token = "clx0usr0000000000000000001", "9c8b0a1e-6a8f-4a56-9d3e-2f8b7c6d5e4f"
	stored, err := session.New(session.Config{
		Scheme: session.AuthJSDatabase, Secure: session.SecureOnly,
		Table: row{orgcast.NameSession([]byte(token)), orgcast.Session{User: user, ExpiresAt: now.Add(time.Hour)}},
	})
	if err != nil {
		return err
	}
	mint := func(scheme session.Scheme) (string, error) {
		return sealed.Mint(session.Grant{User: user, Scheme: scheme, IssuedAt: now, Lifetime: time.Hour, Claims: map[string]any{
			"name": "Alice Example", "email": "alice@example.com", "picture": nil,
		}})
	}
	authJS, err := mint(session.AuthJS)
	if err != nil {
		return err
	}
	nextAuth, err := mint(session.NextAuth)
	if err != nil {
		return err
	}
	check := func(a *session.Authenticator, cookie string) func() error {
		lines := []string{"theme=dark; locale=el; " + cookie}
		return func() error { _, err := a.Authenticate(lines, now); return err }
	}
	subjects := []struct {
		name string
		run  func() error
		best float64 // µs
	}{
		{name: "the seal's cryptography alone", run: seal(len(authJS))},
		{name: "Auth.js v5, JWT", run: check(sealed, authJS)},
		{name: "NextAuth v4, JWT", run: check(sealed, nextAuth)},
		{name: "database strategy", run: check(stored, "__Secure-authjs.session-token="+token)},
	}
	for i := range subjects {
		subjects[i].best = math.Inf(1)
	}
	for range *rounds {
		for i := range subjects {
			s := &subjects[i]
			begun := time.Now()
			for range *checks {
				if err := s.run(); err != nil {
					return errors.Join(fmt.Errorf("%s", s.name), err)
				}
			}
			s.best = min(s.best, float64(time.Since(begun).Nanoseconds())/1e3/float64(*checks))
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	for _, s := range subjects {
		fmt.Printf("%-30s %7.2f µs  %5.2f×\n", s.name, s.best, s.best/subjects[0].best)
	}
	return nil
}

// row is a table of sessions with one row.
type row struct {
	id      orgcast.SessionID
	session orgcast.Session
}

func (r row) Session(id orgcast.SessionID) (orgcast.Session, bool) { return r.session, id == r.id }

// seal is what must be computed to open a token of so many bytes: HMAC-SHA-512
// over it, and AES-256-CBC. Keys are scheduled each time, as they are there.
func seal(size int) func() error {
	key := make([]byte, 64)
	text := make([]byte, size*3/4/aes.BlockSize*aes.BlockSize)
	plain := make([]byte, len(text))
	return func() error {
		mac := hmac.New(sha512.New, key[:32])
		mac.Write(text)
		mac.Sum(nil)
		block, err := aes.NewCipher(key[32:])
		if err != nil {
			return err
		}
		cipher.NewCBCDecrypter(block, key[:aes.BlockSize]).CryptBlocks(plain, text)
		return nil
	}
}
