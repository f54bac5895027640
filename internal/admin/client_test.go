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

func TestTheClientSaysWhatIsWrongAndTheCure(t *testing.T) {
	d := newDesk(t, func(all *Deps) { all.Explain = explainer(all.Tail) })
	gone := httptest.NewServer(nil)
	gone.Close()
	var followed bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer elsewhere.Close()
	redirects := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer redirects.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer other.Close()
	for name, c := range map[string]struct {
		config ClientConfig
		want   string
	}{
		"nobody listens":   {ClientConfig{URL: gone.URL}, "nobody answers"},
		"no token":         {ClientConfig{URL: d.url}, "401 Unauthorized"},
		"another host":     {ClientConfig{URL: d.url, Host: "ops.example", Token: secret}, "421"},
		"a redirect":       {ClientConfig{URL: redirects.URL, Token: secret}, "307"},
		"no address":       {ClientConfig{URL: "http://%"}, "can't be read"},
		"another program":  {ClientConfig{URL: other.URL}, "is not orgcast's"},
		"its own listener": {ClientConfig{URL: d.url + "/", Token: secret}, ""},
	} {
		client := NewClient(c.config)
		_, err := client.Explain(t.Context(), "o", "10.1.0", "the-user")
		tail := client.Tail(t.Context(), TailQuery{Organization: "o", After: "10.1.0"}, func(Line, []byte) error { return errStop })
		for _, err := range []error{err, tail} {
			switch {
			case c.want == "":
				if err != nil && !errors.Is(err, errStop) {
					t.Errorf("%s: %v", name, err)
				}
			case err == nil || !strings.Contains(err.Error(), c.want) || orgcast.Hint(err) == "":
				t.Errorf("%s: %v, %q", name, err, orgcast.Hint(err))
			case strings.Contains(err.Error(), "10.1.0") || strings.Contains(err.Error(), "the-user") || strings.Contains(err.Error(), secret):
				t.Errorf("%s: the error shows what was asked: %v", name, err)
			}
		}
		if errors.Is(err, ErrUnreachable) != (name == "nobody listens") {
			t.Errorf("%s: unreachable? %v", name, err)
		}
	}
	if followed {
		t.Error("the token was taken elsewhere")
	}
}

var errStop = errors.New("stop")

func TestATailThatIsCutIsAnErrorAndAnInterruptedOneIsTheInterruption(t *testing.T) {
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", tailType)
		_, _ = w.Write([]byte(`{"control":"begin","cursor":"10.1.0"}` + "\n" + `{"cursor":"10.2.0","ev`))
	}))
	defer cut.Close()
	lines := 0
	err := NewClient(ClientConfig{URL: cut.URL}).Tail(t.Context(), TailQuery{Organization: "o"}, func(Line, []byte) error { lines++; return nil })
	if err == nil || lines != 1 || !strings.Contains(orgcast.Hint(err), "--after") {
		t.Errorf("cut: %v after %d lines", err, lines)
	}
	d := newDesk(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	err = d.Tail(ctx, TailQuery{Organization: "o"}, func(Line, []byte) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
