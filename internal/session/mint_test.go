package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/oikion/orgcast"
)

var noon = time.Date(2026, time.January, 15, 12, 0, 0, 0, time.UTC)

func TestWhatIsMintedIsAccepted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Config{
			Scheme:    rapid.SampledFrom([]Scheme{Auto, AuthJS, NextAuth}).Draw(t, "scheme"),
			Secure:    rapid.SampledFrom([]SecureCookies{SecureUnknown, SecureOnly, SecureNever}).Draw(t, "secure"),
			Cookie:    rapid.SampledFrom([]string{"", "acme.session", "__Host-s"}).Draw(t, "cookie"),
			UserClaim: rapid.SampledFrom([]string{"", "id", "name"}).Draw(t, "claim"),
			Secrets:   rapid.SliceOfN(rapid.StringMatching(`.{1,40}`), 1, 3).Draw(t, "secrets"),
		}
		if c.Scheme != NextAuth {
			c.Salt = rapid.SampledFrom([]string{"", "pepper"}).Draw(t, "salt")
		}
		a, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		g := Grant{
			User:     orgcast.UserID(rapid.StringMatching(`[\pL\pN<>&"_-]{1,60}`).Draw(t, "user")),
			IssuedAt: noon.Add(time.Duration(rapid.Int64Range(-1e18, 1e18).Draw(t, "issued"))),
			Lifetime: time.Duration(rapid.Int64Range(1e9, 1e17).Draw(t, "lifetime")),
			Claims: map[string]any{
				"name": "Alice", "sub": "mallory", "exp": 1, "jti": "same",
				"pad": strings.Repeat("p", rapid.IntRange(0, 20_000).Draw(t, "pad")),
			},
		}
		if c.Scheme == Auto {
			g.Scheme = rapid.SampledFrom([]Scheme{"", AuthJS, NextAuth}).Draw(t, "minted scheme")
		}
		header, err := a.Mint(g)
		if err != nil {
			t.Fatal(err)
		}
		for _, cookie := range strings.Split(header, "; ") {
			if _, value, _ := strings.Cut(cookie, "="); len(value) > authJSChunk {
				t.Fatalf("cookie of %d bytes", len(value))
			}
		}
		p, err := a.Authenticate([]string{header}, g.IssuedAt)
		if err != nil {
			t.Fatal(err)
		}
		want := time.Unix(g.IssuedAt.Unix()+int64(g.Lifetime/time.Second), 0)
		if p.User != g.User || !p.ExpiresAt.Equal(want) {
			t.Fatalf("got %q until %v, want %q until %v", p.User, p.ExpiresAt, g.User, want)
		}
		if g.Scheme != "" && p.Scheme != string(g.Scheme) {
			t.Fatalf("scheme %s, want %s", p.Scheme, g.Scheme)
		}
		if _, err := a.Authenticate([]string{header}, want.Add(tolerance*time.Second)); reasonOf(t, err) != Expired {
			t.Fatalf("15 s after its expiry: %v", err)
		}
	})
}

func TestMintRefusesWhatWouldNotBeAccepted(t *testing.T) {
	a, err := New(Config{Scheme: AuthJS, Secrets: []string{"secret"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, g := range map[string]Grant{
		"no user":        {IssuedAt: noon, Lifetime: time.Hour},
		"line break":     {User: "a\nb", IssuedAt: noon, Lifetime: time.Hour},
		"no lifetime":    {User: "alice", IssuedAt: noon},
		"other scheme":   {User: "alice", IssuedAt: noon, Lifetime: time.Hour, Scheme: NextAuth},
		"unknown scheme": {User: "alice", IssuedAt: noon, Lifetime: time.Hour, Scheme: "clerk"},
		"too large":      {User: "alice", IssuedAt: noon, Lifetime: time.Hour, Claims: map[string]any{"pad": strings.Repeat("p", maxToken)}},
		"no JSON":        {User: "alice", IssuedAt: noon, Lifetime: time.Hour, Claims: map[string]any{"f": func() {}}},
	} {
		header, err := a.Mint(g)
		if err == nil {
			t.Errorf("%s: minted", name)
		} else if header != "" || orgcast.Hint(err) == "" {
			t.Errorf("%s: header %q, error %v without a hint", name, header, err)
		}
	}
}

func TestScopeDiffersForEveryUserAndSession(t *testing.T) {
	scopes := map[string]string{}
	for _, secret := range []string{"one", "two"} {
		a, err := New(Config{Secrets: []string{secret}})
		if err != nil {
			t.Fatal(err)
		}
		for _, user := range []orgcast.UserID{"alice", "bob"} {
			for _, s := range []Scheme{AuthJS, NextAuth} {
				for n := range 3 {
					header, err := a.Mint(Grant{User: user, Scheme: s, IssuedAt: noon, Lifetime: time.Hour})
					if err != nil {
						t.Fatal(err)
					}
					p, err := a.Authenticate([]string{header}, noon)
					if err != nil {
						t.Fatal(err)
					}
					again, err := a.Authenticate([]string{header}, noon.Add(time.Minute))
					if err != nil || again != p {
						t.Fatalf("same cookie a minute later: %+v (%v), was %+v", again, err, p)
					}
					who := fmt.Sprint(secret, user, s, n)
					if other, taken := scopes[p.Scope]; taken {
						t.Errorf("%s has the scope of %s", who, other)
					}
					scopes[p.Scope] = who
				}
			}
		}
	}
	key := make([]byte, 32)
	if scope(key, "ab", "c", "") == scope(key, "a", "bc", "") {
		t.Error("user and jti run together")
	}
	if scope(key, "a", "", "t1") == scope(key, "a", "", "t2") {
		t.Error("two tokens without jti share a scope")
	}
}
