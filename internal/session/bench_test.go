package session

import (
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

func BenchmarkAuthenticate(b *testing.B) {
	a, err := New(Config{Secrets: []string{"new secret", "old secret"}, Secure: SecureOnly})
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name   string
		scheme Scheme
		pad    int
	}{{"authjs", AuthJS, 0}, {"nextauth", NextAuth, 0}, {"authjs-chunks-13KB", AuthJS, 9_500}} {
		header, err := a.Mint(Grant{User: "clx0usr0000000000000000001", Scheme: bench.scheme, IssuedAt: noon, Lifetime: time.Hour,
			Claims: map[string]any{"name": "Alice Example", "email": "alice@example.com", "picture": nil, "pad": strings.Repeat("p", bench.pad)}})
		if err != nil {
			b.Fatal(err)
		}
		lines := []string{"theme=dark; locale=el; " + header}
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Authenticate(lines, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// oneRow is a table of sessions.
type oneRow struct {
	id      orgcast.SessionID
	session orgcast.Session
}

func (r *oneRow) Session(id orgcast.SessionID) (orgcast.Session, bool) {
	return r.session, id == r.id
}

func BenchmarkAuthenticateDatabase(b *testing.B) {
	a := databaseAuthenticator(b, &oneRow{orgcast.NameSession([]byte(uuid)), orgcast.Session{User: "clx0usr0000000000000000001", ExpiresAt: noon.Add(time.Hour)}},
		Config{Secure: SecureOnly})
	lines := []string{"theme=dark; locale=el; __Secure-authjs.session-token=" + uuid}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(lines, noon); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRefuse is the price of what an attacker can send at will.
func BenchmarkRefuse(b *testing.B) {
	a, err := New(Config{Secrets: []string{"secret"}})
	if err != nil {
		b.Fatal(err)
	}
	other, err := New(Config{Secrets: []string{"another"}})
	if err != nil {
		b.Fatal(err)
	}
	mint := func(s Scheme) string {
		header, err := other.Mint(Grant{User: orgcast.UserID("u"), Scheme: s, IssuedAt: noon, Lifetime: time.Hour,
			Claims: map[string]any{"pad": strings.Repeat("p", 24_000)}})
		if err != nil {
			b.Fatal(err)
		}
		return header
	}
	for name, header := range map[string]string{
		"unknown-key-32KB": mint(AuthJS),
		"tampered-32KB":    mint(NextAuth),
		"oversize":         "authjs.session-token=" + strings.Repeat("A", 40<<10),
		"absent":           strings.Repeat("a=b; ", 100),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Authenticate([]string{header}, noon); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}
