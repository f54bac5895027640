package main

import (
	"github.com/oikion/orgcast/internal/app"
	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/doctor"
)

type doctorCmd struct {
	JSON   bool   `name:"json" help:"Print one line of JSON, for scripts."`
	Strict bool   `help:"Exit with 1 for warnings, too."`
	URL    string `name:"url" placeholder:"URL" help:"The stream's address as browsers reach it, as in https://app.example.com/api/realtime/stream: look at the way through the proxy, too."`
}

// Run prints what is wrong, each with its cure. Exit status 1 if something keeps
// serve from working.
func (c doctorCmd) Run(env *environment) error {
	report, err := doctor.Examine(env.ctx, doctor.Options{
		Environ: config.Environ(env.environ), LoadRules: app.LoadRules, SetupConfig: app.SetupConfig, URL: c.URL,
	})
	if err != nil {
		return err
	}
	say := report.Print
	if c.JSON {
		say = report.JSON
	}
	if err := say(env.stdout); err != nil {
		return err
	}
	if !report.Sound(c.Strict) {
		return exitStatus(1)
	}
	return nil
}
