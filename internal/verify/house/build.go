//go:build linux

package house

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Build is how the program is built.
type Build struct {
	Race bool
	Tags string
}

// Make builds the program into dir. It is the program as it is, but for one thing:
// its wall clock is that of the machine and what a file says besides (SetClock), so
// that it can be stepped. Nobody may step the machine's.
func Make(ctx context.Context, dir string, b Build) (binary string, err error) {
	root, err := goOutput(ctx, "env", "GOROOT")
	if err != nil {
		return "", err
	}
	source := filepath.Join(root, "src", "time", "time.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	const before = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	stepped := bytes.Replace(text, []byte(before), []byte(before+"\tsec += verifySteps()\n"), 1)
	if bytes.Equal(stepped, text) {
		return "", fmt.Errorf("%s has no Now as it is known here: the clock can't be stepped", source)
	}
	overlay := map[string]map[string]string{"Replace": {
		source: filepath.Join(dir, "time.go"),
		filepath.Join(root, "src", "time", "verify.go"): filepath.Join(dir, "verify.go"),
	}}
	list, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	for name, content := range map[string][]byte{"time.go": stepped, "verify.go": []byte(stepsOfFile), "overlay.json": list} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return "", err
		}
	}
	binary = filepath.Join(dir, "orgcast")
	args := []string{"build", "-overlay", filepath.Join(dir, "overlay.json"), "-trimpath", "-o", binary}
	environ := append(os.Environ(), "CGO_ENABLED=0")
	if b.Race {
		args, environ = append(args, "-race"), append(os.Environ(), "CGO_ENABLED=1")
	}
	if b.Tags != "" {
		args = append(args, "-tags", b.Tags)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "github.com/oikion/orgcast/cmd/orgcast")...)
	cmd.Env = environ
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build orgcast: %w: %s", err, out)
	}
	return binary, nil
}

// stepsOfFile is the file that package time has besides: the steps are eight bytes
// of a file that is mapped into memory.
const stepsOfFile = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var verifyPage *int64

func init() {
	path, ok := syscall.Getenv("VERIFY_CLOCK")
	if !ok {
		return
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	page, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err == nil {
		verifyPage = (*int64)(unsafe.Pointer(&page[0]))
	}
}

func verifySteps() int64 {
	if verifyPage == nil {
		return 0
	}
	return atomic.LoadInt64(verifyPage)
}
`

func goOutput(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", args...).Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// clockFile is where the server's clock is stepped.
func (h *House) clockFile() string { return filepath.Join(h.options.Dir, "clock") }

// SetClock makes the server's wall clock that of the machine and d, from now on.
func (h *House) SetClock(d time.Duration) error { return setClock(h.clockFile(), d) }

func setClock(path string, d time.Duration) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600) // the same file: it is mapped
	if err != nil {
		return err
	}
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], uint64(int64(d/time.Second)))
	_, err = f.WriteAt(b[:], 0)
	return errors.Join(err, f.Close())
}

// Variant writes a rule file that is the preset without the table media_assets, and
// returns its path.
func (h *House) Variant(ctx context.Context) (string, error) {
	root, err := goOutput(ctx, "list", "-m", "-f", "{{.Dir}}", "github.com/oikion/orgcast")
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(root, "internal", "route", "preset", "oikion.yaml"))
	if err != nil {
		return "", err
	}
	before, rest, ok := strings.Cut(string(text), "\n  media_assets:\n")
	_, after, end := strings.Cut(rest, "\n\n")
	if !ok || !end {
		return "", errors.New("the preset has no media_assets")
	}
	path := filepath.Join(h.options.Dir, "variant.yaml")
	return path, os.WriteFile(path, []byte(before+"\n"+after), 0o600)
}
