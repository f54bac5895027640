//go:build linux

package main

import (
	"fmt"
	"os"

	"github.com/oikion/orgcast/internal/verify"
	"github.com/oikion/orgcast/internal/verify/check"
)

// detail writes each finding with what happened to its client around it.
func (r *running) detail(path string, findings []check.Finding) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	records := map[string]*verify.Record{}
	for _, c := range r.crowd.records {
		records[c.Client] = c
	}
	shown := map[string]int{}
	for _, n := range findings {
		if shown[n.Client]++; shown[n.Client] > maxFindings {
			continue
		}
		fmt.Fprintf(f, "%v\n", n)
		if c := records[n.Client]; c != nil {
			at := n.Entry
			if n.Offence == check.Stuck {
				at = len(c.Entries)
			}
			for i := max(0, at-12); i < min(len(c.Entries), at+4); i++ {
				e := c.Entries[i]
				data := ""
				if e.Data != nil {
					data = *e.Data
				}
				fmt.Fprintf(f, "\t%d %9.3f %v %v %d %s %.400s\n", i, float64(e.At)/1e9, e.What, e.Cursor, e.Status, e.Reason, data)
			}
		}
	}
	return f.Close()
}
