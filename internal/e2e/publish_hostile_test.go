package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// raw posts a body that is written by whatever writes it, under any headers.
func (s *instance) raw(t testing.TB, headers string, write func(w io.Writer)) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "POST /api/realtime/events HTTP/1.1\r\nHost: "+s.address+"\r\n"+headers+"\r\n"); err != nil {
		t.Fatal(err)
	}
	var writer sync.WaitGroup
	writer.Go(func() { write(conn) })
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	writer.Wait()
	return answer.StatusCode, string(text)
}

// memory is what the process has had in memory at most, in bytes.
func (s *instance) memory(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// TestAHostileBodyIsAnsweredAndCostsNothing: what no client sends, with a good
// key. Nothing of it reaches the database.
func TestAHostileBodyIsAnsweredAndCostsNothing(t *testing.T) {
	h := settled(t, 1)
	s := serve(t, h.environ, nil)
	s.ready(t)
	bearer, _ := s.key(t, "--organization", "org_1")
	good := notification(1, "hostile")
	const asJSON = "Content-Type: application/json\r\n"
	for name, c := range map[string]struct {
		headers, body string
		status        int
		says          string
	}{
		"a member twice":            {asJSON, `{"type":"notification.new",` + good[1:], 400, "has a member twice"},
		"a member twice, deeper":    {asJSON, strings.Replace(good, `"title"`, `"userId":"user_2","title"`, 1), 400, "has a member twice"},
		"an unknown member":         {asJSON, `{"id":"x",` + good[1:], 400, "has a member that is none of"},
		"a member in another case":  {asJSON, strings.Replace(good, `"type"`, `"Type"`, 1), 400, "has a member that is none of"},
		"text behind":               {asJSON, good + "x", 400, "is followed by more text"},
		"a second event behind":     {asJSON, good + good, 400, "is followed by more text"},
		"text behind an array":      {asJSON, "[" + good + "]x", 400, "is followed by more text"},
		"UTF-16":                    {asJSON, "\xff\xfe{\x00}\x00", 400, "is not JSON"},
		"no UTF-8":                  {asJSON, strings.Replace(good, "hostile", "\xff", 1), 400, "is not JSON in UTF-8"},
		"a charset":                 {"Content-Type: application/json; charset=latin1\r\n", good, 415, "application/json"},
		"compressed":                {asJSON + "Content-Encoding: gzip\r\n", good, 415, "application/json"},
		"a form":                    {"Content-Type: application/x-www-form-urlencoded\r\n", good, 415, "application/json"},
		"no type":                   {"", good, 415, "application/json"},
		"nothing":                   {asJSON, " ", 400, "is empty"},
		"nested, an event":          {asJSON, strings.Replace(good, `"category"`, `"metadata":`+strings.Repeat(`{"a":`, 20000)+"1"+strings.Repeat("}", 20000)+`,"category"`, 1), 400, "is nested deeper"},
		"nested, nothing but":       {asJSON, strings.Repeat("[", 200000), 400, "is not JSON"},
		"an array of 101":           {asJSON, "[" + strings.Repeat("{},", 100) + "{}]", 400, "has more than 100 events"},
		"an empty array":            {asJSON, "[]", 400, "has no event"},
		"null":                      {asJSON, "null", 400, "must be an object"},
		"a number too long":         {asJSON, strings.Replace(good, `"category"`, `"metadata":{"n":1`+strings.Repeat("0", 40<<10)+`},"category"`, 1), 400, "must be an object of at most"},
		"more than is taken":        {asJSON, strings.Repeat(" ", 256<<10) + good, 413, "262144 bytes"},
		"an Idempotency-Key twice":  {asJSON + "Idempotency-Key: a\r\nIdempotency-Key: b\r\n", good, 400, "Idempotency-Key"},
		"an Idempotency-Key, empty": {asJSON + "Idempotency-Key: \r\n", good, 400, "Idempotency-Key"},
	} {
		headers := "Authorization: Bearer " + bearer + "\r\n" + c.headers + fmt.Sprintf("Content-Length: %d\r\n", len(c.body))
		status, text := s.raw(t, headers, func(w io.Writer) { _, _ = io.WriteString(w, c.body) }) // it may not be read to its end
		if status != c.status || !strings.Contains(text, c.says) || strings.Contains(text, "hostile") {
			t.Errorf("%s: status %d %.300s, want %d %q", name, status, text, c.status, c.says)
		}
		if c.status == 400 && strings.HasPrefix(text, "[") {
			var list []struct {
				Index          *int
				Field, Problem *string
			}
			if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) == 0 || list[0].Index == nil || list[0].Field == nil || list[0].Problem == nil {
				t.Errorf("%s: %s is no list of problems: %v", name, text, err)
			}
		}
	}
	t.Run("a gigabyte", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Log("the memory of another process is not read here")
			return
		}
		before := s.memory(t)
		chunk := bytes.Repeat([]byte("[{\"a\":"), 10000)
		for _, headers := range []string{"Content-Length: 1073741824\r\n", "Transfer-Encoding: chunked\r\n"} {
			status, text := s.raw(t, "Authorization: Bearer "+bearer+"\r\n"+asJSON+headers, func(w io.Writer) {
				for sent := 0; sent < 1<<30; sent += len(chunk) {
					if strings.HasPrefix(headers, "T") {
						if _, err := fmt.Fprintf(w, "%x\r\n%s\r\n", len(chunk), chunk); err != nil {
							return
						}
					} else if _, err := w.Write(chunk); err != nil {
						return // cut
					}
				}
				t.Error("all of it was read")
			})
			if status != http.StatusRequestEntityTooLarge || !strings.Contains(text, "262144") {
				t.Errorf("%s: status %d %s", headers, status, text)
			}
		}
		if more := s.memory(t) - before; more > 64<<20 {
			t.Errorf("it took %d MB", more>>20)
		}
	})
	if n := s.counted(t, `publish_calls_total{outcome="published"}`); n != 0 {
		t.Errorf("%d were published", n)
	}
}

