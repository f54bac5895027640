package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// withBody is the request with its header lines of the body in place of its own.
func withBody(a *ask, head, body string) string {
	a.body = ""
	return strings.Replace(a.String(), "\r\n\r\n", "\r\n"+head+"\r\n\r\n"+body, 1)
}

// Who says that a gigabyte will come is answered before it does.
func TestABodyThatSaysItIsTooLargeIsNotRead(t *testing.T) {
	for _, good := range []func() *ask{goodFilter, goodPublish, goodClose, goodPage} {
		for _, expect := range []string{"", "\r\nExpect: 100-continue"} {
			synctest.Test(t, func(t *testing.T) {
				w := newWholeWorld()
				p := newPipes()
				serveUntilEnd(t, w.server(), p)
				c := p.dial()
				defer c.Close()
				if _, err := io.WriteString(c, withBody(good(), "Content-Length: 1073741824"+expect, "")); err != nil {
					t.Fatal(err)
				}
				got, took := closedAfter(c)
				if !strings.HasPrefix(got, "HTTP/1.1 413 ") || !strings.Contains(got, "\r\nConnection: close\r\n") || took > 2*linger {
					t.Errorf("%s: got %q, cut after %s", good().method, got, took)
				}
			})
		}
	}
}

// Who does not say it is cut at the bound, and what is read of it is bounded too.
func TestABodyThatGoesOnForEverIsCutAtTheBound(t *testing.T) {
	for _, c := range []struct {
		good func() *ask
		most int
	}{{goodFilter, maxFilterBody}, {goodPublish, maxPublishBody}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWholeWorld()
			p := newPipes()
			serveUntilEnd(t, w.server(), p)
			conn := p.dial()
			defer conn.Close()
			sent := make(chan int, 1)
			go func() {
				n := 0
				_, err := io.WriteString(conn, withBody(c.good(), "Transfer-Encoding: chunked", ""))
				for chunk := fmt.Sprintf("400\r\n%s\r\n", strings.Repeat(" ", 1024)); err == nil; n += 1024 {
					_, err = io.WriteString(conn, chunk)
				}
				sent <- n
			}()
			got, took := closedAfter(conn)
			if !strings.HasPrefix(got, "HTTP/1.1 413 ") || took > 2*linger {
				t.Errorf("got %.300q, cut after %s", got, took)
			}
			// net/http throws away up to 256 KiB more when the handler has returned.
			if n := <-sent; n < c.most || n > c.most+lingerBytes+256<<10+16<<10 {
				t.Errorf("%d bytes were read", n)
			}
			for _, call := range w.calls() {
				if call == "publish" || call == "set filter" {
					t.Errorf("%s was called", call)
				}
			}
		})
	}
}

func TestASlowBodyIsCutInTime(t *testing.T) {
	for _, good := range []func() *ask{goodFilter, goodPublish} {
		for _, pause := range []time.Duration{time.Hour, time.Second} { // silent, and a byte now and then
			synctest.Test(t, func(t *testing.T) {
				w := newWholeWorld()
				p := newPipes()
				serveUntilEnd(t, w.server(), p)
				c := p.dial()
				defer c.Close()
				if _, err := io.WriteString(c, withBody(good(), "Content-Length: 1000", "{")); err != nil {
					t.Fatal(err)
				}
				done := make(chan struct{})
				defer func() { <-done }()
				go func() {
					defer close(done)
					for range 15 {
						time.Sleep(pause)
						if _, err := io.WriteString(c, " "); err != nil {
							return
						}
					}
				}()
				got, took := closedAfter(c)
				if !strings.HasPrefix(got, "HTTP/1.1 408 Request Timeout\r\n") || took < bodyTimeout || took > bodyTimeout+2*linger {
					t.Errorf("got %q, cut after %s", got, took)
				}
			})
		}
	}
}

func TestABodyThatBreaksOffIsNoBody(t *testing.T) {
	for _, good := range []func() *ask{goodFilter, goodPublish} {
		w := newWholeWorld()
		raw := withBody(good(), "Transfer-Encoding: chunked", "2\r\n{}\r\nnonsense\r\n")
		got := send(t, listen(t, w.server()), raw)
		if !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.HasSuffix(got, "\r\n\r\nMalformed body: not received whole") {
			t.Errorf("got %q", got)
		}
	}
}

// What follows a body that was refused is never taken for a request.
func TestAWantedOrUnwantedBodyIsNeverARequest(t *testing.T) {
	const smuggled = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, good := range []func() *ask{goodClose, goodFilter, goodPublish, goodPage} {
		w := newWholeWorld()
		a := good()
		a.header["Content-Type"] = []string{"text/plain"}
		a.header.Del("Connection")
		a.body = smuggled
		got := send(t, listen(t, w.server()), a.String())
		if strings.Count(got, "HTTP/1.1 ") != 1 || !strings.HasPrefix(got, "HTTP/1.1 4") {
			t.Errorf("%s: got %q", a.method, got)
		}
	}
}

func TestOnlyJSONInUTF8IsJSON(t *testing.T) {
	for kind, want := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, "application/json;charset=\"UTF-8\"": true, "Application/JSON": true,
		"": false, "text/plain": false, "text/json": false, "application/x-www-form-urlencoded": false, "multipart/form-data": false,
		"application/json; charset=latin1": false, "application/jsonp": false, "application/problem+json": false,
		"application/json, text/plain": false, "text/plain; application/json": false, "application/json;": true, "application/json; x": false,
	} {
		if got := isJSON(http.Header{"Content-Type": {kind}}); got != want {
			t.Errorf("%q: got %v", kind, got)
		}
	}
	if isJSON(http.Header{}) || isJSON(http.Header{"Content-Type": {"application/json", "application/json"}}) ||
		isJSON(http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}) {
		t.Error("none, two or a coded one is taken")
	}
}
