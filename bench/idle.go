package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"
)

// idle looks at a server on a database in which nothing happens.
func idle(ctx context.Context, flags *flag.FlagSet, args []string) (err error) {
	span := flags.Duration("span", 30*time.Second, "how long each is looked at")
	count := flags.Int("streams", 1000, "open streams of the second look")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := raiseFiles(); err != nil {
		return err
	}
	h, err := newHouse(ctx, 10)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := h.serve(ctx, nil); err != nil {
		return err
	}
	look := func(streams int) (int64, error) {
		pause(ctx, 2*time.Second)
		before, err := h.server.usage()
		if err != nil {
			return 0, err
		}
		pause(ctx, *span)
		after, err := h.server.usage()
		if err != nil {
			return 0, err
		}
		fmt.Printf("%5d streams: %s resident, %.2f%% of a core\n", streams, mib(after.resident), 100*(after.cpu-before.cpu).Seconds()/span.Seconds())
		return after.resident, nil
	}
	empty, err := look(0)
	if err != nil {
		return err
	}
	crowd, err := gather(ctx, h, *count, 10)
	if err != nil {
		return err
	}
	defer crowd.close()
	full, err := look(*count)
	if err != nil {
		return err
	}
	fmt.Printf("%.1f KiB a stream; a heartbeat every 15 s to each\n", float64(full-empty)/1024/float64(*count))
	return nil
}
