package replication

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/oikion/orgcast"
)

// handlerFuncs is a handler of two functions, either of which may be nil.
type handlerFuncs struct {
	frame     func(orgcast.LSN, []byte) error
	keepalive func(orgcast.LSN, bool) error
}

func (h handlerFuncs) Frame(start orgcast.LSN, frame []byte) error {
	if h.frame == nil {
		return nil
	}
	return h.frame(start, frame)
}

func (h handlerFuncs) Keepalive(end orgcast.LSN, reply bool) error {
	if h.keepalive == nil {
		return nil
	}
	return h.keepalive(end, reply)
}

// sent is one message that a fake server got.
type sent struct {
	at        time.Time
	kind      byte
	confirmed orgcast.LSN
	reply     bool
}

// fakeServer is the far end of a stream.
type fakeServer struct {
	net.Conn
	got chan sent   // closed with the connection
	out chan []byte // the pipe has no buffer, as a socket would
}

func (f *fakeServer) speak() {
	for b := range f.out {
		if _, err := f.Write(b); err != nil {
			return
		}
	}
}

// listen reads what the client sends. Its statuses must confirm one position.
func (f *fakeServer) listen(t *testing.T, answer func(sent)) {
	defer close(f.got)
	defer close(f.out)
	for {
		header := make([]byte, 5)
		if _, err := io.ReadFull(f, header); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
		if _, err := io.ReadFull(f, body); err != nil {
			return
		}
		m := sent{at: time.Now(), kind: header[0]}
		if header[0] == 'd' {
			m.confirmed = orgcast.LSN(binary.BigEndian.Uint64(body[1:]))
			m.reply = body[33] == 1
			if body[0] != 'r' || binary.BigEndian.Uint64(body[9:]) != uint64(m.confirmed) || binary.BigEndian.Uint64(body[17:]) != uint64(m.confirmed) {
				t.Errorf("status %x confirms more than one position", body)
			}
		}
		f.got <- m
		if answer != nil {
			answer(m)
		}
	}
}

func message(t testing.TB, m pgproto3.BackendMessage) []byte {
	b, err := m.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// send sends one CopyData message.
func (f *fakeServer) send(t testing.TB, data []byte) {
	f.out <- message(t, &pgproto3.CopyData{Data: data})
}

// fakeStream makes a stream and its far end, on an in-memory connection.
func fakeStream(t *testing.T, start orgcast.LSN, confirm func() orgcast.LSN, h Handler, answer func(*fakeServer, sent)) (*stream, *fakeServer) {
	near, far := net.Pipe()
	sock := &socket{Conn: near}
	config := &Config{StatusInterval: DefaultStatusInterval, ReadTimeout: DefaultReadTimeout}
	server := &fakeServer{Conn: far, got: make(chan sent, 10_000), out: make(chan []byte, 10_000)}
	t.Cleanup(func() { far.Close() })
	go server.speak()
	go server.listen(t, func(m sent) {
		if answer != nil {
			answer(server, m)
		}
	})
	return newStream(config, sock, sock, pgproto3.NewFrontend(sock, sock), start, confirm, h), server
}

func fixed(l orgcast.LSN) func() orgcast.LSN { return func() orgcast.LSN { return l } }

func (f *fakeServer) all() (all []sent) {
	for m := range f.got {
		all = append(all, m)
	}
	return all
}

// answerReplies answers as an idle walsender at end does, and ends the copy as
// it does.
func answerReplies(t *testing.T, end orgcast.LSN) func(*fakeServer, sent) {
	return func(f *fakeServer, m sent) {
		switch {
		case m.kind == 'c':
			b := message(t, &pgproto3.CopyDone{})
			b = append(b, message(t, &pgproto3.CommandComplete{CommandTag: []byte("COPY 0")})...)
			b = append(b, message(t, &pgproto3.ReadyForQuery{TxStatus: 'I'})...)
			f.out <- b
		case m.reply:
			f.send(t, keepalive(end, 0))
		}
	}
}

func TestSilentServerIsDeadAfterTheReadTimeoutAndWasAskedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, server := fakeStream(t, 10, fixed(10), handlerFuncs{}, nil)
		start := time.Now()
		err := s.run(t.Context())
		if !errors.Is(err, ErrSilent) || orgcast.Hint(err) == "" {
			t.Fatalf("got %v, hint %q", err, orgcast.Hint(err))
		}
		if d := time.Since(start); d != time.Minute {
			t.Errorf("dead after %v, want a minute", d)
		}
		asked := 0
		for _, m := range server.all() {
			if m.reply {
				asked++
			}
		}
		if asked < 3 {
			t.Errorf("declared dead after %d requests", asked)
		}
	})
}

func TestIdleServerIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		s, server := fakeStream(t, 10, fixed(10), handlerFuncs{}, answerReplies(t, 10))
		if err := s.run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if n := len(server.all()); n < 360 || n > 370 {
			t.Errorf("%d messages in an idle hour, want one in 10 s", n)
		}
	})
}

func TestBlockedHandlerHoldsBackNeitherStatusesNorAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		blocked := handlerFuncs{keepalive: func(_ orgcast.LSN, reply bool) error {
			if reply {
				<-release
			}
			return nil
		}}
		s, server := fakeStream(t, 10, fixed(10), blocked, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.run(ctx) }()
		if first := <-server.got; !first.reply {
			t.Errorf("first status %+v does not ask where the server stands", first)
		}
		server.send(t, keepalive(20, 1))
		asked := time.Now()
		if m := <-server.got; m.reply || !m.at.Equal(asked) {
			t.Errorf("answer %+v came %v late", m, m.at.Sub(asked))
		}
		// Ten minutes of a stalled disk: longer than any timeout.
		last := asked
		for time.Since(asked) < 10*time.Minute {
			m := <-server.got
			if m.at.Sub(last) > idleStatusInterval {
				t.Fatalf("no status for %v", m.at.Sub(last))
			}
			last = m.at
		}
		select {
		case err := <-ended:
			t.Fatalf("stream ended: %v", err)
		default:
		}
		close(release)
		server.send(t, keepalive(30, 0)) // read at once: the stall was ours, not the server's
		synctest.Wait()
		if got := s.seen.Load(); got != 30 {
			t.Errorf("after the stall the position is %d, want 30", got)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

// A server that shuts down asks once, and waits until the position it named is
// confirmed.
func TestKeepaliveThatWantsAnAnswerIsConfirmedOnceItIsHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var durable atomic.Uint64
		handle := make(chan struct{})
		h := handlerFuncs{keepalive: func(end orgcast.LSN, reply bool) error {
			if reply {
				<-handle
				durable.Store(uint64(end))
			}
			return nil
		}}
		s, server := fakeStream(t, 10, func() orgcast.LSN { return orgcast.LSN(durable.Load()) }, h, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.run(ctx) }()
		<-server.got
		server.send(t, keepalive(20, 1))
		begin := time.Now()
		if m := <-server.got; m.confirmed != 0 {
			t.Errorf("%v was confirmed before it was handled", m.confirmed)
		}
		close(handle)
		if m := <-server.got; m.confirmed != 20 || !m.at.Equal(begin) {
			t.Errorf("%v was confirmed after %v, want 0/14 at once", m.confirmed, m.at.Sub(begin))
		}
		cancel()
		<-ended
	})
}

func TestConfirmFollowsTheDurablePositionAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var durable atomic.Uint64
		s, server := fakeStream(t, 10, func() orgcast.LSN { return orgcast.LSN(durable.Load()) }, handlerFuncs{}, answerReplies(t, 1000))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.run(ctx) }()
		server.send(t, xlogData(500, 500, "C"))
		time.Sleep(time.Minute)
		durable.Store(500)
		time.Sleep(1500 * time.Millisecond)
		durable.Store(400) // a position never goes back
		time.Sleep(time.Minute)
		durable.Store(700)
		cancel() // the last status, before the copy ends, has it
		<-ended
		all := server.all()
		var kinds strings.Builder
		for _, m := range all[len(all)-3:] {
			kinds.WriteByte(m.kind)
		}
		if kinds.String() != "dcX" || all[len(all)-3].confirmed != 700 {
			t.Errorf("the stream parts with %s at %v, want dcX at 0/2BC", kinds.String(), all[len(all)-3].confirmed)
		}
		moved := all[0].at.Add(time.Minute)
		for _, m := range all[:len(all)-3] {
			want := orgcast.LSN(0)
			if m.at.After(moved) {
				want = 500
			}
			if m.confirmed != want && !m.at.Equal(moved) {
				t.Errorf("status %v after the start confirms %v, want %v", m.at.Sub(all[0].at), m.confirmed, want)
			}
		}
	})
}

func TestPositionTheServerNeverSentIsNotConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var durable atomic.Uint64
		durable.Store(10)
		s, server := fakeStream(t, 10, func() orgcast.LSN { return orgcast.LSN(durable.Load()) }, handlerFuncs{}, answerReplies(t, 20))
		ended := make(chan error, 1)
		go func() { ended <- s.run(t.Context()) }()
		synctest.Wait()
		durable.Store(21)
		if err := <-ended; !errors.Is(err, ErrUnsentConfirm) {
			t.Fatalf("got %v", err)
		}
		for _, m := range server.all() {
			if m.confirmed > 20 {
				t.Errorf("%v was confirmed", m.confirmed)
			}
		}
	})
}

func TestRequestsForAReplyMeetInOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Conn
		c.RequestReply() // no stream: nothing happens
		gate := make(chan struct{})
		confirm := func() orgcast.LSN { <-gate; return 10 }
		s, server := fakeStream(t, 10, confirm, handlerFuncs{}, answerReplies(t, 20))
		c.stream.Store(s)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.run(ctx) }()
		synctest.Wait() // the first status waits for its position
		for range 1000 {
			c.RequestReply()
		}
		close(gate)
		synctest.Wait()
		if n := len(server.got); n != 2 {
			t.Errorf("1000 requests became %d messages after the first", n-1)
		}
		cancel()
		<-ended
	})
}

func TestHandlersErrorEndsTheStreamInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("disk full")
		s, server := fakeStream(t, 10, fixed(10), handlerFuncs{frame: func(orgcast.LSN, []byte) error { return full }}, answerReplies(t, 10))
		ended := make(chan error, 1)
		go func() { ended <- s.run(t.Context()) }()
		server.send(t, xlogData(20, 20, "I"))
		if err := <-ended; !errors.Is(err, full) {
			t.Fatal(err)
		}
		if all := server.all(); all[len(all)-1].kind != 'X' {
			t.Errorf("connection ends with %c", all[len(all)-1].kind)
		}
	})
}

func TestServerThatDiesIsToldApart(t *testing.T) {
	cases := []struct {
		name string
		last []byte
		kind error
		text string
	}{
		{"in a frame", message(t, &pgproto3.CopyData{Data: xlogData(20, 20, "Insert")})[:12], ErrDisconnected, "in the middle of the stream"},
		{"between frames", nil, ErrDisconnected, "in the middle of the stream"},
		{"by an administrator", message(t, &pgproto3.ErrorResponse{Severity: "FATAL", Code: "57P01", Message: "terminating connection"}), ErrDisconnected, "57P01"},
		{"at the end of its WAL", message(t, &pgproto3.CommandComplete{CommandTag: []byte("COPY 0")}), ErrDisconnected, "the server ended"},
		{"publication gone", message(t, &pgproto3.ErrorResponse{Severity: "ERROR", Code: "42704", Message: "publication"}), ErrPublication, "42704"},
		{"unknown message", message(t, &pgproto3.CopyData{Data: []byte{'z'}}), ErrMalformed, "0x7a"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, server := fakeStream(t, 10, fixed(10), handlerFuncs{}, nil)
				ended := make(chan error, 1)
				go func() { ended <- s.run(t.Context()) }()
				synctest.Wait()
				if _, err := server.Write(c.last); err != nil {
					t.Fatal(err)
				}
				server.Close()
				if err := <-ended; !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
					t.Fatalf("got %v, want %v with %q", err, c.kind, c.text)
				}
			})
		})
	}
}

// deaf is a connection whose writes fail.
type deaf struct{ net.Conn }

func (deaf) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestFailedStatusEndsTheStreamButTheServersReasonWins(t *testing.T) {
	for _, c := range []struct {
		name, text string
		last       []byte
	}{
		{"server said why", "57P01", message(t, &pgproto3.ErrorResponse{Severity: "FATAL", Code: "57P01", Message: "terminating connection"})},
		{"server said nothing", "send status", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, server := fakeStream(t, 10, fixed(10), handlerFuncs{}, nil)
				s.conn = deaf{s.conn}
				server.out <- c.last
				begin := time.Now()
				err := s.run(t.Context())
				if !errors.Is(err, ErrDisconnected) || !strings.Contains(err.Error(), c.text) || time.Since(begin) > partingTimeout {
					t.Errorf("after %v: %v", time.Since(begin), err)
				}
			})
		})
	}
}

