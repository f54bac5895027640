package admin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/oikion/orgcast"
)

func TestOneOrganizationIsPurgedAtATime(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	d := newDesk(t, func(all *Deps) {
		all.Purge = func(_ context.Context, o orgcast.OrganizationID) (Purged, error) {
			if o == "slow" {
				close(begun)
				<-goOn
			}
			return Purged{Organization: o, Events: 7, Bytes: 70, Floor: "10.1.0"}, nil
		}
	})
	if p, err := d.Purge(t.Context(), "org_1"); err != nil || p != (Purged{"org_1", 7, 70, "10.1.0"}) {
		t.Fatalf("%+v, %v", p, err)
	}
	slow := make(chan error, 1)
	go func() {
		_, err := d.Purge(t.Context(), "slow")
		slow <- err
	}()
	<-begun
	if _, err := d.Purge(t.Context(), "org_2"); err == nil || !strings.Contains(err.Error(), "409") || orgcast.Hint(err) == "" {
		t.Errorf("a second one meanwhile: %v", err)
	}
	close(goOn)
	if err := <-slow; err != nil {
		t.Error(err)
	}
}

func TestAPurgeIsAskedForInOneWayOnly(t *testing.T) {
	var purged []orgcast.OrganizationID
	var fails error
	d := deps(nil)
	d.Purge = func(_ context.Context, o orgcast.OrganizationID) (Purged, error) {
		purged = append(purged, o)
		return Purged{}, fails
	}
	h := New(Config{Address: "127.0.0.1:4051", Token: secret}, d)
	right := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + secret}}
	ask := func(method, body string, header http.Header) int {
		r := httptest.NewRequest(method, "/api/realtime/purge", strings.NewReader(body))
		r.Host, r.Header = "localhost:4051", header
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	with := func(name, value string) http.Header {
		header := right.Clone()
		header.Set(name, value)
		return header
	}
	const one = `{"organizationId":"o"}`
	for _, c := range []struct {
		method, body string
		header       http.Header
		want         int
	}{
		{"GET", one, right, 405},
		{"POST", one, with("Origin", "http://localhost:4051"), 403},
		{"POST", one, with("Authorization", "Bearer x"), 401},
		{"POST", one, with("Content-Type", "text/plain"), 415},
		{"POST", `{}`, right, 400},
		{"POST", `{"organizationId":"*"}`, right, 400},
		{"POST", `{"organizationId":"` + strings.Repeat("x", 256) + `"}`, right, 400},
		{"POST", `{"organizationId":"o","userId":"u"}`, right, 400},
		{"POST", `[]`, right, 400},
	} {
		if got := ask(c.method, c.body, c.header); got != c.want || len(purged) > 0 {
			t.Errorf("%s %.60s: %d, want %d; purged %q", c.method, c.body, got, c.want, purged)
		}
	}
	for _, c := range []struct {
		fails error
		want  int
	}{{nil, 200}, {ErrNotYet, 503}, {errors.New("the disk"), 500}} {
		if fails = c.fails; ask("POST", one, right) != c.want {
			t.Errorf("%v: not %d", c.fails, c.want)
		}
	}
}
