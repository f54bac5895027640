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

// largePercent is the same while a transaction goes through that is not held in
// memory. What is in use is several times as much then, for seconds, nearly all of
// it bytes that the collection need not look at: it is cheap, and half of that as
// garbage would be what the process is sized for.
const largePercent = 20

// Run serves until it is interrupted. GOGC and GOMEMLIMIT are the operator's.
func (serveCmd) Run(env *environment) error {
	own := env.getenv("GOGC") == ""
	if own {
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
	if own {
		a.Large = func(large bool) {
			if large {
				debug.SetGCPercent(largePercent)
			} else {
				debug.SetGCPercent(garbagePercent)
			}
		}
	}
	return a.Run(env.ctx)
}
