package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast"
)

const (
	// superuser is the role that initdb makes.
	superuser = "postgres"
	// startTimeout bounds one start: initdb takes a second or two, and a
	// loaded CI machine ten times that.
	startTimeout = 2 * time.Minute
	// portAttempts bounds the retries when somebody takes the free port
	// between our finding it and the server's binding it.
	portAttempts = 4
)

// Options says what cluster to make. The zero value is a throwaway for tests.
type Options struct {
	// Dir is where the cluster lives: absent or empty. Default: a new
	// directory under os.TempDir, which Close removes.
	Dir string
	// Port is the TCP port on 127.0.0.1. 0: a free one.
	Port int
	// Settings are added to postgresql.conf and win over this package's own.
	Settings map[string]string
	// Output also gets what the server logs. Its writes must not block.
	Output io.Writer
	// Durable keeps fsync and its relatives on: for what is to survive the
	// machine, not only the process.
	Durable bool
}

// Cluster is one PostgreSQL server and its data directory. Its methods may be
// called from several goroutines; starts and stops exclude each other.
type Cluster struct {
	options  Options
	bin      string
	dir      string
	owned    bool // dir is ours to remove
	unlock   func() error
	user     *account // nil: the server runs as the current user
	password string
	port     int

	mu   sync.Mutex
	proc *process // the last one started
}

// Start makes a cluster and returns when it answers. ctx bounds the start
// only: a started server runs until Stop or Close, or until this process ends.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	bin, err := findBinaries()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	c := &Cluster{options: o, bin: bin, port: o.Port, password: rand.Text()}
	if c.user, err = serverAccount(); err != nil {
		return nil, err
	}
	if err := c.makeDir(); err != nil {
		return nil, err
	}
	if err := c.boot(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) makeDir() error {
	c.unlock = func() error { return nil }
	if c.options.Dir == "" {
		sweep(os.TempDir())
		dir, unlock, err := makeOwnedDir(os.TempDir())
		if err != nil {
			return fmt.Errorf("make cluster directory: %w", err)
		}
		c.dir, c.unlock, c.owned = dir, unlock, true
	} else {
		dir, err := filepath.Abs(c.options.Dir)
		if err != nil {
			return fmt.Errorf("make cluster directory: %w", err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make cluster directory: %w", err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("make cluster directory: %w", err)
		}
		if len(entries) != 0 {
			return orgcast.WithHint("make cluster directory", fmt.Errorf("%s is not empty", dir),
				"give a directory that is empty or does not exist yet")
		}
		c.dir = dir
	}
	if c.user == nil {
		return nil
	}
	err := errors.Join(reachable(filepath.Dir(c.dir), c.user), c.user.own(c.dir))
	if err != nil && c.owned {
		err = errors.Join(err, os.RemoveAll(c.dir), c.unlock())
	}
	return err
}

func (c *Cluster) boot(ctx context.Context) error {
	if err := c.initdb(ctx); err != nil {
		return err
	}
	return c.settle(ctx)
}

// settle configures what is in the data directory and starts it.
func (c *Cluster) settle(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		if c.options.Port == 0 {
			port, err := freePort()
			if err != nil {
				return err
			}
			c.port = port
		}
		if err := c.configure(); err != nil {
			return err
		}
		err := c.Start(ctx)
		if err == nil {
			return nil
		}
		if c.options.Port != 0 || attempt == portAttempts || !errors.Is(err, errExited) {
			return err
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return 0, fmt.Errorf("find free port: %w", err)
	}
	return port, nil
}

// URL is the superuser's connection URL for database.
func (c *Cluster) URL(database string) string {
	return c.URLAs(superuser, c.password, database)
}

// URLAs is user's connection URL for database.
func (c *Cluster) URLAs(user, password, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// query asks the superuser's connection for one value.
func (c *Cluster) query(ctx context.Context, sql string, value any) error {
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return conn.QueryRow(ctx, sql).Scan(value)
}

// Port is the TCP port on 127.0.0.1. It stays the same over Stop and Start.
func (c *Cluster) Port() int { return c.port }

// Pid is the postmaster's process id, 0 while the server is stopped.
func (c *Cluster) Pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc == nil || c.proc.ended() {
		return 0
	}
	return c.proc.cmd.Process.Pid
}

// Dir is the cluster's directory; the data directory is Dir/data.
func (c *Cluster) Dir() string { return c.dir }

// LogFile is the file that the server logs to.
func (c *Cluster) LogFile() string { return filepath.Join(c.dir, "postgres.log") }

// Close stops the server at once, and removes the directory unless Options
// named it. A second Close does nothing.
func (c *Cluster) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.Stop(ctx, "immediate"); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.owned {
		return nil
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("remove cluster directory: %w", err)
	}
	c.owned = false
	return c.unlock()
}

// Programs is the directory of the server's programs: initdb, pg_recvlogical …
func (c *Cluster) Programs() string { return c.bin }
