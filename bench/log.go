//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/eventlog"
)

// eventLog measures the event log alone, then what it does for clients that resume.
func eventLog(ctx context.Context, flags *flag.FlagSet, args []string) (err error) {
	count := flags.Int("events", 5_000_000, "events in the log, over six and a half days")
	organizations := flags.Int("organizations", 10_000, "organizations; a fifth of the events is of every 33rd")
	rate := flags.Int("rate", 10_000, "events a second of the steady appends")
	duration := flags.Duration("duration", time.Minute, "how long each of them")
	clients := flags.Int("clients", 1000, "clients that resume at once")
	each := flags.Int("each", 100, "events that each has missed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := raiseFiles(); err != nil {
		return err
	}
	if err := appendAndRead(ctx, *count, *organizations, *rate, *duration, *clients, *each); err != nil {
		return err
	}
	return resumeAtOnce(ctx, *clients, *each)
}

func appendAndRead(ctx context.Context, count, organizations, rate int, duration time.Duration, clients, each int) (err error) {
	dir, err := os.MkdirTemp("", "orgcast-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w := &logWriter{organizations: organizations, now: time.Now().Add(-history)}
	for o := range organizations {
		w.names = append(w.names, orgcast.OrganizationID(fmt.Sprintf("cm5x0000000000000org%05d", o)))
	}
	if err := w.open(filepath.Join(dir, "log")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.log.Close()) }()
	if err := w.begin(ctx); err != nil {
		return err
	}
	if err := w.fill(ctx, count); err != nil {
		return err
	}
	for _, size := range []int{1, 16} {
		if err := w.steady(ctx, size, rate, duration); err != nil {
			return err
		}
	}
	if err := w.log.Close(); err != nil {
		return err
	}
	if err := w.open(filepath.Join(dir, "log")); err != nil {
		return err
	}
	if err := w.readings(ctx); err != nil {
		return err
	}
	return w.storm(ctx, clients, each)
}

// history is how far back the log reaches.
const history = 156 * time.Hour

// logWriter appends made-up events to a log.
type logWriter struct {
	log           *eventlog.Log
	organizations int
	names         []orgcast.OrganizationID
	events        int
	frame         []byte
	lsn           orgcast.LSN

	mu       sync.Mutex
	now      time.Time     // the log's clock
	applied  []time.Time   // when each transaction that is not durable was appended; nil: not wanted
	ends     []orgcast.LSN // and where it ends
	durables sample
}

var logIdentity = eventlog.Identity{SystemID: 1, Timeline: 1, Database: database, Slot: "orgcast_bench", Rules: "bench"}

const logEpoch orgcast.Epoch = 1

func (w *logWriter) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *logWriter) open(dir string) (err error) {
	w.log, err = eventlog.Open(dir, eventlog.Options{Now: w.clock, Hooks: eventlog.Hooks{Durable: w.durable}})
	return err
}

func (w *logWriter) begin(ctx context.Context) error {
	w.lsn = 1000
	return w.log.Begin(ctx, logIdentity, logEpoch, w.lsn, func(func(orgcast.StateChange) error) error { return nil })
}

// durable notes how long each transaction up to end took.
func (w *logWriter) durable(end orgcast.LSN) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.ends) > 0 && w.ends[0] <= end {
		w.durables = append(w.durables, time.Since(w.applied[0]))
		w.ends, w.applied = w.ends[1:], w.applied[1:]
	}
}

// organization is whose the nth event is.
func (w *logWriter) organization(n int) orgcast.OrganizationID {
	o := n * 7919 % w.organizations
	if n%5 == 0 {
		o = n / 5 % (w.organizations/33 + 1) * 33
	}
	return w.names[o]
}

// transaction appends one of so many events.
func (w *logWriter) transaction(events int, timed bool) error {
	w.lsn += 200
	batch := w.log.Batch()
	for i := range events {
		c := orgcast.Cursor{Epoch: logEpoch, LSN: w.lsn, Index: uint64(i) * orgcast.SubIndexes}
		w.frame = appendLogFrame(w.frame[:0], c, w.events)
		batch.Event(&orgcast.Event{Cursor: c, Organization: w.organization(w.events), Type: orgcast.DataSync, Frame: w.frame})
		w.events++
	}
	end := w.lsn + 100
	if timed {
		w.mu.Lock()
		w.applied, w.ends = append(w.applied, time.Now()), append(w.ends, end)
		w.mu.Unlock()
	}
	return w.log.Append(batch, end, w.clock())
}

// appendLogFrame makes the nth event's bytes, about 400 of them, half of which say
// something new.
func appendLogFrame(b []byte, c orgcast.Cursor, n int) []byte {
	b = c.Append(append(b, "id: "...))
	b = c.Append(append(b, "\ndata: {\"type\":\"data.sync\",\"id\":\""...))
	b = append(b, "\",\"payload\":{\"entity\":\"client\",\"operation\":\"update\",\"data\":{"...)
	noise := uint64(n)
	for i := range byte(8) {
		noise = noise*6364136223846793005 + 1442695040888963407
		b = append(append(b, `"field`...), '0'+i)
		b = strconv.AppendUint(append(b, `":"`...), noise|1<<63, 16)
		b = append(b, `",`...)
	}
	return append(b, "\"status\":\"AVAILABLE\"}}}\n\n"...)
}

// fill appends as fast as it goes, as far as the log's clock is moved.
func (w *logWriter) fill(ctx context.Context, count int) error {
	const size = 64
	begun, before := time.Now(), ownCPU()
	step := time.Duration(float64(history) / (float64(count) / size))
	for w.events < count {
		if err := w.transaction(min(size, count-w.events), false); err != nil {
			return err
		}
		w.mu.Lock()
		w.now = w.now.Add(step)
		w.mu.Unlock()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	took, cpu, s := time.Since(begun), ownCPU()-before, w.log.Stats()
	fmt.Printf("filled: %d events of %d organizations in %.0f s, %d a transaction, with fsync: %.0f/s, %.2f µs of CPU an event; %s on disk in %d segments\n",
		w.events, w.organizations, took.Seconds(), size, float64(w.events)/took.Seconds(), float64(cpu.Microseconds())/float64(w.events), mib(s.DiskBytes), s.Segments)
	return nil
}

// steady appends at a rate.
func (w *logWriter) steady(ctx context.Context, size, rate int, duration time.Duration) error {
	before, begun := ownCPU(), time.Now()
	n, err := w.pace(ctx, size, rate, duration)
	if err != nil {
		return err
	}
	took, cpu := time.Since(begun), ownCPU()-before
	fmt.Printf("appended at %d/s, %d a transaction, with fsync: %.0f/s, %.2f cores; from append to durable %v\n",
		rate, size, float64(n)/took.Seconds(), cpu.Seconds()/took.Seconds(), w.taken())
	return nil
}

// pace appends at a rate for a time, or until the context ends, and tells how many.
func (w *logWriter) pace(ctx context.Context, size, rate int, duration time.Duration) (n int, err error) {
	for begun := time.Now(); time.Since(begun) < duration && ctx.Err() == nil; n += size {
		due := begun.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
		if early := time.Until(due); early > 0 {
			pause(ctx, max(early, time.Millisecond)) // a timer for each would cost more than what is measured
		}
		if err := w.transaction(size, true); err != nil {
			return n, err
		}
	}
	return n, nil
}

// taken waits until all is durable, and hands over how long each took.
func (w *logWriter) taken() sample {
	for w.log.Durable() < w.log.Position() {
		pause(context.Background(), time.Millisecond)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.durables
	w.durables = nil
	return s
}
