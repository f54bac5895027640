package app

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/publish"
	"github.com/oikion/orgcast/internal/session"
)

// family is one metric of the registry.
type family struct {
	kind   string              // COUNTER, GAUGE, HISTOGRAM or SUMMARY
	labels map[string][]string // the values that are there, by label
}

// bothEnds are the labels that Prometheus puts on everything that it scrapes.
var bothEnds = []string{"job", "instance"}

// exported are the metrics of the house as it is built to serve, with every label
// that they can have.
func exported(t *testing.T) map[string]family {
	t.Helper()
	dir := t.TempDir()
	c, err := config.Load(map[string]string{"ORGCAST_DATABASE_URL": "postgresql://u:p@127.0.0.1:1/app", "ORGCAST_DATA_DIR": dir})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(c, session.Config{Scheme: session.AuthJS, Secrets: []string{strings.Repeat("s", 32)}}, slog.New(slog.DiscardHandler), "test")
	if err != nil {
		t.Fatal(err)
	}
	h := a.build(&publish.Secret{}, func(error) { t.Error("it died") })
	// The one whose labels nobody knows beforehand.
	a.metrics.Route(nil).ColumnMissing("public.properties", "price")
	if h.source.Fresh() == nil {
		t.Error("it is fresh, and there is no database")
	}
	return gather(t, a.metrics.Registry)
}

func gather(t *testing.T, g prometheus.Gatherer) map[string]family {
	t.Helper()
	all, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	families := map[string]family{}
	for _, f := range all {
		one := family{kind: f.GetType().String(), labels: map[string][]string{}}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if v := l.GetValue(); !slices.Contains(one.labels[l.GetName()], v) {
					one.labels[l.GetName()] = append(one.labels[l.GetName()], v)
				}
			}
		}
		families[f.GetName()] = one
	}
	return families
}

// find finds the family of a name in an expression, and what of it is named.
func find(families map[string]family, name string) (f family, part string, err error) {
	if name == "up" { // Prometheus's own
		return family{kind: "GAUGE"}, "", nil
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count", ""} {
		base, ok := strings.CutSuffix(name, suffix)
		if !ok {
			continue
		}
		f, there := families[base]
		if there && (suffix == "" || f.kind == "HISTOGRAM") {
			if suffix == "" && f.kind == "HISTOGRAM" {
				return f, "", errors.New(name + " is a histogram: say _bucket, _sum or _count")
			}
			return f, suffix, nil
		}
	}
	return f, "", errors.New(name + " is not exported")
}
