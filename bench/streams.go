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
	warmUp := flags.Duration("warmup", 3*time.Minute, "how long before that: until tails, memtables and garbage have the room that they may take")
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

	committed := make([]int, 1+*organizations)
	// steady writes at the rate for a time, and shows every so many steps.
	steady := func(steps, every int, show func(step int) error) error {
		begun := time.Now()
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
			if (i+1)%every == 0 {
				if err := show(i); err != nil {
					return err
				}
			}
		}
		return nil
	}
	fmt.Printf("%8s  %10s  %s\n", "seconds", "resident", "server's CPU, cores")
	last, lastAt, zero := quiet, time.Now(), time.Now()
	show := func(int) error {
		now, err := h.server.usage()
		if err != nil {
			return err
		}
		at := time.Now()
		fmt.Printf("%8.1f  %10s  %.2f\n", at.Sub(zero).Seconds(), mib(now.resident), (now.cpu-last.cpu).Seconds()/at.Sub(lastAt).Seconds())
		last, lastAt = now, at
		return nil
	}
	before := int(warmUp.Seconds() * float64(*rate))
	if err := steady(before, max(before/6, 1), show); err != nil {
		return err
	}
	warm, err := h.server.usage()
	if err != nil {
		return err
	}
	fmt.Printf("%8s  from here on it counts\n", "")
	toldBefore, bytesBefore := crowd.told.Load(), crowd.bytes.Load()
	busyBefore, err := busy()
	if err != nil {
		return err
	}
	begun := time.Now()
	steps := int(duration.Seconds() * float64(*rate))
	var middle usage
	err = steady(steps, max(steps/6, 1), func(step int) error {
		err := show(step)
		if step < steps/2 {
			middle = last
		}
		return err
	})
	if err != nil {
		return err
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
	told := crowd.told.Load() - toldBefore
	cpu := (end.cpu - warm.cpu).Seconds() * 1e6 / float64(told)
	size := int((crowd.bytes.Load() - bytesBefore) / max(told, 1))
	floor, err := bareWrite(ctx, *count, *count / *organizations, *rate, size, min(*duration, 10*time.Second))
	if err != nil {
		return err
	}
	fmt.Printf("\n%d events in %.1f s (%.0f/s), %d told to streams (%.0f/s); lost %d, repeated %d, out of order %d, another organization's %d, streams that broke %d; all there: %v\n",
		steps, took.Seconds(), float64(steps)/took.Seconds(), told, float64(told)/took.Seconds(), lost, repeated, disordered, foreign, broken, complete)
	fmt.Printf("server's CPU %.2f s = %.2f µs an event told; a bare write(2) of its %d bytes, at the same pace to as many sockets, takes %.2f µs: %.2f×\n",
		(end.cpu - warm.cpu).Seconds(), cpu, size, floor, cpu/floor)
	fmt.Printf("resident: %s at the start, %s in the middle, %s at the end (%+.1f%%); the whole machine computed %.2f s a second\n",
		mib(warm.resident), mib(middle.resident), mib(end.resident), 100*float64(end.resident-warm.resident)/float64(warm.resident), (busyAfter-busyBefore)/took.Seconds())
	if lost+repeated+disordered+foreign+broken > 0 {
		return errors.New("not every stream was told everything, once, in order")
	}
	return nil
}