// A half-open TCP connection, in real time: the far end accepts and says nothing.
func TestHalfOpenConnectionEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	connect, last := dial()
	conn, err := connect(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	config := &Config{StatusInterval: DefaultStatusInterval, ReadTimeout: 200 * time.Millisecond}
	s := newStream(config, conn, *last, pgproto3.NewFrontend(conn, conn), 1, fixed(1), handlerFuncs{})
	if err := s.run(t.Context()); !errors.Is(err, ErrSilent) {
		t.Fatalf("got %v", err)
	}
}

// endless is a connection from which one message comes for ever.
type endless struct {
	net.Conn
	message []byte
	at      int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		k := copy(p[n:], e.message[e.at:])
		n += k
		e.at = (e.at + k) % len(e.message)
	}
	return n, nil
}

func (e *endless) SetReadDeadline(time.Time) error { return nil }

// countdown ends a stream's reading after so many frames.
type countdown struct {
	left  int
	bytes int64
}

var errCounted = errors.New("counted")

func (c *countdown) Frame(_ orgcast.LSN, frame []byte) error {
	c.bytes += int64(len(frame))
	if c.left--; c.left <= 0 {
		return errCounted
	}
	return nil
}

func (c *countdown) Keepalive(orgcast.LSN, bool) error { return nil }

func endlessStream(t testing.TB, size int) (*stream, *countdown) {
	frame := strings.Repeat("x", size)
	conn := &endless{message: message(t, &pgproto3.CopyData{Data: xlogData(1, 1, frame)})}
	sock := &socket{Conn: conn}
	h := &countdown{}
	s := newStream(&Config{}, sock, sock, pgproto3.NewFrontend(sock, sock), 1, fixed(1), h)
	sock.watch(time.Minute)
	return s, h
}

func TestFrameCostsNoAllocation(t *testing.T) {
	const frames = 10_000
	s, h := endlessStream(t, 470)
	perRun := testing.AllocsPerRun(10, func() {
		h.left = frames
		if _, err := s.read(); err != errCounted {
			t.Fatal(err)
		}
	})
	if perRun > 1 {
		t.Errorf("%v allocations for %d frames", perRun, frames)
	}
}

func BenchmarkFrame(b *testing.B) {
	for _, size := range []int{100, 470, 20_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, h := endlessStream(b, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				h.left = 1
				if _, err := s.read(); err != errCounted {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestServersErrorsAreTyped(t *testing.T) {
	cases := []struct {
		phase phase
		code  string
		text  string
		want  error
	}{
		{starting, "28P01", "password authentication failed", ErrAuthentication},
		{starting, "28000", "no pg_hba.conf entry for host", ErrHostRefused},
		{starting, "28000", "role does not exist", ErrAuthentication},
		{starting, "42501", "must be superuser or replication role", ErrPermission},
		{starting, "53300", "too many clients", ErrLimit},
		{starting, "08P01", "unsupported startup parameter", ErrPooler},
		{starting, "0A000", "replication is not supported", ErrPooler},
		{starting, "42704", "unrecognized configuration parameter", ErrVersion},
		{starting, "57P03", "the database system is starting up", ErrDisconnected},
		{asking, "42601", "syntax error", ErrPooler},
		{asking, "42710", "slot exists", ErrSlotExists},
		{asking, "53400", "all replication slots are in use", ErrLimit},
		{beginning, "55006", "slot is active", ErrSlotActive},
		{beginning, "55000", "slot was invalidated", ErrSlotLost},
		{beginning, "42704", "slot does not exist", ErrSlotLost},
		{streaming, "42704", "publication does not exist", ErrPublication},
	}
	for _, c := range cases {
		err := explain("op", c.phase, &pgconn.PgError{Severity: "FATAL", Code: c.code, Message: c.text})
		if !errors.Is(err, c.want) {
			t.Errorf("%s in phase %d is %v, want %v", c.code, c.phase, err, c.want)
		}
		if orgcast.Hint(err) == "" && c.want != ErrDisconnected {
			t.Errorf("%v has no hint", err)
		}
	}
}
