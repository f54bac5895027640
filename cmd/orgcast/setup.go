package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/app"
	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/session"
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
	scheme, err := session.SchemeFromEnv(env.getenv)
	if err != nil {
		return err
	}
	s, err := setupConfig(cfg, scheme)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(env.ctx, cfg.SetupDatabase.URL)
	if err != nil {
		return orgcast.WithHint("connect", err, "Set ORGCAST_SETUP_DATABASE_URL to the database as the owner of its tables.")
	}
	defer conn.Close(context.WithoutCancel(env.ctx))
	if c.Print {
		return setup.Print(env.ctx, conn, s, env.stdout)
	}
	do, end := setup.Apply, "Next: orgcast serve."
	if c.Undo {
		do, end = setup.Undo, "The application's tables are as they were."
	}
	report, err := do(env.ctx, conn, s)
	fmt.Fprintf(env.stdout, "Database %s at %s, as %s\n", cfg.SetupDatabase.Name, cfg.SetupDatabase.Host, cfg.SetupDatabase.User)
	printReport(env.stdout, report)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(report.Warnings, func(p setup.Problem) bool { return p.Fatal }) {
		end = "orgcast serve will not start until what is marked ✗ is mended."
	}
	fmt.Fprintln(env.stdout, end)
	return nil
}

// setupConfig says what the database must have. A role is made if serve has one
// of its own.
func setupConfig(cfg *config.Config, scheme session.Scheme) (setup.Config, error) {
	rules, err := app.LoadRules(cfg.Rules, scheme)
	if err != nil {
		return setup.Config{}, err
	}
	s := app.SetupConfig(cfg, rules)
	if cfg.SetupDatabaseURL != "" && cfg.SetupDatabase.User != cfg.Database.User {
		s.Role, s.RolePassword = cfg.Database.User, cfg.Database.Password
	}
	return s, nil
}

// printReport prints what was done, what was so already in one line, and what
// is still to be seen to. There may be a report beside an error: what is in it
// was done.
func printReport(w io.Writer, r *setup.Report) {
	if r == nil {
		return
	}
	already := 0
	for _, s := range r.Steps {
		if s.Already {
			already++
		} else {
			fmt.Fprintln(w, "  +", s.Name)
		}
	}
	if already > 0 {
		fmt.Fprintf(w, "  = %d of %d steps were done before\n", already, len(r.Steps))
	}
	for _, p := range r.Warnings {
		mark := "!"
		if p.Fatal {
			mark = "✗"
		}
		fmt.Fprintf(w, "  %s %s\n    → %s\n", mark, p.Text, p.Hint)
	}
}
