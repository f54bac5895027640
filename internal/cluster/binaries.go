package cluster

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/oikion/orgcast"
)

// binariesEnv names the directory of initdb and postgres, and wins over the
// search.
const binariesEnv = "ORGCAST_PG_BIN"

// findBinaries returns the directory that holds initdb and postgres. Debian
// keeps them off the PATH, so the PATH alone is not enough.
func findBinaries() (string, error) {
	if dir := os.Getenv(binariesEnv); dir != "" {
		if hasBinaries(dir) {
			return dir, nil
		}
		return "", orgcast.WithHint("find PostgreSQL", errors.New(binariesEnv+" names a directory without initdb and postgres"),
			"set "+binariesEnv+" to the directory of the server's binaries, or unset it")
	}
	for _, dir := range candidates() {
		if hasBinaries(dir) {
			return dir, nil
		}
	}
	return "", orgcast.WithHint("find PostgreSQL", errors.New("no initdb and postgres on this machine"),
		"install the server (Debian and Ubuntu: apt-get install postgresql; macOS: brew install postgresql@17), or set "+binariesEnv)
}

// candidates lists where the binaries may be, best first.
func candidates() []string {
	var dirs []string
	if path, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
		dirs = append(dirs, filepath.Dir(path))
	}
	dirs = append(dirs, newestFirst("/usr/lib/postgresql/*/bin")...)
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
	} {
		dirs = append(dirs, newestFirst(pattern)...)
	}
	return append(dirs, "/opt/homebrew/bin", "/usr/local/pgsql/bin", "/usr/local/bin")
}

// newestFirst lists the directories of pattern by the version in their parent's
// name, as a number: 9.6 must not come before 17.
func newestFirst(pattern string) []string {
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		return nil // only a malformed pattern, and ours are constants
	}
	slices.SortFunc(dirs, func(a, b string) int {
		va, vb := version(a), version(b)
		switch {
		case va > vb:
			return -1
		case va < vb:
			return 1
		}
		return strings.Compare(a, b)
	})
	return dirs
}

func version(bindir string) float64 {
	name := filepath.Base(filepath.Dir(bindir))
	name = name[strings.LastIndexAny(name, "@-")+1:]
	v, err := strconv.ParseFloat(name, 64)
	if err != nil {
		return 0
	}
	return v
}

func hasBinaries(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}
