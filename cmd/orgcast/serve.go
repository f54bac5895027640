package main

import (
	"runtime/debug"

	"github.com/oikion/orgcast/internal/app"
	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/session"
	"github.com/oikion/orgcast/internal/telemetry"
)

type serveCmd struct{}

// garbagePercent is how much garbage may gather, as a share of what is in use,
// before it is collected. Go's 100 lets a process take twice what it needs. Half of
// that costs little here: what is in use is mostly bytes without pointers, and the
// path of a row makes hardly any garbage.
const garbagePercent = 50

// Run serves until it is interrupted. GOGC and GOMEMLIMIT are the operator's.
func (serveCmd) Run(env *environment) error {
	if env.getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	c, err := config.Load(config.Environ(env.environ))
	if err != nil {
		return err
	}
	log, err := telemetry.NewLogger(env.stderr, c.LogLevel, c.LogFormat)
	if err != nil {
		return err
	}
	s, err := session.FromEnv(env.getenv)
	if err != nil {
		return err
	}
	a, err := app.New(c, s, log, version)
	if err != nil {
		return err
	}
	return a.Run(env.ctx)
}
