//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oikion/orgcast"
)

// giant writes one transaction that inserts very many rows into a table that is
// sent and is others' parent, and one that updates them all, each with a small one
// right behind it. Then it does the same in front of pg_recvlogical alone, which
// tells how long PostgreSQL itself makes the small one wait.
func giant(ctx context.Context, flags *flag.FlagSet, args []string) (err error) {
	rows := flags.Int("rows", 400_000, "rows of the transaction")
	organizations := flags.Int("organizations", 1, "organizations that the rows belong to")
	subscribers := flags.Int("subscribers", 10, "open streams, spread over the organizations")
	if err := flags.Parse(args); err != nil {
		return err
	}
	h, err := newHouse(ctx, *organizations)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := h.serve(ctx, nil); err != nil {
		return err
	}
	watch, err := watchAll(ctx, h, *organizations, *subscribers)
	if err != nil {
		return err
	}
	defer watch.close()

	pause(ctx, 3*time.Second)
	idle, err := h.server.usage()
	if err != nil {
		return err
	}
	fmt.Printf("idle, %d streams: %s resident\n", *subscribers, mib(idle.resident))
	var ours, floor []time.Duration
	steps := giantSteps("giant", *rows, *organizations)
	for _, step := range steps {
		if err := h.server.forgetPeak(); err != nil {
			return err
		}
		before, err := h.server.usage()
		if err != nil {
			return err
		}
		changed, committed, err := step.write(ctx, h, &watch.mark)
		if err != nil {
			return err
		}
		told, resets, err := watch.wait(ctx)
		if err != nil {
			return err
		}
		ours = append(ours, time.Since(committed))
		at, err := h.server.usage()
		if err != nil {
			return err
		}
		pause(ctx, 3*time.Second)
		after, err := h.server.usage()
		if err != nil {
			return err
		}
		at.peak = max(at.peak, after.peak)
		fmt.Printf("%s of %d rows, in one transaction: peak %s = %+.1f MiB above idle; %s afterwards; CPU %.2f s = %.1f µs a row; events told %d, streams told to refetch %d of %d\n",
			step.name, changed, mib(at.peak), float64(at.peak-idle.resident)/mebibyte, mib(after.resident),
			(at.cpu - before.cpu).Seconds(), (at.cpu-before.cpu).Seconds()*1e6/float64(changed), told, resets, *subscribers)
	}
	watch.close()
	if err := h.halt(); err != nil {
		return err
	}
	for _, step := range giantSteps("floor", *rows, *organizations) {
		took, err := step.floor(ctx, h)
		if err != nil {
			return err
		}
		floor = append(floor, took)
	}
	fmt.Println()
	for i, step := range steps {
		fmt.Printf("a small transaction behind the %s waits %.2f s until it is at all streams; pg_recvlogical prints it after %.2f s: %.2f×\n",
			step.name, ours[i].Seconds(), floor[i].Seconds(), ratio(ours[i], floor[i]))
	}
	return nil
}

// giantStep is one giant transaction.
type giantStep struct{ name, sql string }

// giantSteps are of rows whose ids begin with prefix.
func giantSteps(prefix string, rows, organizations int) []giantStep {
	return []giantStep{
		{"INSERT", fmt.Sprintf(`INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType")
		SELECT '%s_' || md5(i::text), 100000 + i, 'a house by the sea, number ' || i, 'org_' || 1 + i %% %d, 'user_' || 1 + i %% %[2]d, 'HOUSE', 'AVAILABLE', 'SALE'
		FROM generate_series(1, %d) i`, prefix, organizations, rows)},
		{"UPDATE", fmt.Sprintf(`UPDATE properties SET price = price + 1 WHERE id LIKE '%s\_%%'`, prefix)},
	}
}

