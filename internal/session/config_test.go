package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
)

func TestNamesAreLookedForInTheirOrder(t *testing.T) {
	for _, test := range []struct {
		config Config
		want   []string
	}{
		{Config{}, []string{"__Secure-authjs.session-token", "__Secure-next-auth.session-token", "authjs.session-token", "next-auth.session-token"}},
		{Config{Secure: SecureOnly}, []string{"__Secure-authjs.session-token", "__Secure-next-auth.session-token"}},
		{Config{Secure: SecureNever}, []string{"authjs.session-token", "next-auth.session-token"}},
		{Config{Scheme: AuthJS}, []string{"__Secure-authjs.session-token", "authjs.session-token"}},
		{Config{Scheme: NextAuth, Secure: SecureOnly}, []string{"__Secure-next-auth.session-token"}},
		{Config{Cookie: "acme.session", Secure: SecureOnly}, []string{"acme.session"}},
	} {
		test.config.Secrets = []string{"secret"}
		a, err := New(test.config)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Names(); !slices.Equal(got, test.want) {
			t.Errorf("%v: %q, want %q", test.config, got, test.want)
		}
	}
}

func TestConfigurationThatCannotWorkIsRefusedWithTheNextStep(t *testing.T) {
	const secret = "hunter2"
	one := []string{secret}
	for name, c := range map[string]Config{
		"no secret":       {},
		"empty secret":    {Secrets: []string{secret, ""}},
		"too many":        {Secrets: slices.Repeat(one, maxSecrets+1)},
		"database":        {Secrets: one, Scheme: AuthJSDatabase},
		"salted database": {Scheme: AuthJSDatabase, Table: rows{}, Salt: secret},
		"claimed":         {Scheme: AuthJSDatabase, Table: rows{}, UserClaim: "id"},
		"its cookie":      {Scheme: AuthJSDatabase, Table: rows{}, Cookie: "name=value"},
		"a table for JWT": {Secrets: one, Table: rows{}},
		"unknown scheme":  {Secrets: one, Scheme: "clerk"},
		"salt for v4":     {Secrets: one, Scheme: NextAuth, Salt: secret},
		"cookie's value":  {Secrets: one, Cookie: "name=value"},
		"cookie's chunk":  {Secrets: one, Cookie: "name.0"},
		"cookie too long": {Secrets: one, Cookie: strings.Repeat("n", 257)},
		"claim of time":   {Secrets: one, UserClaim: "exp"},
		"secure cookies":  {Secrets: one, Secure: 3},
	} {
		_, err := New(c)
		switch {
		case err == nil:
			t.Errorf("%s: accepted", name)
		case orgcast.Hint(err) == "":
			t.Errorf("%s: %v has no hint", name, err)
		case strings.Contains(err.Error()+orgcast.Hint(err), secret):
			t.Errorf("%s: %v shows a secret", name, err)
		}
		if errors.Is(err, ErrNoTable) != (name == "database") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPrintingAConfigurationShowsNoSecret(t *testing.T) {
	c := Config{Secrets: []string{"hunter2"}, Salt: "pepper"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, c); strings.Contains(text, "hunter2") || strings.Contains(text, "pepper") {
			t.Errorf("%s: %s", verb, text)
		}
	}
}
