package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// latency commits at a steady rate, and looks when each commit is at a client of
// orgcast, and when pg_recvlogical has printed it.
//
// Of each run there are three spans: orgcast alone, pg_recvlogical alone, and both
// at once, which on few cores is less kind to whoever does more.
func latency(ctx context.Context, flags *flag.FlagSet, args []string) (err error) {
	rate := flags.Int("rate", 200, "transactions a second")
	runs := flags.Int("runs", 5, "runs, each with three spans")
	span := flags.Duration("span", 5*time.Second, "length of a span")
	if err := flags.Parse(args); err != nil {
		return err
	}
	h, err := newHouse(ctx, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := h.serve(ctx, nil); err != nil { // makes the slot
		return err
	}
	if err := h.halt(); err != nil {
		return err
	}
	printer := newPrinter(h)
	if err := printer.create(ctx); err != nil {
		return err
	}
	l := load{db: h.db, rate: *rate, span: *span}
	var ours, floor, oursBeside, floorBeside [2]sample
	for run := range *runs {
		r, err := l.with(ctx, &subscriber{house: h})
		if err != nil {
			return err
		}
		f, err := l.with(ctx, printer)
		if err != nil {
			return err
		}
		both, err := l.with(ctx, &subscriber{house: h}, printer)
		if err != nil {
			return err
		}
		fmt.Printf("run %d  orgcast %v | pg_recvlogical %v | ratio of p50 %.2f || at once: %v | %v | %.2f\n", run+1,
			r[0].returned, f[0].returned, ratio(r[0].returned.at(0.5), f[0].returned.at(0.5)),
			both[0].returned, both[1].returned, ratio(both[0].returned.at(0.5), both[1].returned.at(0.5)))
		for _, pair := range []struct {
			all *[2]sample
			a   arrivals
		}{{&ours, r[0]}, {&floor, f[0]}, {&oursBeside, both[0]}, {&floorBeside, both[1]}} {
			pair.all[0] = append(pair.all[0], pair.a.returned...)
			pair.all[1] = append(pair.all[1], pair.a.sent...)
		}
	}
	fmt.Println()
	for i, since := range []string{"from the commit's return", "from before the statement"} {
		fmt.Printf("%-26s  orgcast %v | pg_recvlogical %v | p50 %.2f×, p99 %.2f×\n", since, ours[i], floor[i],
			ratio(ours[i].at(0.5), floor[i].at(0.5)), ratio(ours[i].at(0.99), floor[i].at(0.99)))
		fmt.Printf("%-26s  orgcast %v | pg_recvlogical %v | p50 %.2f×, p99 %.2f×\n", "  both at once", oursBeside[i], floorBeside[i],
			ratio(oursBeside[i].at(0.5), floorBeside[i].at(0.5)), ratio(oursBeside[i].at(0.99), floorBeside[i].at(0.99)))
	}
	return nil
}

// load is a writer of small transactions, each with a number of its own.
type load struct {
	db   *pgx.Conn
	rate int
	span time.Duration
	last int // number
}

// receiver is who is told of the commits.
type receiver interface {
	// open begins; what it reads from then on is text with the numbers in it.
	open(ctx context.Context) (io.Reader, error)
	close() error
}

// arrivals is how long the commits of a span took to a receiver.
type arrivals struct {
	returned sample // since the commit had returned
	sent     sample // since before the statement was sent
}

// marker leads a commit's number in what receivers are told.
const marker = "bench:"

// with writes for a span, in front of receivers.
func (l *load) with(ctx context.Context, receivers ...receiver) (result []arrivals, err error) {
	first := l.last
	total := int(l.span.Seconds() * float64(l.rate))
	seen := make([][]time.Time, len(receivers))
	var reading sync.WaitGroup
	done := make(chan error, len(receivers))
	for i, r := range receivers {
		in, err := r.open(ctx)
		if err != nil {
			return nil, err
		}
		defer func() {
			err = errors.Join(err, r.close())
			reading.Wait()
		}()
		seen[i] = make([]time.Time, total)
		reading.Go(func() { done <- collect(in, first, seen[i]) })
	}
	pause(ctx, 500*time.Millisecond)
	sent, returned := make([]time.Time, total), make([]time.Time, total)
	ticker := time.NewTicker(time.Second / time.Duration(l.rate))
	defer ticker.Stop()
	for i := range total {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		sent[i] = time.Now()
		_, err := l.db.Exec(ctx, `UPDATE properties SET description = $1 WHERE id = 'property_1'`, marker+strconv.Itoa(first+i)+";")
		if err != nil {
			return nil, err
		}
		returned[i] = time.Now()
		l.last++
	}
	for range receivers {
		select {
		case err := <-done:
			if err != nil {
				return nil, err
			}
		case <-time.After(10 * time.Second):
			return nil, errors.New("a receiver was not told of every commit in 10 s")
		}
	}
	for i := range receivers {
		var a arrivals
		for n, at := range seen[i] {
			a.returned = append(a.returned, at.Sub(returned[n]))
			a.sent = append(a.sent, at.Sub(sent[n]))
		}
		result = append(result, a)
	}
	return result, nil
}

// collect notes when each number was first read, until all are.
func collect(in io.Reader, first int, seen []time.Time) error {
	r := bufio.NewReaderSize(in, 64<<10)
	for missing := len(seen); missing > 0; {
		line, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("read what was committed: %w, %d missing", err, missing)
		}
		at := time.Now()
		n, err := strconv.Atoi(string(between(line, marker, ";")))
		if i := n - first; err == nil && i >= 0 && i < len(seen) && seen[i].IsZero() {
			seen[i] = at
			missing--
		}
	}
	return nil
}

// subscriber is a client of orgcast, which runs while it is open.
type subscriber struct {
	house  *house
	stream *stream
}

func (s *subscriber) open(ctx context.Context) (io.Reader, error) {
	if err := s.house.serve(ctx, nil); err != nil {
		return nil, err
	}
	cookie, err := s.house.cookie(1)
	if err != nil {
		return nil, err
	}
	if s.stream, err = open(ctx, s.house.address, 1, cookie, 64<<10); err != nil {
		return nil, err
	}
	return s.stream.reader, nil
}

func (s *subscriber) close() error {
	var err error
	if s.stream != nil {
		err = s.stream.Close()
	}
	return errors.Join(err, s.house.halt())
}
