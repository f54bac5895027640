package e2e_test

import (
	"crypto/rand"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/cluster"
	"github.com/oikion/orgcast/internal/pgtest"
	"github.com/oikion/orgcast/internal/session"
)

// house is an application's database with orgcast set up on it, and what a
// server of it is started with.
type house struct {
	*pgtest.DB
	environ  map[string]string
	role     string
	password string
	auth     *session.Authenticator
}

// newHouse makes the application's database without orgcast.
func newHouse(t testing.TB) *house {
	t.Helper()
	return newHouseOn(t, pgtest.Cluster(t))
}

// newHouseOn makes it in a cluster of the test's own.
func newHouseOn(t testing.TB, c *cluster.Cluster) *house {
	t.Helper()
	h := &house{DB: pgtest.DatabaseOn(t, c, pgtest.OikionSchema()), password: rand.Text()}
	h.role = h.Role("orgcast")
	secret := rand.Text() + rand.Text()
	h.environ = map[string]string{
		"ORGCAST_DATABASE_URL": h.URLAs(h.role, h.password),
		"AUTH_SECRET":          secret,
		"AUTH_URL":             "http://127.0.0.1",
		"ORGCAST_HEARTBEAT":    "1s",
	}
	var err error
	h.auth, err = session.New(session.Config{Scheme: session.AuthJS, Secure: session.SecureNever, Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// setUp runs orgcast setup as the owner.
func (h *house) setUp(t testing.TB, args ...string) string {
	t.Helper()
	environ := maps.Clone(h.environ)
	environ["ORGCAST_SETUP_DATABASE_URL"] = h.URL
	status, text := run(t, environ, "", append([]string{"setup"}, args...)...)
	if status != 0 {
		t.Fatalf("orgcast setup %v: status %d\n%s", args, status, text)
	}
	return text
}

// settled is a house with orgcast set up and organizations org_1 … org_n, each
// with a member, user_1 … user_n, a property and a client.
func settled(t testing.TB, n int) *house {
	t.Helper()
	return settledOn(t, pgtest.Cluster(t), n)
}

// settledOn is it in a cluster of the test's own.
func settledOn(t testing.TB, c *cluster.Cluster, n int) *house {
	t.Helper()
	h := newHouseOn(t, c)
	h.fill(t, n)
	h.setUp(t)
	return h
}

// fill makes the organizations of [settled].
func (h *house) fill(t testing.TB, n int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		h.user(t, fmt.Sprintf("user_%d", i))
		h.Exec(t, `INSERT INTO organizations (id, name) VALUES ($1, $2)`, org(i), fmt.Sprintf("Organization %d", i))
		h.member(t, fmt.Sprintf("user_%d", i), org(i))
		h.Exec(t, `INSERT INTO properties (id, price, "organizationId", "createdBy", "propertyType", status, "transactionType")
			VALUES ($1, 1, $2, $3, 'HOUSE', 'AVAILABLE', 'SALE')`, fmt.Sprintf("property_%d", i), org(i), fmt.Sprintf("user_%d", i))
		h.Exec(t, `INSERT INTO clients (id, name, "organizationId", "createdBy", "clientType") VALUES ($1, 'somebody', $2, $3, 'PERSON')`,
			fmt.Sprintf("client_%d", i), org(i), fmt.Sprintf("user_%d", i))
	}
}

// org is an organization's id: one is the beginning of another.
func org(i int) string { return fmt.Sprintf("org_%d", i) }

func (h *house) user(t testing.TB, id string) {
	t.Helper()
	h.Exec(t, `INSERT INTO users (id, name) VALUES ($1, $1)`, id)
}

func (h *house) member(t testing.TB, user, organization string) {
	t.Helper()
	h.Exec(t, `INSERT INTO organization_members (id, "userId", "organizationId") VALUES ($1, $2, $3)`, user+"@"+organization, user, organization)
}

// script executes statements on a connection of its own: an older one may have
// died with the server.
func (h *house) script(t testing.TB, sql string) {
	t.Helper()
	conn := h.Conn(t)
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("%v\nin %.300s", err, sql)
	}
}

// cookie is a user's session.
func (h *house) cookie(t testing.TB, user string) string {
	t.Helper()
	c, err := h.auth.Mint(session.Grant{User: orgcast.UserID(user), IssuedAt: time.Now(), Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// slot tells whether the server's slot is there, and is read.
func slot(t testing.TB, conn *pgx.Conn, database string) (there, active bool) {
	t.Helper()
	err := conn.QueryRow(t.Context(), `SELECT count(*) > 0, coalesce(bool_or(active), false) FROM pg_replication_slots WHERE slot_name = $1`,
		"orgcast_"+database).Scan(&there, &active)
	if err != nil {
		t.Fatal(err)
	}
	return there, active
}
