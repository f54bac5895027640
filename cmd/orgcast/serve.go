package main

import (
	"github.com/oikion/orgcast/internal/app"
	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/session"
	"github.com/oikion/orgcast/internal/telemetry"
)

type serveCmd struct{}

// Run serves until it is interrupted.
func (serveCmd) Run(env *environment) error {
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
