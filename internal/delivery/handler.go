package delivery

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/oikion/orgcast/internal/hub"
)

// Barrier answers when the feed has passed the database's position of now.
type Barrier interface {
	Wait(ctx context.Context) error
}

// Hooks tells the world what a driver does. Each may be nil.
type Hooks struct {
	// Wrote counts the bytes of one write.
	Wrote func(bytes int)
	// Written is called after a write that had events of a live stream in it, with
	// what is known of the newest: the kernel has them all.
	Written func(newest hub.Stamp)
	// Lost is called when a stream ends without a word: the peer left, it took
	// nothing for the write timeout, or the log could not be read.
	Lost func(reason Lost, err error)
}

// Lost is why a stream ended without a word.
type Lost string

// The reasons.
const (
	// LostPeer is a peer that left, or is dead: the system gave its connection up.
	LostPeer Lost = "peer_gone"
	// LostStalled is a peer that takes nothing. It can't be told `slow_consumer`: its
	// `closing` would lie behind what it does not take, and perhaps in the middle of
	// an event. One that takes something, but too little, is told: see
	// [hub.Config.CatchUp].
	LostStalled Lost = "stalled"
	LostLog     Lost = "log_unreadable"
)

// Handler is the driver that serves a stream on the goroutine of its HTTP
// handler.
type Handler struct {
	Barrier Barrier
	// WriteTimeout is how long a peer may take nothing; 30 s if zero.
	WriteTimeout time.Duration
	Hooks        Hooks
}

// confirmRetry is the pause after a barrier that failed. confirmTimeout is after
// how long it is asked anew: the position that it waits for may be one of a
// database that is no longer there.
const (
	confirmRetry   = time.Second
	confirmTimeout = 30 * time.Second
)

// Serve writes the stream until it is over. The caller has set the headers and
// started the stream with a wake that sends on wake, which has room for one.
func (d *Handler) Serve(w http.ResponseWriter, r *http.Request, s *hub.Stream, wake <-chan struct{}) {
	ctx, cancel := context.WithCancel(r.Context())
	var confirming sync.WaitGroup
	confirming.Go(func() { d.confirm(ctx, s) })
	defer confirming.Wait()
	defer cancel()

	out := http.NewResponseController(w)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		step := s.Step(time.Now())
		if err := d.write(w, out, step.Frames); err != nil {
			d.lost(err)
			return
		}
		if d.Hooks.Written != nil && !step.Newest.Committed.IsZero() {
			d.Hooks.Written(step.Newest)
		}
		switch {
		case step.Done:
			return
		case step.Load:
			if err := s.Load(ctx); err != nil {
				if ctx.Err() != nil {
					d.hookLost(LostPeer, nil)
				} else {
					d.hookLost(LostLog, err)
				}
				return
			}
			continue
		case step.More:
			continue
		}
		timer.Reset(time.Until(step.Next))
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
			d.hookLost(LostPeer, nil)
			return
		}
	}
}

// confirm tells the stream when the feed has passed where the database is now.
func (d *Handler) confirm(ctx context.Context, s *hub.Stream) {
	for {
		wait, cancel := context.WithTimeout(ctx, confirmTimeout)
		err := d.Barrier.Wait(wait)
		cancel()
		if err == nil {
			s.Confirmed()
			return
		}
		select {
		case <-time.After(confirmRetry):
		case <-ctx.Done():
			return
		}
	}
}

// maxPiece is how many bytes a peer must take within the write timeout.
const maxPiece = 64 << 10

// write sends frames in as few writes as net/http allows.
func (d *Handler) write(w http.ResponseWriter, out *http.ResponseController, frames [][]byte) error {
	if len(frames) == 0 {
		return nil
	}
	// The deadline is one piece's: a slow peer has its time for each, a stalled one
	// for none.
	deadline := func() error { return out.SetWriteDeadline(time.Now().Add(cmp.Or(d.WriteTimeout, 30*time.Second))) }
	bytes := 0
	for _, f := range frames {
		for piece := range slices.Chunk(f, maxPiece) {
			if err := deadline(); err != nil {
				return err
			}
			n, err := w.Write(piece)
			bytes += n
			if err != nil {
				return err
			}
		}
	}
	if bytes > maxPiece { // else nearly all of it is written only now, in the first piece's time
		if err := deadline(); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if d.Hooks.Wrote != nil {
		d.Hooks.Wrote(bytes)
	}
	return nil
}

func (d *Handler) lost(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		d.hookLost(LostStalled, err)
		return
	}
	d.hookLost(LostPeer, err)
}

func (d *Handler) hookLost(reason Lost, err error) {
	if d.Hooks.Lost != nil {
		d.Hooks.Lost(reason, err)
	}
}
