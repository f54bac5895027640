//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/oikion/orgcast/internal/verify"
	"github.com/oikion/orgcast/internal/verify/check"
	"github.com/oikion/orgcast/internal/verify/house"
	"github.com/oikion/orgcast/internal/verify/load"
	"github.com/oikion/orgcast/internal/verify/nemesis"
	"github.com/oikion/orgcast/internal/verify/truth"
)

// truthSlot is the slot by which the truth is read.
const truthSlot = "verify"

// plan is what is to be done.
type plan struct {
	Seed          uint64
	For           time.Duration
	Organizations int
	Clients       int
	Rate          float64
	Race          bool
	Tags          string
	Only          []string // faults
	Over          map[string]string
	Weights       map[string]int // of the load's kinds of statements, besides its own
	Binary        string         // built already
	Report        string
	Keep          string
	out           io.Writer
}

// run is one run of it.
func (p plan) run(ctx context.Context) (report *Report, err error) {
	dir, err := p.directory()
	if err != nil {
		return nil, err
	}
	if p.Keep == "" {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	fmt.Fprintf(p.out, "seed %d\n", p.Seed)
	binary := p.Binary
	if binary == "" {
		if binary, err = house.Make(ctx, dir, house.Build{Race: p.Race, Tags: p.Tags}); err != nil {
			return nil, err
		}
	}
	h, err := house.Open(ctx, house.Options{Binary: binary, Dir: dir, Over: p.Over})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	r := &running{plan: p, house: h, begun: time.Now()}
	return r.all(ctx)
}

// command repeats it.
func (p plan) command() string {
	c := fmt.Sprintf("go run ./verify -seed %d -for %v -organizations %d -clients %d -rate %g", p.Seed, p.For, p.Organizations, p.Clients, p.Rate)
	if p.Race {
		c += " -race"
	}
	if len(p.Only) > 0 {
		c += fmt.Sprintf(" -only %q", strings.Join(p.Only, ","))
	}
	return c
}

func (p plan) directory() (string, error) {
	if p.Keep != "" {
		return p.Keep, os.Mkdir(p.Keep, 0o755)
	}
	dir, err := os.MkdirTemp("", "orgcast-verify-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755) // the log's disk is below
}

// running is a run under way.
type running struct {
	plan
	house   *house.House
	begun   time.Time
	load    *load.Load
	reader  *truth.Reader
	nemesis *nemesis.Nemesis
	crowd   *crowd

	mu      sync.Mutex
	model   *truth.Model
	facts   []verify.Fact
	commits []verify.Commit
	changes int

	incidents []nemesis.Incident
	without   []string
}

// clock is ns since the run's beginning; never 0.
func (r *running) clock() int64 { return int64(time.Since(r.begun)) + 1 }

func (r *running) logf(format string, args ...any) {
	fmt.Fprintf(r.out, "%8.2fs  %s\n", time.Since(r.begun).Seconds(), fmt.Sprintf(format, args...))
}

// all is the whole of it, from an empty database to the report.
func (r *running) all(ctx context.Context) (*Report, error) {
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel(nil)
	work.Go(func() {
		if err := r.reader.Run(ctx, r.commit); err != nil && ctx.Err() == nil {
			cancel(fmt.Errorf("read the truth: %w", err))
		}
	})
	r.crowd.start(ctx)
	defer r.crowd.stop()
	writing, stopWriting := context.WithCancel(ctx)
	var writers sync.WaitGroup
	defer writers.Wait()
	defer stopWriting()
	writers.Go(func() {
		if err := r.load.Run(writing); err != nil && writing.Err() == nil {
			cancel(fmt.Errorf("write: %w", err))
		}
	})
	if err := r.breakThings(ctx); err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	stopWriting()
	writers.Wait()
	r.crowd.settle()
	stuck, err := r.settle(ctx)
	if err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	metrics, err := r.house.Server.Metrics(ctx)
	if err != nil {
		return nil, err
	}
	r.crowd.stop()
	cancel(nil)
	work.Wait()
	if err := r.house.Server.Terminate(context.WithoutCancel(ctx), 30*time.Second); err != nil {
		stuck = append(stuck, check.Finding{Offence: check.Stuck, Client: "the server", At: r.clock(), Text: err.Error()})
	}
	return r.judge(stuck, metrics), nil
}

// open fills the database and starts everything that waits for something to happen.
func (r *running) open(ctx context.Context) (err error) {
	r.load, err = load.New(load.Options{
		URL: r.house.URL(), Seed: r.Seed, Organizations: r.Organizations, Users: r.users(), Writers: 6, Rate: r.Rate, Clock: r.clock,
		Churn: r.churned(), Doomed: r.doomed(), Weights: r.Weights,
	})
	if err != nil {
		return err
	}
	if err := r.load.Fill(ctx); err != nil {
		return fmt.Errorf("fill the database: %w", err)
	}
	if r.reader, err = truth.Open(ctx, r.house.URL(), truthSlot, house.Publication); err != nil {
		return fmt.Errorf("open the truth: %w", err)
	}
	r.model = truth.New(r.reader.Snapshot())
	if err := r.house.Server.Start(); err != nil {
		return err
	}
	if _, err := r.house.Server.Ready(ctx, time.Minute); err != nil {
		return err
	}
	r.nemesis = nemesis.New(r.house, r.Seed, r.clock, truthSlot)
	r.crowd, err = r.gather(ctx)
	return err
}

// commit is told of each transaction, in commit order.
func (r *running) commit(t verify.Transaction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	facts := r.model.Commit(t)
	for i := range facts {
		// The rule file of the fault "rules" does not name it.
		if o := facts[i].Ordinal; o < uint64(len(t.Changes)) && t.Changes[o].Table == "media_assets" {
			facts[i].May, facts[i].Why = true, "the rule file of the moment may not name media_assets"
		}
	}
	r.facts = append(r.facts, facts...)
	r.changes += len(t.Changes)
	r.commits = append(r.commits, verify.Commit{LSN: t.LSN, XID: t.XID, Seen: r.clock()})
}

// breakThings does one fault after another until the time is over, with quiet
// seconds between.
func (r *running) breakThings(ctx context.Context) error {
	end := time.Now().Add(r.For)
	if err := verify.Pause(ctx, 2*time.Second); err != nil {
		return err
	}
	for time.Now().Before(end) {
		var names []string
		names, r.without = r.nemesis.Schedule(r.Only)
		if len(names) == 0 {
			return verify.Pause(ctx, time.Until(end))
		}
		for _, name := range names {
			if !time.Now().Before(end) {
				return nil
			}
			incident, err := r.nemesis.Do(ctx, name)
			if err != nil {
				return err
			}
			r.incidents = append(r.incidents, incident)
			how := fmt.Sprintf("%.1f s until mended, ready %.1f s later", float64(incident.Gone-incident.At)/1e9, float64(incident.Ready-incident.Gone)/1e9)
			if incident.Problem != "" {
				how = "NOT READY AGAIN: " + incident.Problem
			}
			r.logf("%-22s %s", name, how)
			if err := verify.Pause(ctx, r.quiet(len(r.incidents))); err != nil {
				return err
			}
		}
	}
	return nil
}

// quiet is the time between two faults: now and then long enough that everybody is
// live, mostly short.
func (r *running) quiet(n int) time.Duration {
	if n%4 == 0 {
		return 3 * time.Second
	}
	return time.Duration(n%3) * 700 * time.Millisecond
}
