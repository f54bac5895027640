package main

import (
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/app"
	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/setup"
)

type setupCmd struct {
	Print bool `help:"Print the SQL for a database administrator; change nothing." xor:"what"`
	Undo  bool `help:"Put everything back as it was before the first setup." xor:"what"`
}

// Run prepares the database, prints how, or undoes it.
func (c setupCmd) Run(env *environment) error {
	cfg, err := config.Load(config.Environ(env.environ))
	if err != nil {
		return err
	}
	s, err := setupConfig(cfg)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(env.ctx, cfg.SetupDatabase.URL)
	if err != nil {
		return orgcast.WithHint("connect", err, "Set ORGCAST_SETUP_DATABASE_URL to the database as the owner of its tables.")
	}
	defer conn.Close(context.WithoutCancel(env.ctx))
	switch {
	case c.Print:
		return setup.Print(env.ctx, conn, s, env.stdout)
	case c.Undo:
		report, err := setup.Undo(env.ctx, conn, s)
		printReport(env.stdout, report)
		return err
	}
	report, err := setup.Apply(env.ctx, conn, s)
	printReport(env.stdout, report)
	if err != nil {
		return err
	}
	fmt.Fprintln(env.stdout, "The database is ready for orgcast serve.")
	return nil
}

// setupConfig says what the database must have. A role is made if serve has one
// of its own.
func setupConfig(cfg *config.Config) (setup.Config, error) {
	rules, err := app.LoadRules(cfg.Rules)
	if err != nil {
		return setup.Config{}, err
	}
	s := app.SetupConfig(cfg, rules)
	if cfg.SetupDatabaseURL != "" && cfg.SetupDatabase.User != cfg.Database.User {
		s.Role, s.RolePassword = cfg.Database.User, cfg.Database.Password
	}
	return s, nil
}

func printReport(w io.Writer, r *setup.Report) {
	if r == nil {
		return
	}
	for _, s := range r.Steps {
		mark := "done   "
		if s.Already {
			mark = "already"
		}
		fmt.Fprintf(w, "  %s  %s\n", mark, s.Name)
	}
	for _, p := range r.Warnings {
		fmt.Fprintf(w, "  warning  %s: %s\n           → %s\n", p.Code, p.Text, p.Hint)
	}
}
