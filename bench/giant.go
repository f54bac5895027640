package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"sync"
	"time"
)

// giant writes one transaction that inserts very many rows into a table that is
// sent and is others' parent, and one that updates them all.
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
	insert := fmt.Sprintf(`INSERT INTO properties (id, price, description, "organizationId", "createdBy", "propertyType", status, "transactionType")
		SELECT 'giant_' || md5(i::text), 100000 + i, 'a house by the sea, number ' || i, 'org_' || 1 + i %% %d, 'user_' || 1 + i %% %[1]d, 'HOUSE', 'AVAILABLE', 'SALE'
		FROM generate_series(1, %d) i`, *organizations, *rows)
	for _, step := range []struct{ name, sql string }{
		{"INSERT", insert},
		{"UPDATE", `UPDATE properties SET price = price + 1 WHERE id LIKE 'giant_%'`},
	} {
		if err := h.server.forgetPeak(); err != nil {
			return err
		}
		before, err := h.server.usage()
		if err != nil {
			return err
		}
		watch.forget()
		tag, err := h.db.Exec(ctx, step.sql)
		if err != nil {
			return err
		}
		committed := time.Now()
		// A row of each organization behind it: who has it, or was told to refetch
		// and has it then, has come through.
		if _, err := h.db.Exec(ctx, `UPDATE properties SET price = price + 1 WHERE id LIKE 'property_%'`); err != nil {
			return err
		}
		told, resets, err := watch.wait(ctx)
		if err != nil {
			return err
		}
		took := time.Since(committed)
		at, err := h.server.usage()
		if err != nil {
			return err
		}
		pause(ctx, 3*time.Second)
		after, err := h.server.usage()
		if err != nil {
			return err
		}
		fmt.Printf("%s of %d rows, in one transaction: peak %s = %+.1f MiB above idle; %s afterwards; CPU %.2f s = %.1f µs a row; through %.2f s after the commit; events told %d, streams told to refetch %d of %d\n",
			step.name, tag.RowsAffected(), mib(at.peak), float64(at.peak-idle.resident)/mebibyte, mib(after.resident),
			(at.cpu - before.cpu).Seconds(), (at.cpu-before.cpu).Seconds()*1e6/float64(tag.RowsAffected()), took.Seconds(), told, resets, *subscribers)
	}
	return nil
}

// watchers are streams that count what they are told.
type watchers struct {
	streams []*stream
	reading sync.WaitGroup
	marks   chan watched // one for each stream that has come to the mark

	mu     sync.Mutex
	failed error
}

// watched is what a stream was told up to the mark.
type watched struct{ events, resets int }

func watchAll(ctx context.Context, h *house, organizations, subscribers int) (*watchers, error) {
	w := &watchers{marks: make(chan watched, 2*subscribers)}
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
	var told watched
	for {
		line, err := s.line()
		if err != nil {
			w.marks <- watched{-1, -1}
			w.mu.Lock()
			w.failed = err
			w.mu.Unlock()
			return
		}
		switch {
		case bytes.HasPrefix(line, []byte(`data: {"type":"reset"`)):
			told.resets++
			if bytes.Contains(line, []byte(`"reason":"too_many"`)) {
				w.marks <- told
				told = watched{}
			}
		case bytes.Contains(line, []byte(`"propertyId":"property_`)):
			w.marks <- told
			told = watched{}
		case bytes.HasPrefix(line, []byte(`data: {"id":`)):
			told.events++
		}
	}
}

// forget forgets what came before.
func (w *watchers) forget() {
	for len(w.marks) > 0 {
		<-w.marks
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

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
