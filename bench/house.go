//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/examples/oikion"
	"github.com/oikion/orgcast/internal/cluster"
	"github.com/oikion/orgcast/internal/session"
)

// database is the application's database.
const database = "app"

// house is a throwaway PostgreSQL with the application's schema, organizations
// org_1 … org_n with a member user_1 … user_n each, orgcast set up on it, and the
// program, built as it is released.
type house struct {
	cluster *cluster.Cluster
	db      *pgx.Conn // a superuser's
	dir     string
	binary  string
	environ map[string]string
	auth    *session.Authenticator
	server  *process // nil while it does not run
	address string
	looks   time.Duration // between two looks whether it is ready
}

// newHouse builds it. fsync is on, as in production.
func newHouse(ctx context.Context, organizations int) (h *house, err error) {
	h = &house{looks: 20 * time.Millisecond}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if h.dir, err = os.MkdirTemp("", "orgcast-bench-"); err != nil {
		return h, err
	}
	h.binary = filepath.Join(h.dir, "orgcast")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", h.binary, "github.com/oikion/orgcast/cmd/orgcast")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return h, fmt.Errorf("build orgcast: %w: %s", err, out)
	}
	h.cluster, err = cluster.Start(ctx, cluster.Options{Durable: true, Settings: map[string]string{"max_wal_size": "4GB"}})
	if err != nil {
		return h, err
	}
	if err := h.fill(ctx, organizations); err != nil {
		return h, err
	}
	return h, h.setUp(ctx)
}

func (h *house) fill(ctx context.Context, organizations int) error {
	admin, err := pgx.Connect(ctx, h.cluster.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = admin.Exec(ctx, "CREATE DATABASE "+database)
	if err := errors.Join(err, admin.Close(ctx)); err != nil {
		return err
	}
	if h.db, err = pgx.Connect(ctx, h.cluster.URL(database)); err != nil {
		return err
	}
	if _, err := h.db.PgConn().Exec(ctx, oikion.Schema).ReadAll(); err != nil {
		return err
	}
	for _, sql := range []string{
		`INSERT INTO users (id, name) SELECT 'user_' || i, 'User ' || i FROM generate_series(1, $1::int) i`,
		`INSERT INTO organizations (id, name) SELECT 'org_' || i, 'Organization ' || i FROM generate_series(1, $1::int) i`,
		`INSERT INTO organization_members (id, "userId", "organizationId") SELECT 'member_' || i, 'user_' || i, 'org_' || i FROM generate_series(1, $1::int) i`,
		`INSERT INTO properties (id, price, "organizationId", "createdBy", "propertyType", status, "transactionType")
			SELECT 'property_' || i, 1, 'org_' || i, 'user_' || i, 'HOUSE', 'AVAILABLE', 'SALE' FROM generate_series(1, $1::int) i`,
	} {
		if _, err := h.db.Exec(ctx, sql, organizations); err != nil {
			return err
		}
	}
	return nil
}

func (h *house) setUp(ctx context.Context) error {
	secret, password := rand.Text()+rand.Text(), rand.Text()
	var err error
	h.auth, err = session.New(session.Config{Scheme: session.AuthJS, Secure: session.SecureNever, Secrets: []string{secret}})
	if err != nil {
		return err
	}
	h.environ = map[string]string{
		"HOME":                            h.dir,
		"ORGCAST_DATABASE_URL":            h.cluster.URLAs("orgcast", password, database),
		"ORGCAST_DATA_DIR":                filepath.Join(h.dir, "data"),
		"AUTH_SECRET":                     secret,
		"AUTH_URL":                        "http://127.0.0.1",
		"ORGCAST_MAX_STREAMS_PER_USER":    "10000",
		"ORGCAST_MAX_CONNECTS_PER_SECOND": "10000",
	}
	environ := maps.Clone(h.environ)
	environ["ORGCAST_SETUP_DATABASE_URL"] = h.cluster.URL(database)
	setup, err := start(h.binary, environ, "setup")
	if err != nil {
		return err
	}
	if err := setup.wait(ctx); err != nil {
		return fmt.Errorf("orgcast setup: %w: %s", err, setup.output())
	}
	return nil
}

// serve starts the server and waits until its feed is fresh. over are variables
// that are set besides, or instead.
func (h *house) serve(ctx context.Context, over map[string]string) error {
	application, err := freeAddress()
	if err != nil {
		return err
	}
	operator, err := freeAddress()
	if err != nil {
		return err
	}
	h.address = application
	environ := maps.Clone(h.environ)
	environ["ORGCAST_LISTEN"], environ["ORGCAST_ADMIN_LISTEN"] = application, operator
	maps.Copy(environ, over)
	if h.server, err = start(h.binary, environ, "serve"); err != nil {
		return err
	}
	ticker := time.NewTicker(h.looks)
	defer ticker.Stop()
	for {
		if answer, err := http.Get("http://" + operator + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-h.server.done:
			return fmt.Errorf("orgcast serve has ended: %s", h.server.output())
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// halt ends the server in order.
func (h *house) halt() error {
	if h.server == nil {
		return nil
	}
	server := h.server
	h.server = nil
	return server.terminate()
}

// close takes everything away.
func (h *house) close() error {
	err := h.halt()
	if h.db != nil {
		err = errors.Join(err, h.db.Close(context.Background()))
	}
	if h.cluster != nil {
		err = errors.Join(err, h.cluster.Close())
	}
	if h.dir != "" {
		err = errors.Join(err, os.RemoveAll(h.dir))
	}
	return err
}

// cookie is the session of user_i.
func (h *house) cookie(i int) (string, error) {
	return h.auth.Mint(session.Grant{User: orgcast.UserID(fmt.Sprint("user_", i)), IssuedAt: time.Now(), Lifetime: time.Hour})
}

// freeAddress is one that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
