package app

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// visibility knows which transactions were handed out that other sessions of the
// database may not see yet: a commit is in the WAL an instant before it is
// visible, and longer where a standby must have it first. A cursor that was taken
// in that instant, with a read right after it, would miss them.
type visibility struct {
	mu sync.Mutex
	// recent are the XIDs handed out last. What is older is visible long since.
	recent [4096]uint32
	count  int
}

// dispatching notes a transaction before the watermark is raised to it.
func (v *visibility) dispatching(xid uint32) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.recent[v.count%len(v.recent)] = xid
	v.count++
}

// wait waits until a snapshot, given as pg_current_snapshot prints it, sees all
// that had been handed out when it was called.
func (v *visibility) wait(ctx context.Context, snapshot func(context.Context) (string, error)) error {
	v.mu.Lock()
	xids := append([]uint32(nil), v.recent[:min(v.count, len(v.recent))]...)
	v.mu.Unlock()
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		text, err := snapshot(ctx)
		if err != nil {
			return err
		}
		hidden, err := hiding(text)
		if err != nil {
			return err
		}
		// Not the whole list again: what was seen once stays visible.
		kept := xids[:0]
		for _, xid := range xids {
			if hidden(xid) {
				kept = append(kept, xid)
			}
		}
		if xids = kept; len(xids) == 0 {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("wait until the commits are visible: %w", ctx.Err())
		}
	}
}

// hiding reads a snapshot, "xmin:xmax:xid,xid,…", and tells whether it does not
// see a transaction. Its XIDs have 64 bits, those of the WAL the lower 32.
func hiding(snapshot string) (func(xid uint32) bool, error) {
	parts := strings.Split(snapshot, ":")
	if len(parts) != 3 {
		return nil, fmt.Errorf("read snapshot %q: not three parts", snapshot)
	}
	xmax, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read snapshot %q: %w", snapshot, err)
	}
	running := map[uint32]bool{}
	for text := range strings.SplitSeq(parts[2], ",") {
		if text == "" {
			continue
		}
		xid, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read snapshot %q: %w", snapshot, err)
		}
		running[uint32(xid)] = true
	}
	return func(xid uint32) bool { return running[xid] || int32(xid-uint32(xmax)) >= 0 }, nil
}
