package main

import (
	"fmt"

	"github.com/oikion/orgcast/internal/demo"
	"github.com/oikion/orgcast/internal/telemetry"
)

type demoCmd struct {
	Verbose bool `short:"v" help:"Show orgcast's own log."`
}

// Run shows the whole thing on a throwaway database, until it is interrupted.
func (c demoCmd) Run(env *environment) error {
	level := "error"
	if c.Verbose {
		level = "info"
	}
	log, err := telemetry.NewLogger(env.stderr, level, "text")
	if err != nil {
		return err
	}
	if err := demo.Run(env.ctx, demo.Options{Version: version, Out: env.stdout, Log: log, Getenv: env.getenv}); err != nil {
		return err
	}
	fmt.Fprintln(env.stdout, "Stopped. Nothing is left behind.")
	return nil
}
