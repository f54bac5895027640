package e2e_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/internal/cluster"
	"github.com/oikion/orgcast/internal/pgtest"
	"github.com/oikion/orgcast/internal/session"
)

// ownHouse is a house on a server of its own, whose settings and end are the
// test's: its database is "app", its slot orgcast_app. The server is not set up.
func ownHouse(t *testing.T) (*house, *cluster.Cluster) {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	onCluster(t, c, "postgres", "CREATE DATABASE app")
	onCluster(t, c, "app", pgtest.OikionSchema())
	h := &house{DB: &pgtest.DB{Name: "app", URL: c.URL("app")}, role: "orgcast_reader", password: rand.Text()}
	secret := rand.Text() + rand.Text()
	h.environ = map[string]string{
		"ORGCAST_DATABASE_URL": c.URLAs(h.role, h.password, "app"), "AUTH_SECRET": secret, "AUTH_URL": "http://127.0.0.1", "ORGCAST_HEARTBEAT": "1s",
	}
	if h.auth, err = session.New(session.Config{Scheme: session.AuthJS, Secure: session.SecureNever, Secrets: []string{secret}}); err != nil {
		t.Fatal(err)
	}
	return h, c
}

// onCluster executes statements as superuser, each a transaction of its own.
func onCluster(t testing.TB, c *cluster.Cluster, database string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range statements {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatalf("%v\nin %.300s", err, sql)
		}
	}
}

// askCluster asks for one value as superuser.
func askCluster[T any](t testing.TB, c *cluster.Cluster, sql string) (value T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL("app"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatalf("%v\nin %.300s", err, sql)
	}
	return value
}

// set sets settings of a running server; "" is the default.
func set(t testing.TB, c *cluster.Cluster, name, value string) {
	t.Helper()
	onCluster(t, c, "postgres", fmt.Sprintf("ALTER SYSTEM SET %s = '%s'", name, value), "SELECT pg_reload_conf()")
	until(t, shortly, func() string {
		if got := askCluster[string](t, c, "SHOW "+name); got != value {
			return name + " is " + got
		}
		return ""
	})
}

// pair is a primary and its standby, with orgcast set up, and addresses that name
// both. The database has organization org_1 with user_1.
type pair struct {
	*house
	primary, standby *cluster.Cluster
	major            int
}

func newPair(t *testing.T) *pair {
	t.Helper()
	h, primary := ownHouse(t)
	h.fill(t, 1)
	h.script(t, "CREATE TABLE ticket AS SELECT 0 AS n")
	p := &pair{house: h, primary: primary, major: h.Major(t)}
	var err error
	if p.standby, err = cluster.StartStandby(t.Context(), primary, "standby", cluster.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.standby.Close(); err != nil {
			t.Error(err)
		}
	})
	one, both := fmt.Sprintf("@127.0.0.1:%d/", primary.Port()), fmt.Sprintf("@127.0.0.1:%d,127.0.0.1:%d/", primary.Port(), p.standby.Port())
	h.environ["ORGCAST_DATABASE_URL"] = strings.Replace(h.environ["ORGCAST_DATABASE_URL"], one, both, 1) + "&target_session_attrs=read-write"
	// The driver's own form: what url.Parse takes.
	h.DB = &pgtest.DB{Name: "app", URL: strings.Replace(primary.URL("app"), one, "@/", 1) +
		fmt.Sprintf("&host=127.0.0.1,127.0.0.1&port=%d,%d&target_session_attrs=primary", primary.Port(), p.standby.Port())}
	h.setUp(t)
	return p
}

// synced waits until the standby has a copy of orgcast's slot that outlives a
// promotion. Before PostgreSQL 17 there is none.
func (p *pair) synced(t *testing.T) {
	t.Helper()
	if p.major < 17 {
		return
	}
	until(t, 2*shortly, func() string {
		onCluster(t, p.primary, "postgres", "SELECT pg_log_standby_snapshot()")
		if !askCluster[bool](t, p.standby, "SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = 'orgcast_app' AND synced AND NOT temporary)") {
			return "the standby has no copy of the slot"
		}
		return ""
	})
}

// takeOver kills the primary and promotes the standby.
func (p *pair) takeOver(t *testing.T) {
	t.Helper()
	killServer(t, p.primary)
	if err := p.standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
}
