package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/examples/oikion"
	"github.com/oikion/orgcast/internal/app"
	"github.com/oikion/orgcast/internal/cluster"
	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/session"
	"github.com/oikion/orgcast/internal/setup"
	"github.com/oikion/orgcast/internal/telemetry"
)

type demoCmd struct {
	Verbose bool `short:"v" help:"Show orgcast's own log."`
}

// demoUsers are who the demo signs in: see demo.sql.
var demoUsers = []orgcast.UserID{"alice", "bob", "carol"}

// Run shows the whole thing on a throwaway database, until it is interrupted.
// Nothing is left behind.
func (c demoCmd) Run(env *environment) (err error) {
	if env.getenv("NODE_ENV") == "production" || env.getenv("DATABASE_URL") != "" {
		return orgcast.WithHint("start demo", errors.New("this looks like a place where an application runs: NODE_ENV is production, or DATABASE_URL is set"),
			"Run the demo in a shell without them: it makes a database of its own.")
	}
	dir, err := os.MkdirTemp("", "orgcast-demo-")
	if err != nil {
		return fmt.Errorf("start demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintln(env.stdout, "Starting a throwaway PostgreSQL on this machine …")
	pg, err := cluster.Start(env.ctx, cluster.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pg.Close()) }()

	password := rand.Text()
	application := pg.URLAs("oikion", rand.Text(), "oikion")
	if err := fillDemo(env.ctx, pg, application); err != nil {
		return err
	}
	vars := map[string]string{
		"ORGCAST_SETUP_DATABASE_URL": pg.URL("oikion"),
		"ORGCAST_DATABASE_URL":       pg.URLAs("orgcast", password, "oikion"),
		"ORGCAST_DATA_DIR":           filepath.Join(dir, "data"),
		"ORGCAST_LISTEN":             freeAddress("127.0.0.1:4050"),
		"ORGCAST_ADMIN_LISTEN":       freeAddress("127.0.0.1:4051"),
		"AUTH_SECRET":                rand.Text() + rand.Text(),
		"AUTH_URL":                   "http://127.0.0.1:4050",
	}
	cfg, err := config.Load(vars)
	if err != nil {
		return err
	}
	if err := setUpDemo(env.ctx, cfg); err != nil {
		return err
	}
	sessions, err := session.FromEnv(func(name string) string { return vars[name] })
	if err != nil {
		return err
	}
	if err := signIn(dir, sessions); err != nil {
		return err
	}
	level := "error"
	if c.Verbose {
		level = "info"
	}
	log, err := telemetry.NewLogger(env.stderr, level, "text")
	if err != nil {
		return err
	}
	return serveDemo(env, cfg, sessions, log, func(address net.Addr) { tellDemo(env.stdout, dir, application, address.String()) })
}

// fillDemo makes the application's role and database, and some rows.
func fillDemo(ctx context.Context, pg *cluster.Cluster, application string) error {
	own, err := pgx.ParseConfig(application)
	if err != nil {
		return err
	}
	super, err := pgx.Connect(ctx, pg.URL("postgres"))
	if err != nil {
		return err
	}
	defer super.Close(context.WithoutCancel(ctx))
	for _, sql := range []string{
		"CREATE ROLE oikion LOGIN PASSWORD '" + own.Password + "'", // letters and digits
		"CREATE DATABASE oikion OWNER oikion",
	} {
		if _, err := super.Exec(ctx, sql); err != nil {
			return fmt.Errorf("make demo database: %w", err)
		}
	}
	conn, err := pgx.ConnectConfig(ctx, own)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// public belongs to the database's owner from PostgreSQL 15 on.
	for _, sql := range []string{oikion.Schema, oikion.Demo} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("fill demo database: %w", err)
		}
	}
	return nil
}

func setUpDemo(ctx context.Context, cfg *config.Config) error {
	s, err := setupConfig(cfg)
	if err != nil {
		return err
	}
	owner, err := pgx.Connect(ctx, cfg.SetupDatabase.URL)
	if err != nil {
		return err
	}
	defer owner.Close(context.WithoutCancel(ctx))
	_, err = setup.Apply(ctx, owner, s)
	return err
}

// signIn writes each user's cookie to a file that curl reads: a cookie on a
// command line would be in everybody's process list.
func signIn(dir string, c session.Config) error {
	auth, err := session.New(c)
	if err != nil {
		return err
	}
	for _, u := range demoUsers {
		cookie, err := auth.Mint(session.Grant{User: u, IssuedAt: time.Now(), Lifetime: 12 * time.Hour})
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, string(u)), []byte("Cookie: "+cookie+"\n"), 0o600); err != nil {
			return fmt.Errorf("sign in %s: %w", u, err)
		}
	}
	return nil
}

func serveDemo(env *environment, cfg *config.Config, s session.Config, log *slog.Logger, ready func(net.Addr)) error {
	a, err := app.New(cfg, s, log, version)
	if err != nil {
		return err
	}
	a.Ready = ready
	err = a.Run(env.ctx)
	fmt.Fprintln(env.stdout, "Stopped. Nothing is left behind.")
	return err
}

// freeAddress is address, or one on a free port if that is taken.
func freeAddress(address string) string {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "127.0.0.1:0"
	}
	l.Close()
	return address
}

func tellDemo(w io.Writer, dir, application, address string) {
	stream := "http://" + address + "/api/realtime/stream?organizationId="
	fmt.Fprintf(w, `
orgcast is live. Two organizations, Aegean Estates (aegean) and Ionian Homes (ionian);
alice belongs to the first, bob to the second, carol to both.

Watch each organization, in two terminals:

  curl -N -H @%[1]s/alice '%[2]saegean'
  curl -N -H @%[1]s/bob '%[2]sionian'

Change a property of Aegean Estates, in a third, as the application would. Only alice sees it:

  psql '%[3]s' -c "UPDATE properties SET price = price + 1000 WHERE id = 'villa'"

Ctrl-C stops everything.
`, dir, stream, application)
}
