package delivery

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/hub"
	"github.com/oikion/orgcast/internal/sse"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log is a log that read reads.
type log struct {
	read func(context.Context) error
}

func (l log) Read(ctx context.Context, _ orgcast.OrganizationID, _, _ orgcast.Cursor, _ func(*orgcast.Event) bool) error {
	return l.read(ctx)
}

func (l log) Floor() orgcast.Cursor { return orgcast.Position(1, 100) }

// members has one, who stays.
type members struct{}

var member = orgcast.Membership{Organization: "a", User: "u", Role: "AGENT"}

func (members) Membership(orgcast.UserID, orgcast.OrganizationID) (orgcast.Membership, bool) {
	return member, true
}

func (members) Session(orgcast.SessionID) (orgcast.Session, bool) { return orgcast.Session{}, false }

func (members) Name(orgcast.OrganizationID) string { return "Acme" }

// barrier is a function.
type barrier func(context.Context) error

func (b barrier) Wait(ctx context.Context) error { return b(ctx) }

func passed(context.Context) error { return nil }

// pipes is a listener whose connections are pipes in memory, which a bubble of
// testing/synctest can wait for.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// recorder keeps what is written, write by write.
type recorder struct {
	net.Conn
	mu     sync.Mutex
	writes [][]byte
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	r.writes = append(r.writes, bytes.Clone(b))
	r.mu.Unlock()
	return r.Conn.Write(b)
}

// fixture is a hub, a server whose every request is a stream of it, and one
// client.
type fixture struct {
	t       *testing.T
	hub     *hub.Hub
	handler *Handler
	conn    net.Conn // the client's end
	server  *recorder
	stream  *sse.Reader
	lsn     orgcast.LSN

	mu        sync.Mutex
	lost      []Lost
	wrote     int
	written   []hub.Stamp
	writtenAt []time.Time
	over      chan struct{} // the handler has returned
}

// connect opens a stream and reads as far as the headers.
func connect(t *testing.T, config hub.Config, b barrier, spec hub.Spec, l hub.Log) *fixture {
	f := &fixture{t: t, lsn: 100, over: make(chan struct{})}
	f.hub = hub.New(l, members{}, config)
	f.hub.Reset(1, f.lsn)
	f.hub.SetFeed(orgcast.FeedLive, time.Now())
	f.handler = &Handler{Barrier: b, Hooks: Hooks{
		Wrote: func(n int) { f.mu.Lock(); f.wrote += n; f.mu.Unlock() },
		Written: func(newest hub.Stamp) {
			f.mu.Lock()
			f.written, f.writtenAt = append(f.written, newest), append(f.writtenAt, time.Now())
			f.mu.Unlock()
		},
		Lost: func(reason Lost, _ error) { f.mu.Lock(); f.lost = append(f.lost, reason); f.mu.Unlock() },
	}}
	spec.User, spec.Organizations = "u", []orgcast.OrganizationID{"a"}
	if spec.ExpiresAt.IsZero() {
		spec.ExpiresAt = time.Now().Add(24 * time.Hour)
	}
	listener := &pipes{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(f.over)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Connection", "close")
		w.Header().Set("Transfer-Encoding", "identity")
		s := f.hub.Register(spec)
		defer s.Close()
		wake := make(chan struct{}, 1)
		s.Start([]orgcast.Membership{member}, time.Now(), func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		})
		f.handler.Serve(w, r, s, wake)
	})}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	ours, theirs := net.Pipe()
	f.conn, f.server = ours, &recorder{Conn: theirs}
	t.Cleanup(func() {
		ours.Close()
		server.Close()
		serving.Wait()
		<-f.over
		if n := f.hub.Streams(); n != 0 {
			t.Errorf("%d streams are left", n)
		}
	})
	listener.conns <- f.server
	if _, err := io.WriteString(ours, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(ours), nil)
	if err != nil {
		t.Fatal(err)
	}
	f.stream = sse.NewReader(answer.Body)
	return f
}

// next reads the next message: its type, with reason or state; "" is a position
// without data.
func (f *fixture) next() (string, error) {
	m, err := f.stream.Next()
	if err != nil || m.Data == nil {
		return "", err
	}
	var v struct{ Type, Reason, State string }
	if err := json.Unmarshal(m.Data, &v); err != nil {
		return "", err
	}
	return v.Type + v.Reason + v.State, nil
}

func (f *fixture) expect(want ...string) {
	f.t.Helper()
	for _, w := range want {
		if got, err := f.next(); err != nil || got != w {
			f.t.Fatalf("got %q %v, want %q", got, err, w)
		}
	}
}

// ends expects the end of the stream, and what it was counted as.
func (f *fixture) ends(lost ...Lost) {
	f.t.Helper()
	<-f.over
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(f.lost, lost) {
		f.t.Fatalf("lost %q, want %q", f.lost, lost)
	}
}

// dispatch hands out one event of about size bytes.
func (f *fixture) dispatch(size int) {
	e := f.event(size)
	f.hub.Dispatch(f.lsn+2, []orgcast.Event{e}, nil, nil, false)
}

// event makes the next event.
func (f *fixture) event(size int) orgcast.Event {
	f.lsn += 10
	c := orgcast.Cursor{Epoch: 1, LSN: f.lsn}
	frame := sse.AppendEventHead(nil, c, orgcast.DataSync, "a", 1, sse.SourcePostgres)
	frame = sse.AppendString(frame, string(bytes.Repeat([]byte{'x'}, size)))
	frame = sse.AppendEventTail(frame, false)
	return orgcast.Event{Cursor: c, Organization: "a", Type: orgcast.DataSync, Frame: frame}
}
