//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/oikion/orgcast/internal/verify/check"
	"github.com/oikion/orgcast/internal/verify/house"
)

// fault is one that is planted into the server (internal/plant), with what must
// happen for it to be seen, and what it is then called.
type fault struct {
	name   string
	faults []string // of the nemesis
	over   map[string]string
	as     []check.Offence // one of these
}

// planted are all that are known. A server without any must pass the same runs.
var planted = []fault{
	{"confirm-before-sync", []string{"disk stuck, kill"}, nil, []check.Offence{check.Lost, check.FalseEpoch}},
	{"no-duplicate-gate", []string{"walsender ended", "kill"}, nil, []check.Offence{check.Repeated, check.Split, check.Disordered, check.Unknown, check.Wrong}},
	{"replay-off-by-one", []string{"clients cut"}, nil, []check.Offence{check.Lost}},
	{"replay-unfiltered", []string{"kill", "clients cut"}, nil, []check.Offence{check.Unfiltered}},
	{"membership-late", []string{"clients cut"}, nil, []check.Offence{check.Revoked, check.FalseAnswer, check.Lost}},
	{"toast-null", []string{"clients cut"}, nil, []check.Offence{check.Wrong}},
	{"transaction-split", []string{"clients cut"}, nil, []check.Offence{check.Split, check.Disordered, check.Unknown, check.Lost}},
	{"move-wrong-organization", []string{"clients cut"}, nil, []check.Offence{check.Foreign}},
	{"parent-late", []string{"clients cut"}, nil, []check.Offence{check.Lost, check.Foreign, check.Unknown}},
	{"cursor-by-rule", []string{"rules", "clients cut"}, nil, []check.Offence{check.Unknown, check.Wrong, check.Lost}},
	{"ready-early", []string{"walsender freeze"}, nil, []check.Offence{check.FalseReady}},
	{"stale-untold", []string{"walsender freeze"}, nil, []check.Offence{check.FalseLive}},
	{"audience-ignored", []string{"clients cut"}, nil, []check.Offence{check.Audience}},
}

// plantedWeights are what is written more often, so that half a minute has enough of it.
var plantedWeights = map[string]int{
	"members.leave": 300, "members.join": 400, "members.role": 100, "properties.move": 300, "clients.move": 200, "message.alert": 200,
}

// plantedFor is how long each is looked for.
const plantedFor = 25 * time.Second

// catch plants one after another and says which were caught, as what.
func catch(ctx context.Context, p plan, only string) (clean bool, err error) {
	dir, err := os.MkdirTemp("", "orgcast-planted-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binary, err := house.Make(ctx, dir, house.Build{Tags: "plant"})
	if err != nil {
		return false, err
	}
	clean = true
	var table strings.Builder
	fmt.Fprintf(&table, "| planted | caught as | findings | deliveries |\n|---|---|---|---|\n")
	list := append([]fault{{name: "(none)", faults: []string{"kill", "clients cut", "walsender ended", "rules"}}}, planted...)
	for _, f := range list {
		if only != "" && !slices.Contains(strings.Split(only, ","), f.name) {
			continue
		}
		q := p
		q.Binary, q.For, q.Only, q.Weights, q.Report, q.out = binary, plantedFor, f.faults, plantedWeights, "", io.Discard
		if f.name != "(none)" {
			q.Over = map[string]string{"ORGCAST_PLANT": f.name}
		}
		report, err := q.run(ctx)
		if err != nil {
			return false, fmt.Errorf("planted %s, seed %d: %w", f.name, p.Seed, err)
		}
		caught, found := f.verdict(report)
		clean = clean && caught
		findings := 0
		for _, n := range report.Offences {
			findings += n
		}
		line := fmt.Sprintf("| %s | %s | %d | %d |\n", f.name, found, findings, report.Counts.Deliveries)
		table.WriteString(line)
		fmt.Fprint(p.out, line)
		if !caught {
			fmt.Fprintln(p.out, report.markdown())
		}
	}
	if p.Report != "" {
		return clean, os.WriteFile(p.Report, []byte(table.String()), 0o644)
	}
	return clean, nil
}

// verdict says whether a fault was caught by one of its names; nothing planted,
// whether nothing was found.
func (f fault) verdict(r *Report) (caught bool, found string) {
	var names []string
	for _, o := range check.Offences {
		if r.Offences[o] > 0 {
			names = append(names, string(o))
			caught = caught || slices.Contains(f.as, o)
		}
	}
	if f.as == nil {
		return len(names) == 0, "nothing, as it should: " + strings.Join(names, ", ")
	}
	if !caught {
		return false, "NOT CAUGHT: " + strings.Join(names, ", ")
	}
	return true, strings.Join(names, ", ")
}
