package session

import (
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"
)

// TestOpenAgreesWithTheJOSELibrary alters tokens at random: of those that pass the
// gate, the key opens what the library as a whole opens, to the same text, and
// nothing else.
func TestOpenAgreesWithTheJOSELibrary(t *testing.T) {
	a, err := New(Config{Secrets: []string{"new secret", "old secret"}, Secure: SecureOnly})
	if err != nil {
		t.Fatal(err)
	}
	var keys keyring
	for _, ring := range a.keys {
		keys = append(keys, ring...)
	}
	opened, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		k := keys[rapid.IntRange(0, len(keys)-1).Draw(t, "key")]
		token, err := k.seal("sub", Grant{User: "u", IssuedAt: noon, Lifetime: time.Hour, Claims: map[string]any{
			"pad": strings.Repeat("p", rapid.IntRange(0, 100).Draw(t, "pad")),
		}})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(token, k.header+".") {
			t.Fatalf("the usual header is %s, that of the token %.200s", k.header, token)
		}
		altered := []byte(token)
		const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
		for range rapid.IntRange(0, 2).Draw(t, "alterations") {
			altered[rapid.IntRange(0, len(altered)-1).Draw(t, "at")] = letters[rapid.IntRange(0, len(letters)-1).Draw(t, "letter")]
		}
		token = string(altered)
		s, reason := gate(token, a.usual)
		if plain, _ := gate(token, nil); plain != s {
			t.Fatalf("read as %+v, and as %+v without the usual headers", s, plain)
		}
		if reason != "" || s.enc != k.enc {
			refused++
			return
		}
		got, reason := k.open(&s)
		jwe, err := jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256CBC_HS512, jose.A256GCM})
		if err != nil {
			t.Fatalf("the library can't read what passed the gate: %v", err)
		}
		want, err := jwe.Decrypt(k.bytes)
		if (reason == "") != (err == nil) || string(got) != string(want) {
			t.Fatalf("opened to %q %q, by the library to %q %v", got, reason, want, err)
		}
		if err == nil {
			opened++
		} else {
			refused++
		}
	})
	if opened == 0 || refused == 0 {
		t.Errorf("%d were opened, %d refused: the test tells nothing", opened, refused)
	}
}
