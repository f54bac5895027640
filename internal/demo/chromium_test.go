package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"
)

// chromium is a browser of the test's own, driven over the pipe of its DevTools
// protocol: JSON texts, each with a NUL behind it.
type chromium struct {
	cmd  *exec.Cmd
	in   *os.File
	done chan struct{} // closed when the pipe is at its end

	mu       sync.Mutex
	next     int
	calls    map[int]chan cdpReply
	complain map[string][]string // session -> what went wrong in the page
}

type cdpReply struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// browsers are the names that Chromium goes by.
var browsers = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"}

func findChromium(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("ORGCAST_CHROMIUM"); path != "" {
		return path
	}
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("Chromium is missing: install it (scripts/deps.sh does on Debian and Ubuntu), or set ORGCAST_CHROMIUM to the program")
	return ""
}

// startChromium starts a browser with a profile of its own and ends it with the
// test.
func startChromium(t testing.TB) *chromium {
	t.Helper()
	theirIn, ourIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ourOut, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--headless=new", "--remote-debugging-pipe", "--user-data-dir=" + t.TempDir(), "--disable-gpu", "--disable-quic", "--no-first-run", "--no-default-browser-check",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage", "--no-proxy-server",
		"--password-store=basic", "--use-mock-keychain", "--hide-scrollbars",
		// Windows that are not in front are to be as quick as those that are.
		"--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
	}
	if runtime.GOOS == "linux" && os.Geteuid() == 0 {
		args = append(args, "--no-sandbox") // it has none for root
	}
	c := &chromium{cmd: exec.Command(findChromium(t), args...), in: ourIn, done: make(chan struct{}), calls: map[int]chan cdpReply{}, complain: map[string][]string{}}
	var log bytes.Buffer
	c.cmd.Stdout, c.cmd.Stderr = &log, &log
	c.cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	if err := c.cmd.Start(); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	if err := errors.Join(theirIn.Close(), theirOut.Close()); err != nil {
		t.Fatal(err)
	}
	go c.read(ourOut)
	t.Cleanup(func() {
		// A browser that has lost its pipe ends.
		_ = ourIn.Close()
		timer := time.AfterFunc(20*time.Second, func() { _ = c.cmd.Process.Kill() })
		err := c.cmd.Wait()
		timer.Stop()
		<-c.done
		_ = ourOut.Close()
		if t.Failed() {
			t.Logf("chromium: %v\n%.2000s", err, log.String())
		}
	})
	return c
}

func (c *chromium) read(r io.Reader) {
	defer close(c.done)
	lines := bufio.NewReader(r)
	for {
		text, err := lines.ReadBytes(0)
		if err != nil {
			return // the browser is gone: who waits sees done
		}
		var m struct {
			ID        int
			SessionID string
			Method    string
			Params    json.RawMessage
			cdpReply
		}
		if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
			panic(fmt.Sprintf("chromium says %.200q: %v", text, err))
		}
		c.mu.Lock()
		switch {
		case m.ID != 0:
			c.calls[m.ID] <- m.cdpReply
			delete(c.calls, m.ID)
		case m.Method == "Runtime.exceptionThrown", m.Method == "Log.entryAdded" && complains(m.Params):
			c.complain[m.SessionID] = append(c.complain[m.SessionID], fmt.Sprintf("%.600s", m.Params))
		}
		c.mu.Unlock()
	}
}

// complains tells whether a log entry is the page's fault. An answer other than
// 200 is none.
func complains(params json.RawMessage) bool {
	var p struct {
		Entry struct{ Source, Level string }
	}
	return json.Unmarshal(params, &p) != nil || p.Entry.Level == "error" && p.Entry.Source != "network"
}

// call calls a method of the protocol; an empty session is the browser's own.
func (c *chromium) call(ctx context.Context, session, method string, params, result any) error {
	answer := make(chan cdpReply, 1)
	c.mu.Lock()
	c.next++
	id := c.next
	c.calls[id] = answer
	text, err := json.Marshal(struct {
		ID        int    `json:"id"`
		SessionID string `json:"sessionId,omitempty"`
		Method    string `json:"method"`
		Params    any    `json:"params,omitempty"`
	}{id, session, method, params})
	if err == nil {
		_, err = c.in.Write(append(text, 0))
	}
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	case <-c.done:
		return fmt.Errorf("%s: chromium is gone", method)
	case r := <-answer:
		if r.Error != nil {
			return fmt.Errorf("%s: %s", method, r.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(r.Result, result)
	}
}
