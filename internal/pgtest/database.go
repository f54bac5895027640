package pgtest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oikion/orgcast/internal/cluster"
)

// DB is one test's database.
type DB struct {
	// Name is the database's name. It is unique in the cluster.
	Name string
	// URL is the superuser's URL for it.
	URL string

	cluster *cluster.Cluster
	mu      sync.Mutex
	conn    *pgx.Conn // Exec's
}

var (
	databases atomic.Int64
	templates sync.Map // origin -> *template
)

// origin is where a template is, and the sum of its SQL.
type origin struct {
	cluster *cluster.Cluster
	sum     [sha256.Size]byte
}

// template is a database that holds what one SQL text makes. Copying it is
// faster than running the text again.
type template struct {
	once sync.Once
	name string
	err  error
}

// Database makes a database with sql executed in it, and drops it at the
// test's end: slots first, then the database, then the roles that [DB.Role]
// named or that owned or could use something in it. The sql runs once per test
// binary, as superuser: it must not make roles.
func Database(t testing.TB, sql ...string) *DB {
	t.Helper()
	return DatabaseOn(t, Cluster(t), sql...)
}

// DatabaseOn is [Database] in another cluster than the shared one: see [Own].
func DatabaseOn(t testing.TB, c *cluster.Cluster, sql ...string) *DB {
	t.Helper()
	from, err := templateFor(c, strings.Join(sql, ";\n"))
	if err != nil {
		t.Fatalf("pgtest: make template database: %v", err)
	}
	name := fmt.Sprintf("test%d", databases.Add(1))
	if err := admin(context.Background(), c, "CREATE DATABASE "+name+" TEMPLATE "+from); err != nil {
		t.Fatalf("pgtest: make database: %v", err)
	}
	db := &DB{Name: name, URL: c.URL(name), cluster: c}
	t.Cleanup(func() { db.drop(t) })
	return db
}

func templateFor(c *cluster.Cluster, sql string) (string, error) {
	if strings.Trim(sql, ";\n \t") == "" {
		return "template0", nil
	}
	sum := sha256.Sum256([]byte(sql))
	v, _ := templates.LoadOrStore(origin{c, sum}, &template{name: fmt.Sprintf("template_%x", sum[:8])})
	tpl := v.(*template)
	tpl.once.Do(func() {
		ctx := context.Background()
		if tpl.err = admin(ctx, c, "CREATE DATABASE "+tpl.name+" TEMPLATE template0"); tpl.err != nil {
			return
		}
		tpl.err = execute(ctx, c.URL(tpl.name), sql)
	})
	return tpl.name, tpl.err
}

// admin executes sql in the database postgres.
func admin(ctx context.Context, c *cluster.Cluster, sql string) error {
	return execute(ctx, c.URL("postgres"), sql)
}

func execute(ctx context.Context, url, sql string) error {
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql).ReadAll()
	if closeErr := conn.Close(ctx); err == nil {
		err = closeErr
	}
	return err
}

// Role is a role name of this database's own: roles belong to the cluster, so
// tests that share a name would meet. The test makes the role, the cleanup
// drops it.
func (db *DB) Role(name string) string { return db.Name + "_" + name }

// URLAs is user's URL for this database.
func (db *DB) URLAs(user, password string) string {
	return db.cluster.URLAs(user, password, db.Name)
}

// Exec executes sql as superuser and fails the test if that fails. Without
// args it may be several statements.
func (db *DB) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	ctx := context.Background()
	// A crash test's restart kills the connection: open it again.
	if db.conn == nil || db.conn.IsClosed() {
		conn, err := pgx.Connect(ctx, db.URL)
		if err != nil {
			t.Fatalf("pgtest: connect: %v", err)
		}
		db.conn = conn
	}
	var err error
	if len(args) == 0 {
		_, err = db.conn.PgConn().Exec(ctx, sql).ReadAll()
	} else {
		_, err = db.conn.Exec(ctx, sql, args...)
	}
	if err != nil {
		t.Fatalf("pgtest: %v\nin: %.500s", err, sql)
	}
}

// Major is the server's major version.
func (db *DB) Major(t testing.TB) (major int) {
	t.Helper()
	if err := db.Conn(t).QueryRow(t.Context(), "SELECT current_setting('server_version_num')::int / 10000").Scan(&major); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return major
}

// Conn is a new superuser connection, closed at the test's end.
func (db *DB) Conn(t testing.TB) *pgx.Conn {
	t.Helper()
	return db.ConnURL(t, db.URL)
}

// ConnAs is a new connection of another user, closed at the test's end.
func (db *DB) ConnAs(t testing.TB, user, password string) *pgx.Conn {
	t.Helper()
	return db.ConnURL(t, db.URLAs(user, password))
}

// ConnURL is a new connection to url, closed at the test's end.
func (db *DB) ConnURL(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatalf("pgtest: connect: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		conn.Close(ctx) // a connection that the test broke is closed already
	})
	return conn
}
