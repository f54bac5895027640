package demo

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
	"github.com/oikion/orgcast/internal/app"
	"github.com/oikion/orgcast/internal/cluster"
	"github.com/oikion/orgcast/internal/config"
	"github.com/oikion/orgcast/internal/session"
	"github.com/oikion/orgcast/internal/setup"
)

// Options says how the demo is run.
type Options struct {
	// Version is orgcast's.
	Version string
	// Out gets what is said to the one who started it.
	Out io.Writer
	// Log gets what orgcast and the application log.
	Log *slog.Logger
	// Getenv reads the environment, of which only signs of a real application
	// are looked at.
	Getenv func(string) string
	// Ready is called, if not nil, when all of it answers.
	Ready func(Place)
}

// Place says where a running demo is.
type Place struct {
	// Page is the application's address, and Beside the same one by another host
	// name: cookies belong to a host name, so the two hold two users in one
	// browser.
	Page, Beside string
	// Stream is the address of orgcast's own listener.
	Stream string
	// Database is the database's URL as the application's role.
	Database string
	// Cookies is the directory with a file for each user that curl reads headers
	// from.
	Cookies string
}

// users are who the demo signs in for curl: see demo.sql.
var users = []orgcast.UserID{"alice", "bob", "carol"}

// sessionLifetime is how long who signs in stays signed in.
const sessionLifetime = 12 * time.Hour

// Run shows the whole thing until ctx ends, and returns nil then. Nothing is
// left behind.
func Run(ctx context.Context, o Options) (err error) {
	if o.Getenv("NODE_ENV") == "production" || o.Getenv("DATABASE_URL") != "" {
		return orgcast.WithHint("start demo", errors.New("this looks like a place where an application runs: NODE_ENV is production, or DATABASE_URL is set"),
			"Run the demo in a shell without them: it makes a database of its own.")
	}
	dir, err := os.MkdirTemp("", "orgcast-demo-")
	if err != nil {
		return fmt.Errorf("start demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	page, err := listen(preferredPort)
	if err != nil {
		return err
	}
	defer page.close()
	fmt.Fprintln(o.Out, "Starting a throwaway PostgreSQL on this machine …")
	pg, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pg.Close()) }()

	password := rand.Text()
	place := Place{
		Page: page.origin("127.0.0.1"), Beside: page.origin("localhost"),
		Database: pg.URLAs("oikion", rand.Text(), "oikion"), Cookies: dir,
	}
	if err := makeDatabase(ctx, pg, place.Database); err != nil {
		return err
	}
	vars := map[string]string{
		"ORGCAST_SETUP_DATABASE_URL": pg.URL("oikion"),
		"ORGCAST_DATABASE_URL":       pg.URLAs("orgcast", password, "oikion"),
		"ORGCAST_DATA_DIR":           filepath.Join(dir, "data"),
		"ORGCAST_LISTEN":             freeAddress("127.0.0.1:4050"),
		"ORGCAST_ADMIN_LISTEN":       freeAddress("127.0.0.1:4051"),
		"ORGCAST_ORIGINS":            place.Beside,
		"NEXT_PUBLIC_APP_URL":        place.Page,
		"AUTH_SECRET":                rand.Text() + rand.Text(),
		"AUTH_URL":                   place.Page,
	}
	c, err := config.Load(vars)
	if err != nil {
		return err
	}
	if err := setUp(ctx, c); err != nil {
		return err
	}
	sessions, err := session.FromEnv(func(name string) string { return vars[name] })
	if err != nil {
		return err
	}
	auth, err := session.New(sessions)
	if err != nil {
		return err
	}
	if err := writeCookies(dir, auth); err != nil {
		return err
	}
	a, err := app.New(c, sessions, o.Log, o.Version)
	if err != nil {
		return err
	}
	application, err := newApplication(place.Database, page.hosts(), auth, o.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, application.close()) }()
	return serve(ctx, page, a, application, func(address net.Addr) {
		place.Stream = "http://" + address.String()
		tell(o.Out, place)
		if o.Ready != nil {
			o.Ready(place)
		}
	})
}

// setUp does what `orgcast setup` does.
func setUp(ctx context.Context, c *config.Config) error {
	rules, err := app.LoadRules(c.Rules, session.Auto)
	if err != nil {
		return err
	}
	s := app.SetupConfig(c, rules)
	s.Role, s.RolePassword = c.Database.User, c.Database.Password
	owner, err := pgx.Connect(ctx, c.SetupDatabase.URL)
	if err != nil {
		return fmt.Errorf("set up demo: %w", err)
	}
	defer owner.Close(context.WithoutCancel(ctx))
	_, err = setup.Apply(ctx, owner, s)
	return err
}

// writeCookies writes each user's cookie to a file that curl reads: a cookie on
// a command line would be in everybody's process list.
func writeCookies(dir string, auth *session.Authenticator) error {
	for _, u := range users {
		cookie, err := auth.Mint(session.Grant{User: u, IssuedAt: time.Now(), Lifetime: sessionLifetime})
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, string(u)), []byte("Cookie: "+cookie+"\n"), 0o600); err != nil {
			return fmt.Errorf("sign in %s: %w", u, err)
		}
	}
	return nil
}
