package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// process is one run of the program.
type process struct {
	cmd  *exec.Cmd
	out  *output
	done chan struct{} // closed when it has ended and was waited for
}

// output gathers what a process writes, on both of its streams.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// spawn starts the program with exactly these variables, and ends it with the
// test.
func spawn(t testing.TB, environ map[string]string, stdin io.Reader, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program(t), args...), out: &output{}, done: make(chan struct{})}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, p.out, p.out
	p.cmd.SysProcAttr = dieWithUs()
	p.cmd.Env = []string{"HOME=" + t.TempDir()}
	for name, value := range environ {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	started := make(chan error, 1)
	go func() {
		// The parent-death signal is that of the thread.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in ProcessState
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %v: %v", args, err)
	}
	t.Cleanup(func() {
		p.kill(t)
		p.harmless(t, environ)
		if t.Failed() {
			t.Logf("output of orgcast %s, pid %d:\n%s", strings.Join(args, " "), p.cmd.Process.Pid, last(p.out.String(), 6000))
		}
	})
	return p
}

func last(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// secretNames are the variables whose value must not be in any output.
var secretNames = []string{"AUTH_SECRET", "NEXTAUTH_SECRET", "ORGCAST_AUTH_SECRETS", "ORGCAST_ADMIN_TOKEN", "ORGCAST_SEAL_SECRET"}

// harmless looks through what the process wrote: for races, panics and secrets.
func (p *process) harmless(t testing.TB, environ map[string]string) {
	t.Helper()
	text := p.out.String()
	for _, bad := range []string{"DATA RACE", "panic:", "handler panicked", "fatal error:"} {
		if i := strings.Index(text, bad); i >= 0 {
			t.Errorf("the process wrote %q:\n%.3000s", bad, text[i:])
		}
	}
	for name, value := range environ {
		var secrets []string
		for _, n := range secretNames {
			if n == name {
				secrets = append(secrets, value)
			}
		}
		if strings.HasSuffix(name, "_URL") || strings.HasSuffix(name, "_UNPOOLED") {
			if _, rest, ok := strings.Cut(value, "://"); ok {
				if user, _, ok := strings.Cut(rest, "@"); ok {
					if _, password, ok := strings.Cut(user, ":"); ok {
						secrets = append(secrets, password)
					}
				}
			}
		}
		for _, s := range secrets {
			if len(s) >= 8 && strings.Contains(text, s) {
				t.Errorf("the process wrote the secret of %s", name)
			}
		}
	}
}

func (p *process) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal pid %d: %v", p.cmd.Process.Pid, err)
	}
}

// kill is kill -9, and waits.
func (p *process) kill(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	<-p.done
}

// terminate asks the process to end.
func (p *process) terminate(t testing.TB) { t.Helper(); p.signal(t, syscall.SIGTERM) }

// exit waits for the end and returns the exit status.
func (p *process) exit(t testing.TB, d time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-within(t, d).Done():
		t.Fatalf("the process has not ended in %v; it wrote:\n%s", d, last(p.out.String(), 3000))
		return -1
	}
}

// run runs the program to its end.
func run(t testing.TB, environ map[string]string, stdin string, args ...string) (status int, text string) {
	t.Helper()
	p := spawn(t, environ, strings.NewReader(stdin), args...)
	status = p.exit(t, time.Minute)
	return status, p.out.String()
}

// freeAddress is an address below the ports that connections are given: a client
// that tries again and again while nobody listens would else be given the very
// port, and connect to itself. None is given twice.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20000+nextPort.Add(1)%10000)
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no free port between 20000 and 30000")
	return ""
}

// listen listens on a free address until the test ends.
func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// nextPort begins anywhere: other runs may go on beside this one.
var nextPort = func() *atomic.Uint32 {
	var n atomic.Uint32
	n.Store(rand.Uint32N(10000))
	return &n
}()

// instance is one configuration of the server, and its run at the moment.
type instance struct {
	*process
	environ       map[string]string
	address, oper string // what browsers and the operator connect to
	started       time.Time
}

// serve starts a server with a data directory of its own. over are variables
// that are set besides, or instead.
func serve(t testing.TB, environ map[string]string, over map[string]string) *instance {
	t.Helper()
	s := &instance{environ: maps.Clone(environ), address: freeAddress(t), oper: freeAddress(t)}
	s.environ["ORGCAST_LISTEN"], s.environ["ORGCAST_ADMIN_LISTEN"] = s.address, s.oper
	s.environ["ORGCAST_DATA_DIR"] = filepath.Join(t.TempDir(), "data")
	maps.Copy(s.environ, over)
	s.start(t)
	return s
}

// start starts the server, again.
func (s *instance) start(t testing.TB) {
	t.Helper()
	s.process = spawn(t, s.environ, nil, "serve")
	s.started = time.Now()
}

// readiness is what the operator is told: "" if the feed is fresh.
func (s *instance) readiness(t testing.TB) string {
	t.Helper()
	select {
	case <-s.done:
		return fmt.Sprintf("the process has ended with status %d", s.cmd.ProcessState.ExitCode())
	default:
	}
	status, body, err := get("http://" + s.oper + "/readyz")
	switch {
	case err != nil:
		return err.Error()
	case status == http.StatusOK:
		return ""
	case body == "":
		return fmt.Sprint("status ", status)
	}
	return body
}

// ready waits until the feed is fresh.
func (s *instance) ready(t testing.TB) time.Duration {
	t.Helper()
	until(t, time.Minute, func() string { return s.readiness(t) })
	return time.Since(s.started)
}

// get is a GET on a connection of its own.
func get(url string) (status int, body string, err error) {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	return r.StatusCode, string(text), err
}

// do sends a request on a connection of its own and returns the answer's body.
func do(r *http.Request) (body string, err error) {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}
