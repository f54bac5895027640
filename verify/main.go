//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	clean, err := command(ctx, os.Args[1:])
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(2)
	case !clean:
		os.Exit(1)
	}
}

// command is one call of the program. clean: nothing is counted against the server.
func command(ctx context.Context, args []string) (clean bool, err error) {
	p := plan{out: os.Stdout}
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.Uint64Var(&p.Seed, "seed", 0, "repeat the run of this seed; 0: a random one, which is printed")
	flags.DurationVar(&p.For, "for", 3*time.Minute+30*time.Second, "how long things are broken")
	flags.IntVar(&p.Organizations, "organizations", 8, "organizations")
	flags.IntVar(&p.Clients, "clients", 60, "clients")
	flags.Float64Var(&p.Rate, "rate", 60, "transactions a second")
	flags.BoolVar(&p.Race, "race", false, "build the server with the race detector")
	flags.StringVar(&p.Report, "report", "", "write the report to this file (Markdown) and beside it as JSON")
	flags.StringVar(&p.Keep, "keep", "", "work in this new directory and leave it")
	only := flags.String("only", "", "only these faults, separated by commas; none: \"none\"")
	planted := flags.Bool("planted", false, "plant each known fault into the server, and see whether it is caught")
	plants := flags.String("plants", "", "with -planted: only these, separated by commas")
	if err := flags.Parse(args); err != nil {
		return false, err
	}
	if flags.NArg() > 0 {
		return false, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if p.Seed == 0 {
		p.Seed = rand.Uint64N(1 << 32)
	}
	if *only != "" {
		p.Only = strings.Split(*only, ",")
	}
	if *planted {
		return catch(ctx, p, *plants)
	}
	report, err := p.run(ctx)
	if err != nil {
		return false, fmt.Errorf("seed %d: %w", p.Seed, err)
	}
	if err := report.write(p.out, p.Report); err != nil {
		return false, err
	}
	return report.Clean(), nil
}
