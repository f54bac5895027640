package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/oikion/orgcast/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// binary is the one that all tests run. It lies in the cluster's directory,
// which goes after the last test.
var binary struct {
	once sync.Once
	path string
	err  error
}

// program builds it once, with the race detector: a race in the server
// is then an exit status and a report in its output.
func program(t testing.TB) string {
	t.Helper()
	dir := pgtest.Cluster(t).Dir()
	binary.once.Do(func() {
		binary.path = filepath.Join(dir, "orgcast")
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		build := exec.CommandContext(ctx, "go", "build", "-race", "-o", binary.path, "github.com/oikion/orgcast/cmd/orgcast")
		build.Env = append(os.Environ(), "CGO_ENABLED=1")
		if out, err := build.CombinedOutput(); err != nil {
			binary.err = fmt.Errorf("build orgcast: %w\n%s", err, out)
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

// within is the test's context with a deadline.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// pause waits, and tells whether ctx is still good.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// until asks again and again until the answer is "", which is what is still
// missing.
func until(t testing.TB, d time.Duration, missing func() string) {
	t.Helper()
	ctx := within(t, d)
	for {
		what := missing()
		if what == "" {
			return
		}
		if !pause(ctx, 10*time.Millisecond) {
			t.Fatalf("after %v still: %s", d, what)
		}
	}
}