// TestPublishedOnceThroughKills: application servers that post with an
// Idempotency-Key until they are answered, while the server is killed. Each event
// is heard once, at the cursor of every answer.
func TestPublishedOnceThroughKills(t *testing.T) {
	h := settled(t, 1)
	s := serve(t, h.environ, nil)
	s.ready(t)
	bearer, _ := s.key(t, "--organization", "org_1")
	reader := &client{name: "reader", address: s.address, cookie: h.cookie(t, "user_1"), user: "user_1", organizations: []string{"org_1"}, app: true}
	ctx, cancel := context.WithCancel(within(t, 3*time.Minute))
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() { reader.run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })

	var mu sync.Mutex
	answers := map[string][]string{} // by Idempotency-Key
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("%d.%d", w, i)
				body := "[" + notification(1, key) + strings.Repeat(","+notification(1, key), rand.IntN(9)) + "]"
				for again := 0; again < 2 && ctx.Err() == nil; {
					once, end := context.WithTimeout(ctx, 5*time.Second)
					status, text, err := s.post(once, bearer, key, body)
					end()
					if err != nil || status == 503 || status == 504 {
						pause(ctx, 20*time.Millisecond)
						continue
					}
					var answer struct{ Cursors []string }
					if status != 202 || json.Unmarshal([]byte(text), &answer) != nil || len(answer.Cursors) != strings.Count(body, "notification.new") {
						t.Errorf("status %d %s", status, text)
						return
					}
					mu.Lock()
					if was, ok := answers[key]; ok {
						if fmt.Sprint(was) != fmt.Sprint(answer.Cursors) {
							t.Errorf("%s was at %v and is at %v", key, was, answer.Cursors)
						}
					}
					answers[key] = answer.Cursors
					mu.Unlock()
					again++
				}
			}
		})
	}
	for range 4 {
		pause(ctx, time.Duration(200+rand.IntN(800))*time.Millisecond)
		s.kill(t)
		s.start(t)
		s.ready(t)
	}
	pause(ctx, 500*time.Millisecond)
	close(stop)
	writers.Wait()
	want := map[string]bool{}
	for _, cursors := range answers {
		for _, c := range cursors {
			if want[c] {
				t.Errorf("two events are at %s", c)
			}
			want[c] = true
		}
	}
	heard := func() int { reader.mu.Lock(); defer reader.mu.Unlock(); return len(reader.history) }
	until(t, time.Minute, func() string {
		if n := heard(); n < len(want) {
			return fmt.Sprintf("%d of %d events were heard", n, len(want))
		}
		return ""
	})
	cancel()
	running.Wait()
	for _, m := range reader.history {
		if !want[m.ID] {
			t.Errorf("heard at %s what no answer knows", m.ID)
		}
		delete(want, m.ID)
	}
	for _, what := range reader.broken {
		t.Error(what)
	}
	t.Logf("%d requests, %d events", len(answers), len(reader.history))
	if len(want) > 0 || len(answers) < 8 {
		t.Errorf("%d were never heard; %d requests", len(want), len(answers))
	}
}
