//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// printer is pg_recvlogical, PostgreSQL's own reader of a slot, which prints what
// is decoded into a pipe: the floor. It reads the publication that orgcast reads,
// through a slot of its own.
type printer struct {
	program string
	url     string
	process *process
	pipe    *os.File
}

const printerSlot = "bench_floor"

func newPrinter(h *house) *printer {
	return &printer{program: filepath.Join(h.cluster.Programs(), "pg_recvlogical"), url: h.cluster.URL(database)}
}

// create makes the slot.
func (p *printer) create(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, p.program, "-d", p.url, "--slot", printerSlot, "--create-slot", "-P", "pgoutput").CombinedOutput()
	if err != nil {
		return fmt.Errorf("create slot: %w: %s", err, out)
	}
	return nil
}

// drop removes the slot.
func (p *printer) drop(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, p.program, "-d", p.url, "--slot", printerSlot, "--drop-slot").CombinedOutput()
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
		cmd: exec.Command(p.program, "-d", p.url, "--slot", printerSlot, "--start", "--no-loop", "-f", "-",
			"-o", "proto_version=1", "-o", "publication_names=orgcast"),
		done: make(chan struct{}),
	}
	p.process.cmd.Stdout, p.process.cmd.Stderr = out, p.process
	p.pipe = in
	return in, p.process.run()
}

func (p *printer) close() error {
	err := p.process.terminate()
	p.pipe.Close()
	return err
}
