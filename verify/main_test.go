//go:build linux

package main

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// TestAShortRunIsClean is the proof in small: half a minute of what `make verify`
// does in minutes, with a server that has the race detector in it.
func TestAShortRunIsClean(t *testing.T) {
	var out bytes.Buffer
	p := plan{
		Seed: rand.Uint64N(1 << 32), For: 25 * time.Second, Organizations: 5, Clients: 30, Rate: 40, Race: true, out: &out,
		Only: []string{"kill", "database crash", "walsender ended", "clients cut", "rules", "redeploy", "slot dropped", "log torn", "disk full"},
	}
	report, err := p.run(t.Context())
	if err != nil {
		t.Fatalf("seed %d: %v\n%s", p.Seed, err, out.String())
	}
	t.Log(report.markdown())
	if !report.Clean() {
		t.Errorf("seed %d is not clean:\n%s", p.Seed, out.String())
	}
	if report.Transactions < 200 || report.Counts.Deliveries < 1000 || report.FaultsInAll < 3 {
		t.Errorf("the run did too little: %d transactions, %d deliveries, %d faults", report.Transactions, report.Counts.Deliveries, report.FaultsInAll)
	}
}
