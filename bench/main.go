//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/oikion/orgcast"
)

// benchmark is one question, with the program that answers it.
type benchmark struct {
	name, question string
	run            func(ctx context.Context, flags *flag.FlagSet, args []string) error
}

var benchmarks = []benchmark{
	{"latency", "how long from a commit's return to the bytes at a client, beside pg_recvlogical?", latency},
	{"giant", "how much memory does a transaction of 400,000 rows take, and how long does the next one wait?", giant},
	{"consumer", "what CPU does reading the WAL take, beside pg_recvlogical?", consumer},
	{"streams", "are 5,000 streams told everything, in flat memory, and at which price?", streams},
	{"idle", "what does a server cost that has nothing to do?", idle},
	{"log", "what do appends with fsync, replays and a thousand clients that resume at once cost?", eventLog},
	{"session", "what does the check of a session cost?", sessions},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		if hint := orgcast.Hint(err); hint != "" {
			fmt.Fprintln(os.Stderr, "  →", hint)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return help()
	}
	for _, b := range benchmarks {
		if b.name != args[0] {
			continue
		}
		fmt.Printf("%s: %s\n%s, %d cores, load average %s, %s\n\n", b.name, b.question,
			runtime.Version(), runtime.NumCPU(), loadAverage(), time.Now().UTC().Format("2006-01-02 15:04"))
		flags := flag.NewFlagSet(b.name, flag.ContinueOnError)
		return b.run(ctx, flags, args[1:])
	}
	return help()
}

func help() error {
	var names []string
	for _, b := range benchmarks {
		names = append(names, b.name)
	}
	return errors.New("usage: go run ./bench " + strings.Join(names, "|") + " [flags]")
}
