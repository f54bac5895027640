package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/app"
	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/route"
	"github.com/oikion/orgcast/internal/rulecheck"
	"github.com/oikion/orgcast/internal/session"
)

// rulesCmd is about the rule file.
type rulesCmd struct {
	Check rulesCheckCmd `cmd:"" help:"Tell what the rules send, to whom, and whether the database fits them; change nothing. Exit status 1 if something is to be mended."`
}

type rulesCheckCmd struct {
	File    string `arg:"" optional:"" help:"The rule file, or preset:NAME; by default ORGCAST_RULES, or preset:oikion."`
	Offline bool   `help:"Look at the file alone, at no database."`
	JSON    bool   `name:"json" help:"Print one line of JSON, for scripts."`
}

// rulesPatience bounds the look at a database.
const rulesPatience = 30 * time.Second

// Run prints what the rules send and what is wrong with them.
func (c *rulesCheckCmd) Run(env *environment) error {
	name := cmp.Or(c.File, env.getenv("ORGCAST_RULES"), "preset:oikion")
	var cfg *config.Config
	if !c.Offline {
		var err error
		if cfg, err = config.Load(config.Environ(env.environ)); err != nil {
			return err
		}
	}
	scheme, err := session.SchemeFromEnv(env.getenv)
	if err != nil {
		return err
	}
	source, err := ruleSource(name)
	if err != nil {
		return err
	}
	var report *rulecheck.Report
	if rules, err := app.LoadRules(name, scheme); err != nil {
		report = rulecheck.Refused(name, err)
	} else {
		report = rulecheck.Describe(name, rules, source)
		if cfg != nil {
			if err := fit(env.ctx, report, cfg, rules, source); err != nil {
				return err
			}
		}
	}
	say := report.Print
	if c.JSON {
		say = report.JSON
	}
	if err := say(env.stdout); err != nil {
		return err
	}
	if !report.Sound() {
		return exitStatus(1)
	}
	return nil
}

// ruleSource is the text of a rule file or preset.
func ruleSource(name string) ([]byte, error) {
	if preset, ok := strings.CutPrefix(name, "preset:"); ok {
		return route.PresetSource(preset)
	}
	source, err := os.ReadFile(name)
	if err != nil {
		return nil, orgcast.WithHint("read rules", err, "Give a rule file, or preset:oikion.")
	}
	return source, nil
}

// fit holds the rules against the database that serve reads.
func fit(ctx context.Context, report *rulecheck.Report, cfg *config.Config, rules *route.Rules, source []byte) error {
	ctx, cancel := context.WithTimeout(ctx, rulesPatience)
	defer cancel()
	conn, err := readOnly(ctx, cfg.Database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return report.Fit(ctx, conn, rules, source, app.SetupConfig(cfg, rules))
}

// readOnly opens a connection that can't change anything.
func readOnly(ctx context.Context, d config.Database) (*pgx.Conn, error) {
	c, err := pgx.ParseConfig(d.URL)
	if err != nil { // the driver's error quotes the URL
		return nil, orgcast.WithHint("connect", errors.New("the database's URL can't be read"), "Check ORGCAST_DATABASE_URL.")
	}
	for name, value := range map[string]string{
		"application_name": "orgcast rules check", "search_path": "pg_catalog", "statement_timeout": "15s", "default_transaction_read_only": "on",
	} {
		c.RuntimeParams[name] = value
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, orgcast.WithHint("connect", err, "Check ORGCAST_DATABASE_URL, or look at the file alone with --offline.")
	}
	return conn, nil
}
