package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/oikion/orgcast"
)

// Config is everything that can be set. A field's doc tag is its line in
// docs/CONFIG.md.
type Config struct {
	DatabaseURL      string `env:"ORGCAST_DATABASE_URL" secret:"true" doc:"The database, as the role that orgcast setup makes. If it is not set, the first that is of DIRECT_URL, DATABASE_URL_UNPOOLED, POSTGRES_URL_NON_POOLING, DATABASE_URL. Prisma's own parameters are understood or left out; a pooler's address is refused. TLS is required off loopback, unless the URL says sslmode=disable."`
	SetupDatabaseURL string `env:"ORGCAST_SETUP_DATABASE_URL" secret:"true" doc:"The database as the owner of its tables, for orgcast setup. If it is not set, setup uses the other."`

	Listen      string `env:"ORGCAST_LISTEN" default:"127.0.0.1:4050" doc:"Where browsers connect: host:port. If it is not set and PORT is, that port on loopback."`
	AdminListen string `env:"ORGCAST_ADMIN_LISTEN" default:"127.0.0.1:4051" doc:"Where the operator connects: host:port. Off loopback it needs ORGCAST_ADMIN_TOKEN."`
	AdminToken  string `env:"ORGCAST_ADMIN_TOKEN" secret:"true" doc:"The bearer token of the operator's listener; at least 16 characters."`
	AdminHosts  string `env:"ORGCAST_ADMIN_HOSTS" doc:"The Host headers that the operator's listener answers, separated by commas, besides its own address."`

	DataDir     string `env:"ORGCAST_DATA_DIR" doc:"Where the event log is kept. By default orgcast in the user's state directory, for root /var/lib/orgcast."`
	LogBytes    Bytes  `env:"ORGCAST_LOG_BYTES" default:"4GiB" doc:"The bound of the event log on disk: the oldest events go first."`
	Rules       string `env:"ORGCAST_RULES" default:"preset:oikion" doc:"The rule file: a path, or preset:NAME for one that orgcast ships."`
	Slot        string `env:"ORGCAST_SLOT" doc:"The replication slot. By default orgcast_ and the database's name: slots are cluster-wide."`
	Publication string `env:"ORGCAST_PUBLICATION" default:"orgcast" doc:"The publication."`

	Origins string `env:"ORGCAST_ORIGINS" doc:"The origins whose pages may connect, separated by commas, such as https://app.example.com. The origin of NEXT_PUBLIC_APP_URL is one of them."`
	AppURL  string `env:"NEXT_PUBLIC_APP_URL" doc:"The application's address; its origin may connect."`
	NodeEnv string `env:"NODE_ENV" doc:"Only exactly development lets any origin connect, and then only to a loopback listener. Everything else, and nothing, is production."`

	Heartbeat time.Duration `env:"ORGCAST_HEARTBEAT" default:"15s" doc:"The longest silence on a stream, 1s to 25s: a proxy of Next.js cuts at 30s."`
	Lease     time.Duration `env:"ORGCAST_LEASE" default:"15m" doc:"How long a stream lives, ± 20%, before it is authenticated anew; 1s to 24h."`

	MaxStreams                int `env:"ORGCAST_MAX_STREAMS" default:"10000" doc:"Open streams in all."`
	MaxStreamsPerUser         int `env:"ORGCAST_MAX_STREAMS_PER_USER" default:"20" doc:"Open streams of one user."`
	MaxStreamsPerOrganization int `env:"ORGCAST_MAX_STREAMS_PER_ORGANIZATION" default:"5000" doc:"Open streams of one organization."`
	MaxStreamsPerAddress      int `env:"ORGCAST_MAX_STREAMS_PER_ADDRESS" default:"100" doc:"Open streams of one client address. Loopback and private addresses are proxies and have no limit."`
	MaxConnectsPerSecond      int `env:"ORGCAST_MAX_CONNECTS_PER_SECOND" default:"500" doc:"New streams a second, with twice as many at once."`

	LogLevel  string `env:"ORGCAST_LOG_LEVEL" default:"info" doc:"debug, info, warn or error."`
	LogFormat string `env:"ORGCAST_LOG_FORMAT" default:"text" doc:"text or json."`

	// Found from the above.

	// Database and SetupDatabase are the addresses, cleaned.
	Database      Database `env:"-"`
	SetupDatabase Database `env:"-"`
	// AllowedOrigins are the origins that may connect; AnyOrigin is development.
	AllowedOrigins []string `env:"-"`
	AnyOrigin      bool     `env:"-"`
}

