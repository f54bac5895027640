//go:build linux

package house

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"github.com/oikion/orgcast/internal/verify"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/oikion/orgcast/examples/oikion"
	"github.com/oikion/orgcast/internal/cluster"
	"github.com/oikion/orgcast/internal/verify/wire"
)

const (
	database = "app"
	// Slot and Publication are the defaults of the product for this database.
	Slot        = "orgcast_app"
	Publication = "orgcast"
	// Heartbeat is the server's: short, for a client's place follows it.
	Heartbeat = time.Second
)

// Options say what is to be put to the proof.
type Options struct {
	Binary string            // the program
	Dir    string            // a directory of ours
	Over   map[string]string // variables of the server, besides or instead
}

// House is all of it. Its methods are for one goroutine, but Address, OK and URL.
type House struct {
	Cluster *cluster.Cluster
	Front   *wire.Proxy // between the clients and the server
	Back    *wire.Proxy // between the server and the database
	Server  *Server

	options Options
	disk    *disk
	environ map[string]string
}

// Open starts PostgreSQL, with the application's schema, empty.
func Open(ctx context.Context, o Options) (h *House, err error) {
	h = &House{options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	if h.disk, err = newDisk(ctx, o.Dir); err != nil {
		return nil, err
	}
	h.Cluster, err = cluster.Start(ctx, cluster.Options{Settings: map[string]string{
		"max_wal_size": "1GB", "max_connections": "100", "max_replication_slots": "10", "max_wal_senders": "10", "log_min_messages": "fatal",
	}})
	if err != nil {
		return h, err
	}
	if err := h.fill(ctx); err != nil {
		return h, err
	}
	application, err := freeAddress()
	if err != nil {
		return h, err
	}
	operator, err := freeAddress()
	if err != nil {
		return h, err
	}
	if h.Front, err = wire.Listen(func() string { return application }); err != nil {
		return h, err
	}
	if h.Back, err = wire.Listen(func() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(h.Cluster.Port())) }); err != nil {
		return h, err
	}
	password := rand.Text()
	direct, err := url.Parse(h.Cluster.URLAs("orgcast", password, database))
	if err != nil {
		return h, err
	}
	direct.Host = h.Back.Address()
	h.environ = map[string]string{
		"HOME":                            o.Dir,
		"PATH":                            os.Getenv("PATH"),
		"ORGCAST_DATABASE_URL":            direct.String(),
		"ORGCAST_DATA_DIR":                h.DataDir(),
		"ORGCAST_LISTEN":                  application,
		"ORGCAST_ADMIN_LISTEN":            operator,
		"ORGCAST_LOG_BYTES":               "256MiB",
		"ORGCAST_HEARTBEAT":               Heartbeat.String(),
		"ORGCAST_LEASE":                   "40s",
		"ORGCAST_MAX_STREAMS_PER_USER":    "1000",
		"ORGCAST_MAX_CONNECTS_PER_SECOND": "10000",
		"AUTH_SECRET":                     rand.Text() + rand.Text(),
		"AUTH_URL":                        "http://127.0.0.1",
		"VERIFY_CLOCK":                    h.clockFile(),
	}
	maps.Copy(h.environ, o.Over)
	if err := h.SetClock(0); err != nil {
		return h, err
	}
	h.Server = &Server{binary: o.Binary, operator: operator, log: filepath.Join(o.Dir, "server.log"), environ: func() map[string]string { return h.environ }}
	return h, h.SetUp(ctx)
}

