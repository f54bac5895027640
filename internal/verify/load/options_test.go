package load

import (
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
)

func good() Options {
	return Options{Organizations: 3, Users: 9, Clock: func() int64 { return 0 }}
}

func TestOptionsAreLookedAt(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"no organization":        func(o *Options) { o.Organizations = 0 },
		"no user":                func(o *Options) { o.Users = 0 },
		"no clock":               func(o *Options) { o.Clock = nil },
		"an unknown kind":        func(o *Options) { o.Weights = map[string]int{"nonsense": 1} },
		"a negative weight":      func(o *Options) { o.Weights = map[string]int{"big": -1} },
		"a stranger in Churn":    func(o *Options) { o.Churn = []string{"user_99"} },
		"no such one in Doomed":  func(o *Options) { o.Doomed = []string{"org_99"} },
		"nothing but statements": func(o *Options) { o.Weights = map[string]int{}; only(o, "ddl.alone") },
	} {
		o := good()
		if _, err := New(o); err != nil {
			t.Fatal(err)
		}
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func only(o *Options, name string) {
	for _, k := range kinds {
		if k.name != name {
			o.Weights[k.name] = 0
		}
	}
}

// TestNobodyLeavesWithoutChurn: without users or organizations for it, the kinds
// that need them have no weight, whatever is asked.
func TestNobodyLeavesWithoutChurn(t *testing.T) {
	o := good()
	o.Weights = map[string]int{"members.leave": 5, "organizations.doom": 5}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, k := range l.kinds {
		if (k.churn || k.doom) && k.weight > 0 {
			t.Errorf("%s has weight %d", k.name, k.weight)
		}
		sum += k.weight
	}
	if sum != l.weight {
		t.Errorf("the sum of the weights is %d, not %d", sum, l.weight)
	}
}

// TestTheRateIsKept, and what was missed is not made up for.
func TestTheRateIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := good()
		o.Rate, o.Limit = 50, 1100
		l, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for range 500 {
			if !l.begin(t.Context()) {
				t.Fatal("it did not begin")
			}
			l.end()
		}
		if d := time.Since(start); d < 9900*time.Millisecond || d > 10100*time.Millisecond {
			t.Errorf("500 transactions at 50 a second took %v", d)
		}
		time.Sleep(time.Minute)
		start = time.Now()
		for range 500 {
			l.begin(t.Context())
			l.end()
		}
		if d := time.Since(start); d < 9900*time.Millisecond {
			t.Errorf("after a minute away 500 transactions took %v", d)
		}
		for range 100 {
			l.begin(t.Context())
		}
		if l.begin(t.Context()) {
			t.Error("more than the limit")
		}
	})
}

func TestErrorsAreJudged(t *testing.T) {
	for _, c := range []struct {
		err     error
		verdict verdict
		unknown int64
	}{
		{&pgconn.PgError{Code: "40P01"}, ordinary, 0},
		{&pgconn.PgError{Code: "23505"}, ordinary, 0},
		{&pgconn.PgError{Code: "55P03"}, ordinary, 0},
		{errUnwanted, ordinary, 0},
		{&pgconn.PgError{Code: "57P01"}, lost, 0},
		{&pgconn.PgError{Code: "57P03"}, lost, 0},
		{&pgconn.PgError{Code: "25006"}, lost, 0},
		{&unknownError{errors.New("broken pipe")}, lost, 1},
		{&unknownError{&pgconn.PgError{Code: "40001"}}, ordinary, 0},
		{errors.New("connection refused"), lost, 0},
		{&pgconn.PgError{Code: "42601"}, wrong, 0},
		{&pgconn.PgError{Code: "42501"}, wrong, 0},
		{&pgconn.PgError{Code: "25P02"}, wrong, 0},
		{&pgconn.PgError{Code: "08P01"}, wrong, 0},
		{&pgconn.PgError{Code: "22P02"}, wrong, 0},
	} {
		s := newStats()
		if got := s.failed(c.err); got != c.verdict || s.s.Unknown != c.unknown {
			t.Errorf("%v: verdict %v, unknown %d", c.err, got, s.s.Unknown)
		}
	}
}

// TestNoTextIsNearTheBound: a long text is either far below 64 KiB, twice, or above.
func TestNoTextIsNearTheBound(t *testing.T) {
	w := &writer{r: rand.New(rand.NewPCG(1, 1))}
	above := 0
	for range 3000 {
		if n := len(w.long()); n > 9_020 && n < 70_000 || n < 2500 {
			t.Errorf("a long text of %d bytes", n)
		} else if n > 70_000 {
			above++
		}
		if s := w.text(); !utf8.ValidString(s) || len(s) > 400 {
			t.Errorf("text %q", s)
		}
	}
	if above == 0 {
		t.Error("none is above")
	}
}
