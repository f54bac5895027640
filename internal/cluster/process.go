package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oikion/orgcast"
)

// errExited means that the server ended before it answered.
var errExited = errors.New("server ended before it answered")

// answerInterval is how often a starting server is asked for its first answer.
const answerInterval = 20 * time.Millisecond

// process is one run of the postmaster.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; valid after done
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// spawn starts the postmaster. The goroutine that forks it is locked to its
// thread until the server ends: Linux sends the parent-death signal when the
// forking *thread* ends, not the process.
func (c *Cluster) spawn() (*process, error) {
	log, err := os.OpenFile(c.LogFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open server log: %w", err)
	}
	cmd := c.command("postgres", "-D", c.data())
	cmd.SysProcAttr = serverAttr(c.user)
	cmd.Stdout = log
	if c.options.Output != nil {
		cmd.Stdout = io.MultiWriter(log, c.options.Output)
	}
	cmd.Stderr = cmd.Stdout
	// An orphaned backend may hold the log pipe open after the postmaster.
	cmd.WaitDelay = 5 * time.Second

	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
		log.Close()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	return p, nil
}

// command is a server binary, run as the server's user in a clean environment:
// a PGDATA or PGOPTIONS of the operator must not reach it.
func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + c.bin + string(os.PathListSeparator) + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	return cmd
}

// Start starts the server again, on the same port and data, and returns when
// it answers. A running server is left alone.
func (c *Cluster) Start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc != nil && !c.proc.ended() {
		return nil
	}
	p, err := c.spawn()
	if err != nil {
		return err
	}
	c.proc = p
	if err := c.awaitAnswer(ctx, p); err != nil {
		return errors.Join(err, c.stop(context.Background(), syscall.SIGQUIT))
	}
	return nil
}

func (c *Cluster) awaitAnswer(ctx context.Context, p *process) error {
	tick := time.NewTicker(answerInterval)
	defer tick.Stop()
	// Whoever else holds the port may never answer: the server's end ends the
	// attempt too.
	attempt, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.done:
			cancel()
		case <-attempt.Done():
		}
	}()
	var last error
	for {
		conn, err := pgconn.Connect(attempt, c.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		last = err
		select {
		case <-p.done:
			return orgcast.WithHint("start server", fmt.Errorf("%w: %s", errExited, c.logTail()), "read "+c.LogFile())
		case <-ctx.Done():
			return fmt.Errorf("await server's first answer: %w: %w", ctx.Err(), last)
		case <-tick.C:
		}
	}
}

// logTail is the end of the server's log: its directory may be gone when the
// error is read.
func (c *Cluster) logTail() string {
	const limit = 600
	text, err := os.ReadFile(c.LogFile())
	if err != nil {
		return "no log"
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-limit):]))
}

// Stop ends the server and waits for it: "smart" lets clients finish, "fast"
// rolls them back and writes a checkpoint, "immediate" is a crash, recovered
// from at the next Start. A stopped server is left alone. When ctx ends first
// the server may still be on its way down.
func (c *Cluster) Stop(ctx context.Context, mode string) error {
	var signal os.Signal
	switch mode {
	case "smart":
		signal = syscall.SIGTERM
	case "fast":
		signal = syscall.SIGINT
	case "immediate":
		signal = syscall.SIGQUIT
	default:
		return fmt.Errorf("stop server: unknown mode %q: smart, fast or immediate", mode)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stop(ctx, signal)
}

// stop is Stop under c.mu. How a signalled server exits is no error: an
// immediate stop always exits non-zero.
func (c *Cluster) stop(ctx context.Context, signal os.Signal) error {
	if c.proc == nil || c.proc.ended() {
		return nil
	}
	if err := c.proc.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop server: %w", err)
	}
	select {
	case <-c.proc.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop server: %w", ctx.Err())
	}
}