// write commits the giant and, right behind it, a small transaction with a row of
// each organization. It returns how many rows the giant has, and when the small one
// was committed, which lies behind what mark is set to.
func (s giantStep) write(ctx context.Context, h *house, mark *atomic.Uint64) (rows int64, committed time.Time, err error) {
	tag, err := h.db.Exec(ctx, s.sql)
	if err != nil {
		return 0, committed, err
	}
	var behind string
	if err := h.db.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()::text").Scan(&behind); err != nil {
		return 0, committed, err
	}
	lsn, err := orgcast.ParseLSN(behind)
	if err != nil {
		return 0, committed, err
	}
	mark.Store(uint64(lsn))
	_, err = h.db.Exec(ctx, `UPDATE properties SET price = price + 1 WHERE id LIKE 'property\_%'`)
	return tag.RowsAffected(), time.Now(), err
}

// floor is how long the small transaction takes to pg_recvlogical's output.
func (s giantStep) floor(ctx context.Context, h *house) (took time.Duration, err error) {
	p := newPrinter(h)
	if err := p.create(ctx); err != nil {
		return 0, err
	}
	in, err := p.open(ctx)
	if err != nil {
		return 0, err
	}
	seen := make(chan error, 1)
	var reading sync.WaitGroup
	reading.Go(func() { seen <- find(in, []byte("property_")) })
	defer func() {
		err = errors.Join(err, p.close(), p.drop(context.WithoutCancel(ctx)))
		reading.Wait()
	}()
	_, committed, err := s.write(ctx, h, new(atomic.Uint64))
	if err != nil {
		return 0, err
	}
	select {
	case err := <-seen:
		return time.Since(committed), err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// find reads until text has come.
func find(in io.Reader, text []byte) error {
	buffer := make([]byte, 0, 256<<10)
	for {
		n, err := in.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		if bytes.Contains(buffer, text) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read what pg_recvlogical prints: %w", err)
		}
		// What may be the beginning of it stays.
		buffer = buffer[:copy(buffer, buffer[max(0, len(buffer)-len(text)):])]
	}
}

// watchers are streams that count what they are told.
type watchers struct {
	streams []*stream
	reading sync.WaitGroup
	mark    atomic.Uint64 // an LSN
	marks   chan watched  // one for each stream that has come behind the mark

	mu     sync.Mutex
	failed error
}

// watched is what a stream was told up to the mark.
type watched struct{ events, resets int }

func watchAll(ctx context.Context, h *house, organizations, subscribers int) (*watchers, error) {
	w := &watchers{marks: make(chan watched, 2*subscribers)}
	w.mark.Store(math.MaxUint64)
	for i := range subscribers {
		o := 1 + i%organizations
		cookie, err := h.cookie(o)
		if err == nil {
			var s *stream
			if s, err = open(ctx, h.address, o, cookie, 64<<10); err == nil {
				w.streams = append(w.streams, s)
				w.reading.Go(func() { w.read(s) })
				continue
			}
		}
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *watchers) read(s *stream) {
	told, marked := watched{}, uint64(math.MaxUint64)
	var at orgcast.Cursor
	for {
		line, err := s.line()
		if id, is := bytes.CutPrefix(line, []byte("id: ")); err == nil && is {
			at, err = orgcast.ParseCursor(string(id))
		}
		if err != nil {
			w.marks <- watched{-1, -1}
			w.mu.Lock()
			w.failed = err
			w.mu.Unlock()
			return
		}
		switch mark := w.mark.Load(); {
		case len(line) == 0 && uint64(at.LSN) > mark && mark != marked: // a message is over
			w.marks <- told
			told, marked = watched{}, mark
		case bytes.HasPrefix(line, []byte(`data: {"type":"reset"`)):
			told.resets++
		case bytes.Contains(line, []byte(`"propertyId":"property_`)):
		case bytes.HasPrefix(line, []byte(`data: {"id":`)):
			told.events++
		}
	}
}

// wait waits until all streams have come to the mark.
func (w *watchers) wait(ctx context.Context) (events, resets int, err error) {
	for range w.streams {
		select {
		case told := <-w.marks:
			if told.events < 0 {
				w.mu.Lock()
				defer w.mu.Unlock()
				return 0, 0, fmt.Errorf("read stream: %w", w.failed)
			}
			events, resets = events+told.events, resets+told.resets
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
	return events, resets, nil
}

func (w *watchers) close() {
	for _, s := range w.streams {
		s.Close()
	}
	w.reading.Wait()
}

// retry is the pause before something is looked at again.
const retry = 100 * time.Millisecond

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
