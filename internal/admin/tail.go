package admin

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
)

// Log is where tail and explain read.
type Log interface {
	// Position is how far the change feed has come; of epoch zero if it never was
	// anywhere.
	Position() orgcast.Cursor
	Read(ctx context.Context, organization orgcast.OrganizationID, after, upTo orgcast.Cursor, fn func(*orgcast.Event) bool) error
	// Floor is the lowest cursor from which the organization can be read on.
	Floor(organization orgcast.OrganizationID) orgcast.Cursor
}

const (
	tailType = "application/x-ndjson"
	maxTails = 4
	// tailLook is how often a tail looks for what is new: it costs the streams
	// nothing, which a wake at each commit would.
	tailLook = 200 * time.Millisecond
	tailBeat = 15 * time.Second
	// tailWrite is how long a reader may take nothing.
	tailWrite = 10 * time.Second
	// tailFarewell is how long it may when the tail ends.
	tailFarewell = time.Second
	// tailPage bounds what is read before it is written, in bytes: a reader of the
	// log has one of few places, which no slow peer may hold.
	tailPage = 256 << 10
	// skippedCost is what an event that is filtered out counts of a page.
	skippedCost = 64
)

// tails serves at most maxTails at a time.
type tails struct {
	log   Log
	ended func(TailEnd)
	// slots has room for each tail.
	slots chan struct{}
}

func newTails(log Log, ended func(TailEnd)) *tails {
	if ended == nil {
		ended = func(TailEnd) {}
	}
	return &tails{log: log, ended: ended, slots: make(chan struct{}, maxTails)}
}

// ServeHTTP follows the events of one organization, each a line of JSON, until the
// peer leaves or the process stops.
func (t *tails) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := newParameters(r.URL.RawQuery, []string{"organizationId", "after"}, []string{"channel", "type"})
	organization, filter := p.organization(), p.filter()
	oldest := p.values.Get("after") == "oldest"
	var after orgcast.Cursor
	resume := false
	if !oldest {
		after, resume = p.cursor("after")
	}
	if p.problem != "" {
		text(w, http.StatusBadRequest, "Bad Request: "+p.problem)
		return
	}
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	default:
		t.ended(TailMany)
		text(w, http.StatusTooManyRequests, "Too Many Requests: 4 tails are open")
		return
	}
	position := t.log.Position()
	if position.Epoch == 0 {
		text(w, http.StatusServiceUnavailable, "Service Unavailable: "+ErrNotYet.Error())
		return
	}
	switch {
	case oldest:
		after = t.log.Floor(organization)
	case !resume:
		after = position
	}
	w.Header().Set("Content-Type", tailType)
	w.Header().Set("Connection", "close") // its deadline is the tail's
	tail := &tail{log: t.log, out: http.NewResponseController(w), w: w, organization: organization, filter: filter, cursor: after}
	// A slow reader must not hold up the end of the process.
	defer context.AfterFunc(r.Context(), func() { _ = tail.deadline(r.Context()) })()
	t.ended(tail.run(r.Context()))
}

// tail is one open tail.
type tail struct {
	log          Log
	w            http.ResponseWriter
	out          *http.ResponseController
	organization orgcast.OrganizationID
	filter       orgcast.Filter
	cursor       orgcast.Cursor // all up to it was written
	lines        []Line         // read, and to be written
	more         bool           // the page was full
}

func (t *tail) run(ctx context.Context) TailEnd {
	t.say(ControlBegin, "")
	// The log reads on below a deletion for who was there: who comes is not.
	if floor := t.log.Floor(t.organization); t.cursor.Epoch == floor.Epoch && t.cursor.Compare(floor) < 0 {
		t.reset(orgcast.ResetTooOld, floor)
	}
	look, beat := time.NewTicker(tailLook), time.NewTicker(tailBeat)
	defer look.Stop()
	defer beat.Stop()
	for {
		if err := t.page(ctx); err != nil && ctx.Err() == nil {
			t.say(ControlClosing, string(TailLog))
			_ = t.write(ctx) // it ends one way or the other
			return TailLog
		}
		if len(t.lines) > 0 {
			if err := t.write(ctx); err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
					return TailSlow
				}
				return t.left(ctx)
			}
			beat.Reset(tailBeat)
		}
		if t.more && ctx.Err() == nil {
			continue
		}
		select {
		case <-look.C:
		case <-beat.C:
			t.say(ControlHeartbeat, "")
		case <-ctx.Done():
			end := t.left(ctx)
			if end == TailShutdown {
				t.say(ControlClosing, string(end))
				_ = t.write(ctx) // or it is gone before
			}
			return end
		}
	}
}

// left is why a tail ends that nobody serves or reads any more.
func (t *tail) left(ctx context.Context) TailEnd {
	if errors.Is(context.Cause(ctx), ErrStopping) {
		return TailShutdown
	}
	return TailGone
}

// page reads what comes next.
func (t *tail) page(ctx context.Context) error {
	upTo := t.log.Position()
	t.more = false
	switch {
	case upTo.Epoch != t.cursor.Epoch:
		t.reset(orgcast.ResetEpoch, upTo)
		return nil
	case upTo.Compare(t.cursor) <= 0:
		return nil // a cursor that is ahead of this process waits
	}
	budget, reached := tailPage, upTo
	err := t.log.Read(ctx, t.organization, t.cursor, upTo, func(e *orgcast.Event) bool {
		if budget <= 0 {
			t.more = true
			return false
		}
		reached = e.Cursor
		if e.Kind == orgcast.KindEvent && !t.filter.Passes(e.Type) {
			budget -= skippedCost
			return true
		}
		budget -= len(e.Frame)
		t.lines = append(t.lines, line(e))
		return true
	})
	switch {
	case errors.Is(err, orgcast.ErrBelowFloor):
		t.reset(orgcast.ResetTooOld, t.log.Floor(t.organization))
	case err != nil && t.log.Position().Epoch != upTo.Epoch || err != nil && t.log.Floor(t.organization).Epoch != upTo.Epoch:
		return nil // a new epoch begins: the next look resets
	case err != nil:
		return err
	case !t.more:
		t.cursor = upTo
	default:
		t.cursor = reached
	}
	return nil
}

func (t *tail) reset(reason orgcast.ResetReason, to orgcast.Cursor) {
	t.cursor = to
	t.say(ControlReset, string(reason))
	t.more = true
}

func (t *tail) say(c Control, reason string) {
	t.lines = append(t.lines, Line{Control: c, Reason: reason, Cursor: t.cursor.String()})
}

// write writes the lines, each within its time.
func (t *tail) write(ctx context.Context) error {
	for i := range t.lines {
		if err := t.deadline(ctx); err != nil {
			return err
		}
		if err := codec.Line(t.w, &t.lines[i]); err != nil {
			return err
		}
	}
	clear(t.lines)
	t.lines = t.lines[:0]
	return t.out.Flush()
}

func (t *tail) deadline(ctx context.Context) error {
	within := tailWrite
	if ctx.Err() != nil {
		within = tailFarewell
	}
	return t.out.SetWriteDeadline(time.Now().Add(within))
}