func (h *House) fill(ctx context.Context) error {
	admin, err := pgx.Connect(ctx, h.Cluster.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = admin.Exec(ctx, "CREATE DATABASE "+database)
	if err := errors.Join(err, admin.Close(ctx)); err != nil {
		return err
	}
	return h.Exec(ctx, oikion.Schema)
}

// URL is where the application connects, past every proxy.
func (h *House) URL() string { return h.Cluster.URL(database) }

// Set sets a variable of the server, from its next start on. "" takes it away.
func (h *House) Set(name, value string) {
	environ := maps.Clone(h.environ)
	if environ[name] = value; value == "" {
		delete(environ, name)
	}
	h.environ = environ
}

// DataDir is where the server keeps its log.
func (h *House) DataDir() string { return filepath.Join(h.disk.mount, "data") }

// HasDisk says whether the log has a file system of its own.
func (h *House) HasDisk() bool { return h.disk.mounted }

// Fill takes all free space of the log's disk but for some bytes.
func (h *House) Fill(leave int64) (free func() error, err error) { return h.disk.fill(leave) }

// Freeze makes every write to the log's disk wait, until it is thawed.
func (h *House) Freeze(on bool) error { return h.disk.freeze(on) }

// SetUp runs `orgcast setup`, as an operator does after a migration.
func (h *House) SetUp(ctx context.Context) error {
	_, err := h.Run(ctx, map[string]string{"ORGCAST_SETUP_DATABASE_URL": h.URL()}, "setup")
	return err
}

// Run runs the program with some arguments to its end, and returns what it printed.
func (h *House) Run(ctx context.Context, over map[string]string, args ...string) (string, error) {
	environ := maps.Clone(h.environ)
	maps.Copy(environ, over)
	cmd := exec.CommandContext(ctx, h.options.Binary, args...)
	cmd.Env = pairs(environ)
	var problem strings.Builder
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("orgcast %s: %w: %s", args[0], err, problem.String())
	}
	return string(out), nil
}

// Cookie is the Cookie header of a user's session. It was begun two hours ago: one
// that begins later than it is now, by a clock that was stepped back, is refused.
func (h *House) Cookie(ctx context.Context, user string) (string, error) {
	path := h.clockFile() + ".cookie"
	if err := setClock(path, -2*time.Hour); err != nil {
		return "", err
	}
	out, err := h.Run(ctx, map[string]string{"VERIFY_CLOCK": path}, "session", "mint", "--user="+user, "--expires-in=72h")
	if err != nil {
		return "", err
	}
	out = strings.TrimSpace(out)
	return strings.TrimSpace(strings.TrimPrefix(out, "Cookie:")), nil
}

// Exec runs SQL on a connection of its own, as the database's owner. A database
// that is on its way up is waited for.
func (h *House) Exec(ctx context.Context, sql string) error {
	for {
		conn, err := pgx.Connect(ctx, h.URL())
		if err == nil {
			_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
			return errors.Join(err, conn.Close(context.Background()))
		}
		if err := verify.Pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// Ask is one value that a query gives, as text; "" if it has no row.
func (h *House) Ask(ctx context.Context, sql string, args ...any) (string, error) {
	for {
		conn, err := pgx.Connect(ctx, h.URL())
		if err == nil {
			var text *string
			err = conn.QueryRow(ctx, sql, args...).Scan(&text)
			err = errors.Join(err, conn.Close(context.Background()))
			switch {
			case errors.Is(err, pgx.ErrNoRows):
				return "", nil
			case err != nil:
				return "", err
			case text == nil:
				return "", nil
			}
			return *text, nil
		}
		if err := verify.Pause(ctx, 50*time.Millisecond); err != nil {
			return "", err
		}
	}
}

// Close takes everything away.
func (h *House) Close() error {
	var err error
	if h.Server != nil {
		err = errors.Join(err, h.Server.Kill())
	}
	for _, p := range []*wire.Proxy{h.Front, h.Back} {
		if p != nil {
			err = errors.Join(err, p.Close())
		}
	}
	if h.Cluster != nil {
		err = errors.Join(err, h.Cluster.Close())
	}
	if h.disk != nil {
		err = errors.Join(err, h.disk.close())
	}
	return err
}

// freeAddress is below the ports that connections are given: a client that tries
// again and again while nobody listens would else connect to itself.
func freeAddress() (string, error) {
	for port := 20000 + os.Getpid()%5000; port < 32000; port++ {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil && !given[port] {
			given[port] = true
			return l.Addr().String(), l.Close()
		}
		if err == nil {
			_ = l.Close() // only looked at
		}
	}
	return "", errors.New("no free port between 20000 and 32000")
}

var given = map[int]bool{}

func pairs(environ map[string]string) (list []string) {
	for name, value := range environ {
		list = append(list, name+"="+value)
	}
	return list
}
