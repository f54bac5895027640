package ear

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/oikion/orgcast/internal/verify"
)

// stream is one stream, from its request to its end.
func (e *Ear) stream(ctx context.Context) outcome {
	filter := e.filtered()
	query, header := e.query(filter), http.Header{}
	from := e.page
	if from != "" {
		query.Set("lastEventId", from)
	}
	if e.last != "" {
		from = e.last
		header.Set("Last-Event-ID", from)
	}
	asked := verify.Entry{What: verify.Asked, Filter: filter}
	if from != "" {
		c, err := verify.ParseCursor(from)
		if err != nil {
			e.broken(err.Error()) // it was good when it came
		}
		asked.Cursor = c
	}
	slow := e.kind == Slow && !e.isSettled()
	a, err := e.call(ctx, http.MethodGet, "stream", query, header, "", func() { e.add(asked) })
	if err != nil || a.StatusCode != http.StatusOK {
		return e.refused(a, err, "")
	}
	defer a.close()
	if h := a.Header; h.Get("Content-Type") != "text/event-stream" || !strings.Contains(h.Get("Cache-Control"), "no-transform") {
		e.broken("a stream of type " + strconv.Quote(h.Get("Content-Type")) + ", cache " + strconv.Quote(h.Get("Cache-Control")))
	}
	s := &hearing{Ear: e, answer: a, filter: filter, slow: slow, end: make(chan string, 1)}
	o, why := s.listen(ctx)
	if ctx.Err() != nil {
		why = CutStopped
	}
	e.say(false, "cut: "+why)
	e.add(verify.Entry{What: verify.Cut, Reason: why})
	return o
}

// hearing is one stream that is listened to.
type hearing struct {
	*Ear
	*answer
	filter  *verify.Filter
	slow    bool        // it was asked for with a small buffer
	id      string      // of the connection
	end     chan string // why the client ends it
	changes sync.WaitGroup
	outcome outcome
}

// listen takes what comes, to the end.
func (s *hearing) listen(ctx context.Context) (outcome, string) {
	ctx, cancel := context.WithCancel(ctx)
	defer s.changes.Wait()
	defer cancel()
	if s.Ear.kind == Resumer || s.Ear.kind == Late {
		// Long enough to be live now and then, and any byte may be the last.
		after := time.Duration((0.2 + s.r.ExpFloat64()*4) * float64(s.options.Pace))
		s.changes.Go(func() {
			if verify.Pause(ctx, after) == nil && !s.isSettled() {
				s.stopFor(CutOwn)
			}
		})
	}
	r := reader{lines: bufio.NewReaderSize(&body{hearing: s, ctx: ctx}, 32<<10)}
	for n := 0; ; n++ {
		b, err := r.next()
		for _, what := range b.broken {
			s.broken(what)
		}
		if err != nil {
			return s.outcome, s.why(err)
		}
		if len(b.broken) > 0 {
			continue
		}
		s.take(b, n == 0)
		if n == 0 && s.Ear.kind == Filtered && s.id != "" {
			s.changes.Go(func() { s.change(ctx) })
		}
	}
}

// stopFor ends the stream from our side.
func (s *hearing) stopFor(why string) {
	select {
	case s.end <- why:
	default: // there is a reason already
	}
	_ = s.conn.Close() // wakes the reader
}

func (s *hearing) why(err error) string {
	select {
	case why := <-s.end:
		return why
	default:
	}
	switch {
	case errors.Is(err, io.EOF):
		return CutEnd
	case errors.Is(err, os.ErrDeadlineExceeded):
		return CutSilent
	}
	return CutBroken
}

// take takes a whole block.
func (s *hearing) take(b block, first bool) {
	n := verify.Entry{}
	if b.id != "" {
		c, err := verify.ParseCursor(b.id)
		if err != nil {
			s.broken(err.Error())
			return
		}
		n.Cursor = c
	}
	if b.comment {
		n.What = verify.Beat
		s.keep(n, b.id)
		return
	}
	l, err := s.options.Intern.line(b.data)
	if err != nil {
		s.broken(err.Error())
		return
	}
	if (l.Type == "connection") != first {
		s.broken("the first message is not `connection`, or another is: " + l.Type)
		return
	}
	if b.retry >= 0 {
		s.retry = time.Duration(b.retry) * s.options.Pace / 1000
	}
	switch l.Type {
	case "connection":
		n.What, n.Data, s.id = verify.Connected, l.text, l.ConnectionID
		s.say(false, "catching up")
	case "ready":
		n.What, n.Status = verify.Ready, *l.Replayed
		s.say(true, "")
	case "status":
		n.What = verify.Live
		if l.State == "stale" {
			n.What = verify.Stale
		}
		s.say(n.What == verify.Live, l.State)
	case "reset":
		n.What, n.Reason = verify.Reset, l.Reason
	case "closing":
		n.What, n.Reason, n.Data = verify.Closing, l.Reason, l.text
		s.outcome.closed, s.outcome.back = l.Reason, *l.Reconnect
	default:
		n.What, n.Data = verify.Heard, l.text
	}
	s.keep(n, b.id)
}

// keep records an entry and moves the client's place to its id.
func (e *Ear) keep(n verify.Entry, id string) {
	e.add(n)
	if id != "" {
		e.at(id, n.Cursor)
	}
}

// body reads a stream's bytes: with a deadline for silence, and slowly if that is
// the client's habit.
type body struct {
	*hearing
	ctx context.Context
}

func (b *body) Read(p []byte) (int, error) {
	if b.Ear.kind == Slow && b.slow && b.isSettled() {
		b.stopFor(CutOwn) // its buffer stays small
	}
	if err := b.conn.SetDeadline(time.Now().Add(3 * b.options.Heartbeat)); err != nil {
		return 0, err
	}
	if b.Ear.kind == Slow && !b.isSettled() {
		p = p[:min(len(p), 512)]
		if b.r.IntN(400) == 0 {
			_ = verify.Pause(b.ctx, time.Duration((0.5+b.r.Float64()*4)*float64(b.options.Pace)))
		}
	}
	return b.Body.Read(p)
}
