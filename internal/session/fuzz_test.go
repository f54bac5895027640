package session

import (
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// FuzzCookieGate holds the worst thing against the reader of cookies: a text
// that is not the cookie of a seed, and opens somebody's session. Whoever is
// accepted must be one of the seeds' users, by a token that is, letter for
// letter, a seed's. The seeds are the vectors, because each of the fuzzer's
// processes must know the same tokens.
func FuzzCookieGate(f *testing.F) {
	secrets := []string{"correct horse battery staple 0123456789", "an older secret, rotated out last week"}
	at := time.Date(2026, time.January, 15, 12, 0, 0, 0, time.UTC)
	tokens := map[string]orgcast.UserID{} // every good token, and whose it is
	var readers []*Authenticator
	for _, c := range []Config{{Secrets: secrets}, {Secrets: secrets, Cookie: "acme.session"}} {
		a, err := New(c)
		if err != nil {
			f.Fatal(err)
		}
		readers = append(readers, a)
	}
	for _, v := range readVectors(f) {
		if v.Config.Salt != "" || v.Config.UserClaim != "" {
			continue // read differently by the two configurations above
		}
		if v.Expect.Valid {
			token, _, reason := findToken(v.Cookies, v.authenticator(f).names)
			if reason != "" {
				f.Fatal(v.Name, reason)
			}
			tokens[token] = v.Expect.UserID
		}
		// Good ones also stand behind a cookie that hides them; the vectors'
		// own test holds the bent ones off.
		for _, line := range v.Cookies {
			for cookie := range strings.SplitSeq(line, ";") {
				for _, a := range readers {
					if p, err := a.Authenticate([]string{cookie}, at); err == nil {
						token, _, _ := findToken([]string{cookie}, a.names)
						tokens[token] = p.User
					}
				}
			}
		}
		f.Add(strings.Join(v.Cookies, "; "))
	}
	if len(tokens) < 10 {
		f.Fatalf("%d good tokens among the seeds", len(tokens))
	}

	f.Fuzz(func(t *testing.T, header string) {
		for _, a := range readers {
			principal, err := a.Authenticate([]string{header}, at)
			if err != nil {
				reasonOf(t, err)
				continue
			}
			token, _, _ := findToken([]string{header}, a.names)
			if user, ok := tokens[token]; !ok || user != principal.User {
				t.Fatalf("accepted as %q (seed: %q, %v)", principal.User, user, ok)
			}
		}
	})
}

// The same promise without luck: every single bit of a token counts.
func TestEveryBitOfATokenCounts(t *testing.T) {
	at := time.Unix(1_768_478_400, 0)
	a, err := New(Config{Secrets: []string{"secret"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []Scheme{AuthJS, NextAuth} {
		header, err := a.Mint(Grant{User: "alice", Scheme: s, IssuedAt: at, Lifetime: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		name, token, _ := strings.Cut(header, "=")
		for i := range len(token) {
			for bit := range 8 {
				bent := []byte(token)
				bent[i] ^= 1 << bit
				if p, err := a.Authenticate([]string{name + "=" + string(bent)}, at); err == nil {
					t.Fatalf("%s: bit %d of byte %d altered, accepted as %q", s, bit, i, p.User)
				}
			}
			if _, err := a.Authenticate([]string{name + "=" + token[:i]}, at); err == nil {
				t.Fatalf("%s: cut at byte %d, accepted", s, i)
			}
			if _, err := a.Authenticate([]string{name + "=" + token[:i] + "A" + token[i:]}, at); err == nil {
				t.Fatalf("%s: a letter more at byte %d, accepted", s, i)
			}
		}
	}
}
