package ear

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oikion/orgcast/internal/verify"
)

// Why an answer to a stream ended.
const (
	CutEnd     = "ended"   // in order, by the server
	CutBroken  = "broken"  // within the answer
	CutSilent  = "silent"  // nothing came for three heartbeats
	CutOwn     = "own"     // by the client, out of habit
	CutPut     = "put"     // by the client: its filters could not be changed
	CutStopped = "stopped" // the run is over
)

const prefix = "/api/realtime/"

// answer is what came for a request, with a connection of its own.
type answer struct {
	*http.Response
	conn net.Conn
	stop func() bool
}

func (a *answer) close() {
	a.stop()
	_ = a.conn.Close() // nothing is written any more
}

// call sends a request and reads the answer's head. asked, unless nil, is called
// when the connection is there and before a byte is written.
func (e *Ear) call(ctx context.Context, method, path string, query url.Values, header http.Header, body string, asked func()) (_ *answer, err error) {
	dialer := net.Dialer{Timeout: e.options.Patience}
	conn, err := dialer.DialContext(ctx, "tcp", e.options.Address())
	if asked != nil {
		asked()
	}
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok && e.kind == Slow && !e.isSettled() {
		if err := tcp.SetReadBuffer(4096); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	a := &answer{conn: conn, stop: context.AfterFunc(ctx, func() { _ = conn.Close() })}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if err := conn.SetDeadline(time.Now().Add(e.options.Patience)); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+e.options.Address()+prefix+path+"?"+query.Encode(), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Cookie", e.options.Cookie)
	if err := r.Write(conn); err != nil {
		return nil, err
	}
	a.Response, err = http.ReadResponse(bufio.NewReader(conn), r)
	return a, err
}

// refused records an answer that is none, or not the wanted one, and closes it.
// before is said before its reason.
func (e *Ear) refused(a *answer, err error, before string) outcome {
	n := verify.Entry{What: verify.Refused}
	o := outcome{what: refused}
	if err != nil {
		n.Reason = before + err.Error()
		e.say(false, n.Reason)
		e.add(n)
		return o
	}
	defer a.close()
	text, err := io.ReadAll(io.LimitReader(a.Body, 300))
	n.Status, n.Reason = a.StatusCode, before+strings.TrimSpace(string(text))
	if err != nil {
		n.Status, n.Reason = 0, before+"the answer breaks off: "+err.Error()
	}
	o.status = n.Status
	e.say(false, fmt.Sprintf("refused with %d: %s", n.Status, n.Reason))
	e.add(n)
	return o
}

// query are the parameters that all calls have.
func (e *Ear) query(f *verify.Filter) url.Values {
	q := url.Values{"organizationId": e.options.Record.Organizations}
	if f != nil {
		if f.Channels != nil {
			q["channel"] = f.Channels
		}
		if f.Types != nil {
			q["type"] = f.Types
		}
	}
	return q
}
