package session

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// rows is a table of sessions, by token.
type rows map[string]orgcast.Session

func (r rows) Session(id orgcast.SessionID) (orgcast.Session, bool) {
	for token, s := range r {
		if orgcast.NameSession([]byte(token)) == id {
			return s, true
		}
	}
	return orgcast.Session{}, false
}

const uuid = "0a2c8f1e-7f3b-4f1c-9f0a-3a52c6f6d0b7"

func databaseAuthenticator(t testing.TB, table Table, c Config) *Authenticator {
	t.Helper()
	c.Scheme, c.Table = AuthJSDatabase, table
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestADatabaseSessionIsFoundByItsCookie(t *testing.T) {
	now := time.Date(2025, 11, 23, 12, 0, 0, 0, time.UTC)
	odd := "a+b%c é"
	table := rows{
		uuid:                  {User: "u1", ExpiresAt: now.Add(time.Hour)},
		odd:                   {User: "u2", ExpiresAt: now},
		"over":                {User: "u3", ExpiresAt: now.Add(-time.Microsecond)},
		"control":             {User: "u\n", ExpiresAt: now.Add(time.Hour)},
		uuid[:10]:             {User: "u4", ExpiresAt: now.Add(time.Hour)},
		strings.ToUpper(uuid): {User: "u5", ExpiresAt: now.Add(time.Hour)},
	}
	const secure, plain = "__Secure-authjs.session-token=", "authjs.session-token="
	jwt := strings.TrimPrefix(mustMint(t), plain)
	for name, test := range map[string]struct {
		cookies []string
		want    any // user or reason
	}{
		"v5":                         {[]string{secure + uuid}, orgcast.UserID("u1")},
		"v5, http":                   {[]string{plain + uuid}, orgcast.UserID("u1")},
		"v4":                         {[]string{"__Secure-next-auth.session-token=" + uuid}, orgcast.UserID("u1")},
		"v4, http":                   {[]string{"next-auth.session-token=" + uuid}, orgcast.UserID("u1")},
		"among others":               {[]string{"theme=dark; " + secure + uuid + "; authjs.csrf-token=x", "a=b"}, orgcast.UserID("u1")},
		"the secure name first":      {[]string{plain + "over; " + secure + uuid}, orgcast.UserID("u1")},
		"and never the plain then":   {[]string{plain + uuid + "; " + secure + "nothing"}, UnknownSession},
		"the first of two":           {[]string{secure + uuid + "; " + secure + "nothing"}, orgcast.UserID("u1")},
		"not the second":             {[]string{secure + "nothing; " + secure + uuid}, UnknownSession},
		"of two lines the first":     {[]string{secure + "nothing", secure + uuid}, UnknownSession},
		"percent-encoded":            {[]string{secure + "a+b%25c%20%C3%A9"}, orgcast.UserID("u2")},
		"an end that is now":         {[]string{secure + "a%2Bb%25c%20%C3%A9"}, orgcast.UserID("u2")},
		"bad percent-encoding":       {[]string{secure + "a%zz"}, Malformed},
		"the whole in other letters": {[]string{secure + strings.ToUpper(uuid)}, orgcast.UserID("u5")},
		"a part of it":               {[]string{secure + uuid[:10]}, orgcast.UserID("u4")},
		"more than it":               {[]string{secure + uuid + "0"}, UnknownSession},
		"quoted":                     {[]string{secure + `"` + uuid + `"`}, UnknownSession},
		"in chunks":                  {[]string{secure[:len(secure)-1] + ".1=" + uuid[10:] + "; " + secure[:len(secure)-1] + ".0=" + uuid[:10]}, orgcast.UserID("u1")},
		"a hole in the chunks":       {[]string{secure[:len(secure)-1] + ".1=" + uuid}, BadChunks},
		"expired":                    {[]string{secure + "over"}, SessionExpired},
		"no user that could be":      {[]string{secure + "control"}, NoUser},
		"nothing":                    {nil, Absent},
		"an empty one":               {[]string{secure}, Absent},
		"another cookie":             {[]string{"session=" + uuid}, Absent},
		"a similar name":             {[]string{"x" + secure + uuid + "; __Secure-authjs.session-token-x=" + uuid}, Absent},
		"a NUL":                      {[]string{secure + uuid + "%00"}, Malformed},
		"no UTF-8":                   {[]string{secure + "%ff"}, Malformed},
		"too long":                   {[]string{secure + strings.Repeat("a", maxSessionToken+1)}, Oversize},
		"a token that seals itself":  {[]string{plain + jwt}, UnknownSession},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := databaseAuthenticator(t, table, Config{}).Authenticate(test.cookies, now)
			refusal, refused := errors.AsType[*Refusal](err)
			switch want := test.want.(type) {
			case orgcast.UserID:
				if err != nil || p.User != want {
					t.Fatalf("got %+v, %v", p, err)
				}
				if p.Scheme != "authjs-database" || p.Session.IsZero() || len(p.Scope) != 22 || p.ExpiresAt.Before(now) {
					t.Errorf("got %+v", p)
				}
			case Reason:
				if !refused || refusal.Reason != want || p != (orgcast.Principal{}) {
					t.Fatalf("got %+v, %v, want %s", p, err, want)
				}
				later := want == UnknownSession || want == SessionExpired
				if errors.Is(err, orgcast.ErrUnknownSession) != later {
					t.Errorf("%v: perhaps later is %v", err, !later)
				}
				if strings.Contains(err.Error(), uuid) {
					t.Errorf("%v shows the token", err)
				}
			}
		})
	}
}

