package session

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oikion/orgcast"
)

// vector is one of testdata/vectors/vectors.json, which generate.mjs beside it
// makes with the real libraries.
type vector struct {
	Name   string `json:"name"`
	Config struct {
		Scheme    Scheme   `json:"scheme"`
		Cookie    string   `json:"cookie"`
		Secure    string   `json:"secure"`
		Secrets   []string `json:"secrets"`
		Salt      string   `json:"salt"`
		UserClaim string   `json:"userClaim"`
	} `json:"config"`
	Cookies []string  `json:"cookies"`
	At      time.Time `json:"at"`
	Expect  struct {
		Valid     bool           `json:"valid"`
		Scheme    string         `json:"scheme"`
		UserID    orgcast.UserID `json:"userId"`
		ExpiresAt time.Time      `json:"expiresAt"`
		Reason    Reason         `json:"reason"`
	} `json:"expect"`
	// App is whether the application's own library accepts it.
	App bool `json:"app"`
}

func (v vector) authenticator(t testing.TB) *Authenticator {
	t.Helper()
	c := Config{
		Scheme: v.Config.Scheme, Cookie: v.Config.Cookie, Secrets: v.Config.Secrets,
		Salt: v.Config.Salt, UserClaim: v.Config.UserClaim,
	}
	switch v.Config.Secure {
	case "only":
		c.Secure = SecureOnly
	case "never":
		c.Secure = SecureNever
	case "":
	default:
		t.Fatalf("vector %q: secure %q", v.Name, v.Config.Secure)
	}
	a, err := New(c)
	if err != nil {
		t.Fatalf("vector %q: %v", v.Name, err)
	}
	return a
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	var vs []vector
	if err := d.Decode(&vs); err != nil {
		t.Fatal(err)
	}
	return vs
}

// reasonOf is the reason of the refusal that err must be.
func reasonOf(t interface {
	Helper()
	Fatalf(string, ...any)
}, err error) Reason {
	t.Helper()
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		t.Fatalf("error %v (%T) is no refusal", err, err)
	}
	return refusal.Reason
}

func TestCookiesOfTheRealLibrariesReadAsTheyAreMeant(t *testing.T) {
	vs := readVectors(t)
	if len(vs) < 180 {
		t.Fatalf("%d vectors, want 180 or more", len(vs))
	}
	seen := map[Reason]bool{}
	for _, v := range vs {
		t.Run(v.Name, func(t *testing.T) {
			got, err := v.authenticator(t).Authenticate(v.Cookies, v.At)
			if !v.Expect.Valid {
				if err == nil {
					t.Fatalf("accepted as %+v, want refused as %s", got, v.Expect.Reason)
				}
				reason := reasonOf(t, err)
				seen[reason] = true
				if reason != v.Expect.Reason {
					t.Errorf("reason %s, want %s", reason, v.Expect.Reason)
				}
				if got != (orgcast.Principal{}) {
					t.Errorf("principal %+v beside a refusal", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.User != v.Expect.UserID || got.Scheme != v.Expect.Scheme || !got.ExpiresAt.Equal(v.Expect.ExpiresAt) {
				t.Errorf("got %s %q until %v, want %s %q until %v", got.Scheme, got.User, got.ExpiresAt,
					v.Expect.Scheme, v.Expect.UserID, v.Expect.ExpiresAt)
			}
			if len(got.Scope) != 22 {
				t.Errorf("scope of %d characters", len(got.Scope))
			}
		})
	}
	// Those of the database strategy are in its own test.
	seen[UnknownSession], seen[SessionExpired] = true, true
	for _, r := range Reasons() {
		if !seen[r] {
			t.Errorf("no vector is refused as %s", r)
		}
	}
}

// The two exceptions are Auth.js joining cookies of similar names to the token.
func TestNothingIsAcceptedThatTheApplicationRefuses(t *testing.T) {
	exceptions := []string{
		"v5, numbers with a leading zero are no chunks",
		"v5, similar names are not joined",
	}
	for _, v := range readVectors(t) {
		_, err := v.authenticator(t).Authenticate(v.Cookies, v.At)
		if err == nil && !v.App && !slices.Contains(exceptions, v.Name) {
			t.Errorf("%s: accepted here, refused by the application", v.Name)
		}
	}
}

func TestNoRefusalShowsSecretOrToken(t *testing.T) {
	for _, v := range readVectors(t) {
		_, err := v.authenticator(t).Authenticate(v.Cookies, v.At)
		if err == nil {
			continue
		}
		if want := "read session: " + string(v.Expect.Reason); err.Error() != want {
			t.Errorf("%s: error %q, want %q", v.Name, err, want)
		}
	}
}
