package eventlog_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/oikion/orgcast/internal/eventlog"
	"github.com/oikion/orgcast/internal/eventlog/eventlogtest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killChildEnv); dir != "" {
		runKillChild(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func TestLogKeepsItsPromisesInMemory(t *testing.T) {
	eventlogtest.Run(t, func(*testing.T) eventlogtest.Opener {
		fs := vfs.NewMem()
		return func(hooks eventlog.Hooks) (*eventlog.Log, error) {
			return eventlog.Open("log", eventlog.Options{FS: fs, Hooks: hooks})
		}
	})
}

func TestLogKeepsItsPromisesOnDisk(t *testing.T) {
	eventlogtest.Run(t, func(t *testing.T) eventlogtest.Opener {
		dir := filepath.Join(t.TempDir(), "data", "log")
		return func(hooks eventlog.Hooks) (*eventlog.Log, error) {
			return eventlog.Open(dir, eventlog.Options{Hooks: hooks})
		}
	})
}