// mustMint is a good session of the JWT strategy.
func mustMint(t *testing.T) string {
	t.Helper()
	a, err := New(Config{Scheme: AuthJS, Secure: SecureNever, Secrets: []string{"secret"}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Mint(Grant{User: "u", IssuedAt: time.Now(), Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheDatabasesCookieNamesAreThoseOfBothVersions(t *testing.T) {
	for _, test := range []struct {
		config Config
		want   []string
	}{
		{Config{}, []string{"__Secure-authjs.session-token", "__Secure-next-auth.session-token", "authjs.session-token", "next-auth.session-token"}},
		{Config{Secure: SecureOnly}, []string{"__Secure-authjs.session-token", "__Secure-next-auth.session-token"}},
		{Config{Cookie: "sid"}, []string{"sid"}},
	} {
		if got := databaseAuthenticator(t, rows{}, test.config).Names(); !slices.Equal(got, test.want) {
			t.Errorf("%v: %q, want %q", test.config, got, test.want)
		}
	}
}

// A row is no session to who was not told to look at rows.
func TestTheJWTSchemesTakeNoDatabaseSession(t *testing.T) {
	for _, scheme := range []Scheme{Auto, AuthJS} {
		a, err := New(Config{Scheme: scheme, Secrets: []string{"secret"}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Authenticate([]string{"__Secure-authjs.session-token=" + uuid}, time.Now())
		if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Reason != Malformed || errors.Is(err, orgcast.ErrUnknownSession) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

// What a page keys by the scope survives an extension, and is nobody else's.
func TestTheScopeOfADatabaseSessionStaysAndTellsNothing(t *testing.T) {
	now := time.Now()
	table := rows{uuid: {User: "u", ExpiresAt: now.Add(time.Hour)}, "other": {User: "u", ExpiresAt: now.Add(time.Hour)}}
	a := databaseAuthenticator(t, table, Config{})
	scopeOf := func(token string) (string, orgcast.SessionID) {
		p, err := a.Authenticate([]string{"authjs.session-token=" + token}, now)
		if err != nil {
			t.Fatal(err)
		}
		return p.Scope, p.Session
	}
	before, id := scopeOf(uuid)
	table[uuid] = orgcast.Session{User: "u", ExpiresAt: now.Add(2 * time.Hour)}
	if after, _ := scopeOf(uuid); after != before {
		t.Error("an extension changes the scope")
	}
	if other, _ := scopeOf("other"); other == before {
		t.Error("two sessions share a scope")
	}
	if p := databaseScope(string(id[:])); p == before || strings.Contains(before, uuid[:4]) {
		t.Error("the scope can be told from the session's name")
	}
}

func TestMintingADatabaseSessionIsRefused(t *testing.T) {
	_, err := databaseAuthenticator(t, rows{}, Config{}).Mint(Grant{User: "u", IssuedAt: time.Now(), Lifetime: time.Hour})
	if err == nil {
		t.Error("minted")
	}
}

func FuzzDatabaseCookie(f *testing.F) {
	f.Add("authjs.session-token=" + uuid)
	f.Add("authjs.session-token=%00")
	f.Add("authjs.session-token.0=a; authjs.session-token.1=b")
	now := time.Now()
	a := databaseAuthenticator(f, rows{uuid: {User: "u", ExpiresAt: now.Add(time.Hour)}}, Config{})
	f.Fuzz(func(t *testing.T, cookie string) {
		p, err := a.Authenticate([]string{cookie}, now)
		if (err == nil) != (p.User == "u") {
			t.Fatalf("%+v, %v", p, err)
		}
		if err == nil && p.Session != orgcast.NameSession([]byte(uuid)) {
			t.Fatalf("%q is taken for the session", cookie)
		}
	})
}
