package config

import (
	"cmp"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Config is everything that can be set. A field's doc tag is its line in
// docs/CONFIG.md.
type Config struct {
	DatabaseURL      string `env:"ORGCAST_DATABASE_URL" secret:"true" doc:"The database, as the role that orgcast setup makes. If it is not set, the first that is of DIRECT_URL, DATABASE_URL_UNPOOLED, POSTGRES_URL_NON_POOLING, DATABASE_URL. Prisma's own parameters are understood or left out; a pooler's address is refused. TLS is required off loopback, unless the URL says sslmode=disable. It may name several hosts, host1:port,host2:port: the one that is the primary is taken."`
	SetupDatabaseURL string `env:"ORGCAST_SETUP_DATABASE_URL" secret:"true" doc:"The database as the owner of its tables, for orgcast setup. If it is not set, setup uses the other."`

	Listen      string `env:"ORGCAST_LISTEN" default:"127.0.0.1:4050" doc:"Where browsers connect: host:port. If it is not set and PORT is, that port on loopback."`
	AdminListen string `env:"ORGCAST_ADMIN_LISTEN" default:"127.0.0.1:4051" doc:"Where the operator connects: host:port. Off loopback it needs ORGCAST_ADMIN_TOKEN."`
	AdminToken  string `env:"ORGCAST_ADMIN_TOKEN" secret:"true" doc:"The bearer token of the operator's listener; at least 16 characters. ORGCAST_ADMIN_TOKEN_FILE names a file that holds it instead."`
	AdminHosts  string `env:"ORGCAST_ADMIN_HOSTS" doc:"The Host headers that the operator's listener answers, separated by commas, besides its own address."`

	DataDir      string `env:"ORGCAST_DATA_DIR" doc:"Where the event log is kept. By default orgcast in the user's state directory, for root /var/lib/orgcast."`
	LogBytes     Bytes  `env:"ORGCAST_LOG_BYTES" default:"4GiB" doc:"The bound of the event log on disk: the oldest events go first."`
	Rules        string `env:"ORGCAST_RULES" default:"preset:oikion" doc:"The rule file: a path, or preset:NAME for one that orgcast ships."`
	Slot         string `env:"ORGCAST_SLOT" doc:"The replication slot. By default orgcast_ and the database's name: slots are cluster-wide."`
	SlotFailover bool   `env:"ORGCAST_SLOT_FAILOVER" default:"true" doc:"On PostgreSQL 17 and later the slot is one that standbys with sync_replication_slots keep a copy of, so that orgcast goes on from a promoted one. If synchronized_standby_slots is set, the primary sends only what those standbys have. Older servers have no such slots."`
	Dispatch     string `env:"ORGCAST_DISPATCH" default:"received" doc:"When a transaction goes to the streams: received, as soon as the WAL has it; or visible, once other sessions of the primary see it, which with synchronous_standby_names is later. Then who refetches on an event never reads the old row."`
	Publication  string `env:"ORGCAST_PUBLICATION" default:"orgcast" doc:"The publication."`

	APIKeysFile string `env:"ORGCAST_API_KEYS_FILE" doc:"The file of API keys, which orgcast keys alters and serve reads again without a restart. By default api-keys.json in the data directory."`
	SealSecret  string `env:"ORGCAST_SEAL_SECRET" secret:"true" doc:"What proves that a message in the WAL came over HTTP: 64 hexadecimal digits, the same for all processes that read one slot. ORGCAST_SEAL_SECRET_FILE names a file that holds it instead. By default drawn at the first start and kept in the data directory, mode 0600."`

	Origins string `env:"ORGCAST_ORIGINS" doc:"The origins whose pages may connect, separated by commas, such as https://app.example.com. The origin of NEXT_PUBLIC_APP_URL is one of them."`
	AppURL  string `env:"NEXT_PUBLIC_APP_URL" doc:"The application's address; its origin may connect."`
	NodeEnv string `env:"NODE_ENV" doc:"Only exactly development lets any origin connect, and then only to a loopback listener. Everything else, and nothing, is production."`

	Heartbeat time.Duration `env:"ORGCAST_HEARTBEAT" default:"15s" doc:"The longest silence on a stream, 1s to 25s: a proxy of Next.js cuts at 30s."`
	Lease     time.Duration `env:"ORGCAST_LEASE" default:"15m" doc:"How long a stream lives, ± 20%, before it is authenticated anew; 1s to 24h."`

	MaxStreams                int `env:"ORGCAST_MAX_STREAMS" default:"10000" doc:"Open streams in all."`
	MaxStreamsPerUser         int `env:"ORGCAST_MAX_STREAMS_PER_USER" default:"20" doc:"Open streams of one user."`
	MaxStreamsPerOrganization int `env:"ORGCAST_MAX_STREAMS_PER_ORGANIZATION" default:"5000" doc:"Open streams of one organization."`
	MaxStreamsPerAddress      int `env:"ORGCAST_MAX_STREAMS_PER_ADDRESS" default:"100" doc:"Open streams of one client address. An IPv6 client is its /64. Loopback and private peers stand for everybody and have no limit, until ORGCAST_TRUSTED_PROXIES is set."`
	MaxConnectsPerSecond      int `env:"ORGCAST_MAX_CONNECTS_PER_SECOND" default:"500" doc:"New streams a second, with twice as many at once. When they are used up, who has a valid session has as many again: strangers take nothing from members."`

	TrustedProxies      string `env:"ORGCAST_TRUSTED_PROXIES" doc:"The proxies whose word is taken for a client's address: addresses and networks (10.0.3.0/24), separated by commas. By default none: then a client's address is the peer's, and loopback and private peers, which stand for everybody, have no limit. Once set, every address has."`
	ClientAddressHeader string `env:"ORGCAST_CLIENT_ADDRESS_HEADER" default:"X-Forwarded-For" doc:"The header in which the trusted proxies give it. Of X-Forwarded-For and Forwarded the right-most address that is no trusted proxy's counts; any other, such as X-Real-IP, is one address, and the proxy must replace what a client sends in it."`

	LogLevel  string `env:"ORGCAST_LOG_LEVEL" default:"info" doc:"debug, info, warn or error."`
	LogFormat string `env:"ORGCAST_LOG_FORMAT" default:"text" doc:"text or json."`

	// Found from the above.

	// Database and SetupDatabase are the addresses, cleaned.
	Database      Database `env:"-"`
	SetupDatabase Database `env:"-"`
	// SealSecretFile is ORGCAST_SEAL_SECRET_FILE.
	SealSecretFile string `env:"-"`
	// AllowedOrigins are the origins that may connect; AnyOrigin is development.
	AllowedOrigins []string `env:"-"`
	AnyOrigin      bool     `env:"-"`
	// ProxyNetworks are the trusted proxies.
	ProxyNetworks []netip.Prefix `env:"-"`
}

// Load reads the environment, given as a map. An empty variable counts as one
// that is not set. The error is an [*Error] of all that is wrong.
func Load(environ map[string]string) (*Config, error) {
	var (
		c Config
		e Error
	)
	if environ == nil {
		environ = map[string]string{} // nil, to the parser, is the process's own
	}
	unknown(environ, &e)
	if err := env.ParseWithOptions(&c, env.Options{Environment: environ, DefaultValueTagName: "default"}); err != nil {
		invalid(err, &e)
		return nil, &e
	}
	if environ["ORGCAST_LISTEN"] == "" && environ["PORT"] != "" {
		c.Listen = net.JoinHostPort("127.0.0.1", environ["PORT"])
	}
	c.databases(environ, &e)
	c.listeners(environ, &e)
	c.origins(&e)
	c.proxies(&e)
	c.bounds(&e)
	if c.DataDir == "" {
		c.DataDir = dataDir(environ)
	}
	c.APIKeysFile = APIKeysFile(environ)
	if c.SealSecretFile = environ["ORGCAST_SEAL_SECRET_FILE"]; c.SealSecretFile != "" && c.SealSecret != "" {
		e.refuse("ORGCAST_SEAL_SECRET", "ORGCAST_SEAL_SECRET_FILE is set, too", "Set one of the two.")
	}
	if c.Slot == "" {
		c.Slot = defaultSlot(c.Database.Name)
	}
	if err := checkSlot(c.Slot); err != nil {
		e.add("ORGCAST_SLOT", err, "Leave it out for orgcast_ and the database's name.")
	}
	if !publicationName.MatchString(c.Publication) {
		e.refuse("ORGCAST_PUBLICATION", "it is no plain name", "Use up to 63 of a-z, 0-9 and _, not a digit first.")
	}
	if len(e.Problems) > 0 {
		return nil, &e
	}
	return &c, nil
}

var publicationName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

func (c *Config) databases(environ map[string]string, e *Error) {
	name, raw := databaseURL(environ)
	if raw == "" {
		e.refuse("ORGCAST_DATABASE_URL", "no database is set", "Set it to the database's direct address: postgresql://user:password@host:port/database.")
		return
	}
	var err error
	if c.Database, err = ParseDatabaseURL(raw); err != nil {
		e.add(name, err, form)
	}
	c.SetupDatabase = c.Database
	if c.SetupDatabaseURL != "" {
		if c.SetupDatabase, err = ParseDatabaseURL(c.SetupDatabaseURL); err != nil {
			e.add("ORGCAST_SETUP_DATABASE_URL", err, form)
		}
	}
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

// APIKeysFile is where the API keys are. It asks for nothing else to be set.
func APIKeysFile(environ map[string]string) string {
	if path := environ["ORGCAST_API_KEYS_FILE"]; path != "" {
		return path
	}
	return filepath.Join(cmp.Or(environ["ORGCAST_DATA_DIR"], dataDir(environ)), "api-keys.json")
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
