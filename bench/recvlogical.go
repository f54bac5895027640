//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/oikion/orgcast"
)

// printer is pg_recvlogical, PostgreSQL's own reader of a slot, which prints what
// is decoded into a pipe: the floor. It reads the publication that orgcast reads,
// through a slot of its own.
type printer struct {
	program string
	slot    string
	url     string
	process *process
	pipe    *os.File
}

func newPrinter(h *house) *printer {
	return &printer{program: filepath.Join(h.cluster.Programs(), "pg_recvlogical"), slot: "bench_floor", url: h.cluster.URL(database)}
}

// create makes the slot.
func (p *printer) create(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, p.program, "-d", p.url, "--slot", p.slot, "--create-slot", "-P", "pgoutput").CombinedOutput()
	if err != nil {
		return fmt.Errorf("create slot: %w: %s", err, out)
	}
	return nil
}

// drop removes the slot.
func (p *printer) drop(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, p.program, "-d", p.url, "--slot", p.slot, "--drop-slot").CombinedOutput()
	if err != nil {
		return fmt.Errorf("drop slot: %w: %s", err, out)
	}
	return nil
}

func (p *printer) open(context.Context) (io.Reader, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.process = &process{
		cmd: exec.Command(p.program, "-d", p.url, "--slot", p.slot, "--start", "--no-loop", "-f", "-",
			"-o", "proto_version=1", "-o", "publication_names=orgcast"),
		done: make(chan struct{}),
	}
	p.process.cmd.Stdout, p.process.cmd.Stderr = out, p.process
	p.pipe = in
	return in, p.process.run()
}

// discard reads up to an LSN into /dev/null, and returns what CPU that took.
func (p *printer) discard(ctx context.Context, until orgcast.LSN) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, p.program, "-d", p.url, "--slot", p.slot, "--start", "--no-loop", "-f", "/dev/null",
		"--endpos", until.String(), "-o", "proto_version=1", "-o", "publication_names=orgcast")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("pg_recvlogical: %w: %s", err, out)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

func (p *printer) close() error {
	err := p.process.terminate()
	p.pipe.Close()
	return err
}
