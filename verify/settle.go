//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/oikion/orgcast/internal/verify"
	"github.com/oikion/orgcast/internal/verify/check"
)

// converge is how long, when all is mended and nothing is written any more, a client
// may take to come to the end.
const converge = time.Minute

// settle waits until the truth has all that was written and every client too.
func (r *running) settle(ctx context.Context) (stuck []check.Finding, err error) {
	if _, err := r.house.Server.Ready(ctx, time.Minute); err != nil {
		stuck = append(stuck, check.Finding{Offence: check.Stuck, Client: "the server", At: r.clock(), Text: err.Error()})
	}
	wal, err := r.house.Ask(ctx, `SELECT (pg_current_wal_flush_lsn() - '0/0')::text`)
	if err != nil {
		return nil, err
	}
	var end uint64
	if _, err := fmt.Sscan(wal, &end); err != nil {
		return nil, fmt.Errorf("the WAL's end is %q: %w", wal, err)
	}
	deadline, cancel := context.WithTimeout(ctx, converge)
	defer cancel()
	for r.reader.Reached() < end {
		if err := verify.Pause(deadline, 20*time.Millisecond); err != nil {
			return nil, fmt.Errorf("the truth has come to %x, not to %x", r.reader.Reached(), end)
		}
	}
	r.mu.Lock()
	last := uint64(0)
	if n := len(r.commits); n > 0 {
		last = r.commits[n-1].LSN
	}
	members := r.model.Members()
	r.mu.Unlock()
	r.logf("all is written; waiting for %d clients to come to %v", len(r.crowd.ears), verify.Place{LSN: last})
	said := time.Now()
	for {
		behind := r.crowd.behind(last, members)
		if time.Since(said) > 5*time.Second && len(behind) > 0 {
			said = time.Now()
			r.logf("%d are not there yet; %s is at %v: %s", len(behind), behind[0].name, behind[0].reached, behind[0].state)
		}
		if len(behind) == 0 {
			r.logf("all have come")
			return stuck, nil
		}
		if verify.Pause(deadline, 50*time.Millisecond) != nil {
			for _, b := range behind {
				stuck = append(stuck, check.Finding{Offence: check.Stuck, Client: b.name, At: r.clock(), Text: fmt.Sprintf("at %v, not at %v: %s", b.reached, verify.Place{LSN: last}, b.state)})
			}
			return stuck, ctx.Err()
		}
	}
}
