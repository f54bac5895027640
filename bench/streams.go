//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"time"
)

// streams opens very many streams, writes at a steady rate, and holds what each
// was told against what was committed.
func streams(ctx context.Context, flags *flag.FlagSet, args []string) (err error) {
	count := flags.Int("streams", 5000, "open streams")
	organizations := flags.Int("organizations", 50, "organizations that they are spread over")
	rate := flags.Int("rate", 500, "events a second, one organization's each")
	duration := flags.Duration("duration", time.Minute, "how long")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := raiseFiles(); err != nil {
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
	empty, err := h.server.usage()
	if err != nil {
		return err
	}
	crowd, err := gather(ctx, h, *count, *organizations)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, crowd.close()) }()
	quiet, err := h.server.usage()
	if err != nil {
		return err
	}
	fmt.Printf("%d streams of %d organizations are open: %s resident, %.1f KiB a stream above the empty server; CPU %.2f s = %.0f µs a connect\n",
		*count, *organizations, mib(quiet.resident), float64(quiet.resident-empty.resident)/1024/float64(*count),
		(quiet.cpu - empty.cpu).Seconds(), (quiet.cpu-empty.cpu).Seconds()*1e6/float64(*count))

	busyBefore, err := busy()
	if err != nil {
		return err
	}
	begun := time.Now()
	steps := int(duration.Seconds() * float64(*rate))
	committed := make([]int, 1+*organizations)
	fmt.Printf("%8s  %10s  %s\n", "seconds", "resident", "server's CPU, cores")
	last, lastAt := quiet, begun
	var middle usage
	for i := range steps {
		// By the clock, so that what was late is made up for.
		if early := time.Until(begun.Add(time.Duration(i) * time.Second / time.Duration(*rate))); early > 0 {
			pause(ctx, early)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		o := 1 + i%*organizations
		n := committed[o]
		if _, err := h.db.Exec(ctx, `UPDATE properties SET bedrooms = $1, description = $2 WHERE id = $3`,
			n%5, marker+strconv.Itoa(n)+";", fmt.Sprint("property_", o)); err != nil {
			return err
		}
		committed[o]++
		if (i+1)%max(steps/6, 1) == 0 {
			now, err := h.server.usage()
			if err != nil {
				return err
			}
			at := time.Now()
			fmt.Printf("%8.1f  %10s  %.2f\n", at.Sub(begun).Seconds(), mib(now.resident), (now.cpu-last.cpu).Seconds()/at.Sub(lastAt).Seconds())
			last, lastAt = now, at
			if i < steps/2 {
				middle = now
			}
		}
	}
	took := time.Since(begun)
	complete := crowd.settle(ctx, committed)
	end, err := h.server.usage()
	if err != nil {
		return err
	}
	busyAfter, err := busy()
	if err != nil {
		return err
	}
	crowd.stop()
	lost, repeated, disordered, foreign, broken := crowd.held(committed)
	told := crowd.told.Load()
	cpu := (end.cpu - quiet.cpu).Seconds() * 1e6 / float64(told)
	size := int(crowd.bytes.Load() / max(told, 1))
	floor, err := bareWrite(ctx, *count, *count / *organizations, *rate, size, min(*duration, 10*time.Second))
	if err != nil {
		return err
	}
	fmt.Printf("\n%d events in %.1f s (%.0f/s), %d told to streams (%.0f/s); lost %d, repeated %d, out of order %d, another organization's %d, streams that broke %d; all there: %v\n",
		steps, took.Seconds(), float64(steps)/took.Seconds(), told, float64(told)/took.Seconds(), lost, repeated, disordered, foreign, broken, complete)
	fmt.Printf("server's CPU %.2f s = %.2f µs an event told; a bare write(2) of its %d bytes, at the same pace to as many sockets, takes %.2f µs: %.2f×\n",
		(end.cpu - quiet.cpu).Seconds(), cpu, size, floor, cpu/floor)
	fmt.Printf("resident: %s at the start, %s in the middle, %s at the end (%+.1f%% since the middle); the whole machine computed %.2f s a second\n",
		mib(quiet.resident), mib(middle.resident), mib(end.resident), 100*float64(end.resident-middle.resident)/float64(middle.resident), (busyAfter-busyBefore)/took.Seconds())
	if lost+repeated+disordered+foreign+broken > 0 {
		return errors.New("not every stream was told everything, once, in order")
	}
	return nil
}