// Load reads the environment, given as a map. Only what setup needs is asked
// for if setupOnly.
func Load(environ map[string]string) (*Config, error) {
	if err := unknown(environ); err != nil {
		return nil, err
	}
	var c Config
	err := env.ParseWithOptions(&c, env.Options{Environment: environ, DefaultValueTagName: "default"})
	if err != nil {
		return nil, invalid(err)
	}
	var errs []error
	check := func(name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	name, raw := databaseURL(environ)
	if raw == "" {
		errs = append(errs, orgcast.WithHint("read configuration", errors.New("no database: ORGCAST_DATABASE_URL is not set"),
			"Set ORGCAST_DATABASE_URL to the database's direct address."))
	} else {
		c.Database, err = ParseDatabaseURL(raw)
		check(name, err)
	}
	c.SetupDatabase = c.Database
	if c.SetupDatabaseURL != "" {
		c.SetupDatabase, err = ParseDatabaseURL(c.SetupDatabaseURL)
		check("ORGCAST_SETUP_DATABASE_URL", err)
	}
	if environ["ORGCAST_LISTEN"] == "" && environ["PORT"] != "" {
		c.Listen = net.JoinHostPort("127.0.0.1", environ["PORT"])
	}
	check("ORGCAST_LISTEN", checkAddress(c.Listen))
	check("ORGCAST_ADMIN_LISTEN", checkAddress(c.AdminListen))
	if path := environ["ORGCAST_ADMIN_TOKEN_FILE"]; path != "" {
		token, err := os.ReadFile(path)
		check("ORGCAST_ADMIN_TOKEN_FILE", err)
		c.AdminToken = strings.TrimSpace(string(token))
	}
	if c.AdminToken != "" && len(c.AdminToken) < 16 {
		check("ORGCAST_ADMIN_TOKEN", errors.New("it is shorter than 16 characters"))
	}
	if c.AdminToken == "" && !Loopback(c.AdminListen) {
		check("ORGCAST_ADMIN_LISTEN", errors.New("off loopback it needs ORGCAST_ADMIN_TOKEN"))
	}
	check("NODE_ENV, ORGCAST_ORIGINS", c.origins())
	check("ORGCAST_HEARTBEAT", between(c.Heartbeat, time.Second, 25*time.Second))
	check("ORGCAST_LEASE", between(c.Lease, time.Second, 24*time.Hour))
	for name, n := range map[string]int{
		"ORGCAST_MAX_STREAMS": c.MaxStreams, "ORGCAST_MAX_STREAMS_PER_USER": c.MaxStreamsPerUser, "ORGCAST_MAX_STREAMS_PER_ORGANIZATION": c.MaxStreamsPerOrganization,
		"ORGCAST_MAX_STREAMS_PER_ADDRESS": c.MaxStreamsPerAddress, "ORGCAST_MAX_CONNECTS_PER_SECOND": c.MaxConnectsPerSecond,
	} {
		if n < 1 {
			check(name, errors.New("it must be at least 1"))
		}
	}
	if c.DataDir == "" {
		c.DataDir = dataDir(environ)
	}
	if c.Slot == "" {
		c.Slot = defaultSlot(c.Database.Name)
	}
	check("ORGCAST_SLOT", checkSlot(c.Slot))
	return &c, errors.Join(errs...)
}

// Environ makes the map that Load takes of os.Environ's list.
func Environ(list []string) map[string]string {
	m := map[string]string{}
	for _, kv := range list {
		if name, value, ok := strings.Cut(kv, "="); ok {
			m[name] = value
		}
	}
	return m
}

// own are variables of orgcast's that other rooms read.
var own = []string{
	"ORGCAST_SESSION", "ORGCAST_SESSION_COOKIE", "ORGCAST_SESSION_SALT", "ORGCAST_SESSION_USER_CLAIM",
	"ORGCAST_AUTH_SECRETS", "ORGCAST_AUTH_SECRETS_FILE", "ORGCAST_ADMIN_TOKEN_FILE", "ORGCAST_PG_BIN",
}

// unknown finds variables that are written as ours and are not.
func unknown(environ map[string]string) error {
	known := slices.Clone(own)
	for _, f := range Fields() {
		known = append(known, f.Name)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		if strings.HasPrefix(name, "ORGCAST_") && !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("%s is not known: did you mean %s?", name, nearest(name, known)))
		}
	}
	return errors.Join(errs...)
}

// invalid names the variable that the parser refused, and never its value.
func invalid(err error) error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return fmt.Errorf("read configuration: %w", err)
	}
	var errs []error
	for _, e := range all.Errors {
		var p env.ParseError
		if errors.As(e, &p) {
			for _, f := range Fields() {
				if f.Field == p.Name {
					errs = append(errs, fmt.Errorf("%s: it is no %s", f.Name, f.Form))
				}
			}
			continue
		}
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is no host:port", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is no port", port)
	}
	return nil
}

// Loopback tells whether an address to listen on is reached from this machine
// only.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// origins decides who may connect from a browser.
func (c *Config) origins() error {
	if c.NodeEnv == "development" {
		if !Loopback(c.Listen) {
			return errors.New("development lets any origin connect, so that ORGCAST_LISTEN must be on loopback")
		}
		c.AnyOrigin = true
	}
	list := strings.Split(c.Origins, ",")
	if c.AppURL != "" {
		u, err := url.Parse(c.AppURL)
		if err != nil || u.Host == "" {
			return errors.New("NEXT_PUBLIC_APP_URL is no URL")
		}
		list = append(list, u.Scheme+"://"+u.Host)
	}
	for _, o := range list {
		if o = strings.TrimSpace(o); o == "" {
			continue
		}
		u, err := url.Parse(o)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.String() != u.Scheme+"://"+u.Host || u.User != nil {
			return fmt.Errorf("%q is no origin: write scheme://host[:port], without path, pattern or slash", o)
		}
		c.AllowedOrigins = append(c.AllowedOrigins, strings.ToLower(o))
	}
	return nil
}

func between(d, low, high time.Duration) error {
	if d < low || d > high {
		return fmt.Errorf("it must lie between %s and %s", low, high)
	}
	return nil
}

func dataDir(environ map[string]string) string {
	switch {
	case environ["XDG_STATE_HOME"] != "":
		return filepath.Join(environ["XDG_STATE_HOME"], "orgcast")
	case os.Geteuid() == 0 || environ["HOME"] == "":
		return "/var/lib/orgcast"
	}
	return filepath.Join(environ["HOME"], ".local", "state", "orgcast")
}
