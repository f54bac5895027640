//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/oikion/orgcast"
)

// ownCPU is what this process has computed.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // it has one way to fail, and that is another argument
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// busyOrganization is one of those that have the most.
func (w *logWriter) busyOrganization(i int) orgcast.OrganizationID {
	return w.organization(i * 5)
}

// positions lists the cursors of all of an organization's events.
func (w *logWriter) positions(ctx context.Context, organization orgcast.OrganizationID) (at []orgcast.Cursor, err error) {
	err = w.log.Read(ctx, organization, w.log.FloorOf(organization), orgcast.Position(logEpoch, w.log.Position()), func(e *orgcast.Event) bool {
		at = append(at, e.Cursor)
		return true
	})
	return at, err
}

// read reads so many events from a cursor on.
func (w *logWriter) read(ctx context.Context, organization orgcast.OrganizationID, after orgcast.Cursor, events int) error {
	n := 0
	err := w.log.Read(ctx, organization, after, orgcast.Position(logEpoch, w.log.Position()), func(*orgcast.Event) bool {
		n++
		return n < events
	})
	if err == nil && n != events {
		err = fmt.Errorf("%s has %d events, not %d", organization, n, events)
	}
	return err
}

// readings reads back 1,000 events of one organization, of many, each twice: the
// first time its blocks are not in the log's memory.
func (w *logWriter) readings(ctx context.Context) error {
	const events, some = 1000, 200
	var first, warm sample
	for i := range some {
		o := w.busyOrganization(i)
		for _, s := range []*sample{&first, &warm} {
			begun := time.Now()
			if err := w.read(ctx, o, w.log.FloorOf(o), events); err != nil {
				return err
			}
			*s = append(*s, time.Since(begun))
		}
	}
	fmt.Printf("read back %d events of one organization, %d of them in turn: the first time %v; again %v\n", events, some, first, warm)
	return nil
}

// storm lets clients resume at once while events are appended, at the log itself.
func (w *logWriter) storm(ctx context.Context, clients, each int) error {
	const rate, size, alone = 5000, 16, 5 * time.Second
	after := map[orgcast.OrganizationID]orgcast.Cursor{}
	for i := range clients {
		o := w.busyOrganization(i)
		if _, known := after[o]; known {
			continue
		}
		at, err := w.positions(ctx, o)
		if err != nil {
			return err
		}
		if len(at) <= each {
			return fmt.Errorf("%s has %d events only", o, len(at))
		}
		after[o] = at[len(at)-each-1]
	}
	before, begun := ownCPU(), time.Now()
	if _, err := w.pace(ctx, size, rate, alone); err != nil {
		return err
	}
	quiet := w.taken()
	core := float64(ownCPU()-before) / float64(time.Since(begun))

	running, stop := context.WithCancel(ctx)
	var appending sync.WaitGroup
	defer func() { stop(); appending.Wait() }()
	var failed error
	appending.Go(func() { _, failed = w.pace(running, size, rate, time.Minute) })
	before, begun = ownCPU(), time.Now()
	errs := make(chan error, clients)
	for i := range clients {
		o := w.busyOrganization(i)
		go func() { errs <- w.read(ctx, o, after[o], each) }()
	}
	for range clients {
		if err := <-errs; err != nil {
			return err
		}
	}
	took, cpu := time.Since(begun), ownCPU()-before
	pause(ctx, time.Second) // what was appended meanwhile is synced, and measured
	stop()
	appending.Wait()
	if failed != nil {
		return failed
	}
	fmt.Printf("%d readers resume %d events each at once, while %d a second are appended: %.0f ms, %.2f s of CPU, %.2f s of it for the appends; append to durable before %v, meanwhile and a second longer %v\n",
		clients, each, rate, ms(took), cpu.Seconds(), core*took.Seconds(), quiet, w.taken())
	return nil
}
