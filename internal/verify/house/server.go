//go:build linux

package house

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"github.com/oikion/orgcast/internal/verify"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Server is `orgcast serve`, one process after another.
type Server struct {
	binary, operator, log string
	environ               func() map[string]string

	cmd    *exec.Cmd
	done   chan struct{}
	killed bool
	starts int
}

// Start starts it, unless it runs. It ends with us.
func (s *Server) Start() error {
	if s.cmd != nil && s.Runs() {
		return nil
	}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	s.starts++
	s.killed = false
	fmt.Fprintf(log, "---- start %d\n", s.starts)
	cmd, done := exec.Command(s.binary, "serve"), make(chan struct{})
	cmd.Env, cmd.Stdout, cmd.Stderr = pairs(s.environ()), log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		// The parent-death signal is that of the thread.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in ProcessState
		}
		_ = log.Close()
		close(done)
	}()
	if err := <-started; err != nil {
		return err
	}
	s.cmd, s.done = cmd, done
	return nil
}

// Runs says whether the process is there.
func (s *Server) Runs() bool {
	if s.done == nil {
		return false
	}
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// Pid is the process's.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Signal sends a signal to the process.
func (s *Server) Signal(signal syscall.Signal) error {
	if !s.Runs() {
		return nil
	}
	if err := s.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Kill is kill -9, and waits.
func (s *Server) Kill() error {
	if s.cmd == nil {
		return nil
	}
	s.killed = true
	if err := s.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-s.done
	return nil
}

// Terminate asks it to end, waits, and kills what has not ended in time.
func (s *Server) Terminate(ctx context.Context, in time.Duration) error {
	if err := s.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, in)
	defer cancel()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("the server has not ended %v after SIGTERM", in), s.Kill())
	}
}

// Ready waits until the feed is fresh. A process that ended by itself is started
// again, as a supervisor would, and counted.
func (s *Server) Ready(ctx context.Context, in time.Duration) (ended int, err error) {
	ctx, cancel := context.WithTimeout(ctx, in)
	defer cancel()
	last := "nothing was asked"
	for {
		if !s.Runs() {
			ended++
			last = "the process has ended: " + s.Tail(400)
			if err := s.Start(); err != nil {
				return ended, err
			}
		}
		var ok bool
		if ok, last = s.ask(ctx, last); ok {
			return ended, nil
		}
		if err := verify.Pause(ctx, 50*time.Millisecond); err != nil {
			return ended, fmt.Errorf("not ready after %v: %s", in, last)
		}
	}
}

func (s *Server) ask(ctx context.Context, before string) (ok bool, says string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.operator+"/readyz", nil)
	if err != nil {
		return false, err.Error()
	}
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return false, before
		}
		return false, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1000))
	if err != nil {
		return false, err.Error()
	}
	return answer.StatusCode == http.StatusOK, strings.TrimSpace(string(text))
}

// Readiness is what the operator is told now: "" if the feed is fresh.
func (s *Server) Readiness(ctx context.Context) string {
	ok, says := s.ask(ctx, "")
	if ok {
		return ""
	}
	return says
}

// Metrics are all lines that /metrics has with a value other than 0.
func (s *Server) Metrics(ctx context.Context) ([]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.operator+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' && !strings.HasSuffix(line, " 0") {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// Tail is the end of what it wrote.
func (s *Server) Tail(n int) string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-n):])
}

// Harm looks through all that it wrote for what no program may write.
func (s *Server) Harm() []string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return []string{err.Error()}
	}
	var harm []string
	for _, bad := range []string{"DATA RACE", "panic:", "handler panicked", "fatal error:"} {
		if i := bytes.Index(text, []byte(bad)); i >= 0 {
			harm = append(harm, string(text[i:min(len(text), i+2000)]))
		}
	}
	return harm
}

// Starts is how often it was started.
func (s *Server) Starts() int { return s.starts }
