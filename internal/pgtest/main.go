package pgtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/examples/oikion"
	"github.com/oikion/orgcast/internal/cluster"
)

// shared is the test binary's one cluster.
var shared struct {
	once     sync.Once
	inMain   bool
	settings map[string]string
	cluster  *cluster.Cluster
	err      error
}

// Option changes what [Main] does.
type Option func(*options)

type options struct {
	settings map[string]string
	leaks    []goleak.Option
}

// WithSetting sets a server setting of the shared cluster.
func WithSetting(name, value string) Option {
	return func(o *options) { o.settings[name] = value }
}

// WithLeak passes an option to goleak: what to ignore.
func WithLeak(leak goleak.Option) Option {
	return func(o *options) { o.leaks = append(o.leaks, leak) }
}

// Main is a package's TestMain. It runs the tests, stops the shared cluster if
// a test started it, looks for leaked goroutines, and exits.
func Main(m *testing.M, opts ...Option) {
	o := options{settings: map[string]string{}}
	for _, opt := range opts {
		opt(&o)
	}
	shared.inMain = true
	shared.settings = maps.Clone(o.settings)
	code := m.Run()
	if err := closeShared(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = max(code, 1)
	}
	// After a failed test its goroutines say nothing new.
	if code == 0 {
		if err := goleak.Find(o.leaks...); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest: leaked goroutines:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func closeShared() error {
	if shared.cluster == nil {
		return nil
	}
	return errors.Join(leftovers(context.Background(), shared.cluster), shared.cluster.Close())
}

// Cluster is the test binary's shared cluster. A test that stops it must start
// it again, and must not be parallel.
func Cluster(t testing.TB) *cluster.Cluster {
	t.Helper()
	if !shared.inMain {
		t.Fatal("pgtest: the package's TestMain must be pgtest.Main")
	}
	shared.once.Do(func() {
		shared.cluster, shared.err = cluster.Start(context.Background(), cluster.Options{Settings: shared.settings})
	})
	if shared.err != nil {
		t.Fatalf("pgtest: %v (%s)", shared.err, orgcast.Hint(shared.err))
	}
	return shared.cluster
}

// Own is a cluster of one test's own, which may stop, freeze and configure it while
// others run. It ends with the test.
func Own(t testing.TB, settings map[string]string) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(context.Background(), cluster.Options{Settings: settings})
	if err != nil {
		t.Fatalf("pgtest: %v (%s)", err, orgcast.Hint(err))
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("pgtest: close cluster: %v", err)
		}
	})
	return c
}

// OikionSchema is the first application's schema, for [Database].
func OikionSchema() string { return oikion.Schema }
