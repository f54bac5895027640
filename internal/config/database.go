package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/oikion/orgcast"
)

// databaseVariables are looked at in this order: a direct address first.
var databaseVariables = []string{"ORGCAST_DATABASE_URL", "DIRECT_URL", "DATABASE_URL_UNPOOLED", "POSTGRES_URL_NON_POOLING", "DATABASE_URL"}

func databaseURL(environ map[string]string) (name, raw string) {
	for _, name := range databaseVariables {
		if raw := environ[name]; raw != "" {
			return name, raw
		}
	}
	return "", ""
}

// Database is a database's address, without what only Prisma understands.
type Database struct {
	// URL is secret: it holds the password.
	URL string
	// Host, Name, User and Password are its parts.
	Host, Name, User, Password string
}

// prismaOnly are parameters that Prisma reads itself. PostgreSQL would refuse
// the connection for them.
var prismaOnly = []string{
	"schema", "pgbouncer", "connection_limit", "pool_timeout", "socket_timeout", "statement_cache_size",
	"sslidentity", "sslpassword", "sslaccept", "single_use_connections", "channel_binding", "max_idle_connection_lifetime", "max_connection_lifetime",
}

// ParseDatabaseURL reads the address of a database. Its errors hold nothing of
// the address but its host.
func ParseDatabaseURL(raw string) (Database, error) {
	scheme, _, ok := strings.Cut(raw, "://")
	switch scheme = strings.ToLower(scheme); {
	case !ok:
		return Database{}, errors.New("it is no URL: write postgresql://user:password@host:port/database")
	case scheme == "prisma" || scheme == "prisma+postgres":
		return Database{}, orgcast.WithHint("read database URL", errors.New("a "+scheme+":// address leads to Prisma's own service, which can't replicate"),
			"Set ORGCAST_DATABASE_URL to the database's own postgresql:// address.")
	case scheme != "postgres" && scheme != "postgresql":
		return Database{}, errors.New("its scheme is not postgresql")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return Database{}, errors.New("it can't be read as a URL: percent-encode what is special in user and password")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Database{}, errors.New("its parameters can't be read")
	}
	if err := refusePooler(u, q); err != nil {
		return Database{}, err
	}
	if q.Get("sslaccept") == "strict" && q.Get("sslmode") == "" {
		q.Set("sslmode", "verify-full")
	}
	if cert := q.Get("sslcert"); cert != "" && q.Get("sslkey") == "" {
		// What Prisma calls sslcert is the certificate of the authority.
		q.Del("sslcert")
		if q.Get("sslrootcert") == "" {
			q.Set("sslrootcert", cert)
		}
	}
	for name := range q {
		if slices.Contains(prismaOnly, name) {
			q.Del(name)
		}
	}
	if !local(u, q) {
		switch q.Get("sslmode") {
		case "", "prefer", "allow":
			q.Set("sslmode", "require") // those fall back to no TLS without a word
		}
	}
	u.Scheme, u.RawQuery, u.Fragment = "postgresql", q.Encode(), ""
	password, _ := u.User.Password()
	return Database{
		URL: u.String(), Host: u.Hostname(), Name: strings.TrimPrefix(u.Path, "/"), User: u.User.Username(), Password: password,
	}, nil
}

// local tells whether the address is reached without a network.
func local(u *url.URL, q url.Values) bool {
	host := u.Hostname()
	if host == "" {
		host = q.Get("host")
	}
	ip := net.ParseIP(host)
	return host == "" || host == "localhost" || strings.HasPrefix(host, "/") || ip != nil && ip.IsLoopback()
}

// refusePooler finds addresses of poolers, which do not pass replication on.
func refusePooler(u *url.URL, q url.Values) error {
	host := strings.ToLower(u.Hostname())
	var what, cure string
	switch {
	case strings.Contains(host, "-pooler."):
		what, cure = "Neon's pooler", "Use the address without -pooler."
	case strings.HasSuffix(host, "pooler.supabase.com"):
		what, cure = "Supabase's pooler", "Use the direct connection, db.<project>.supabase.co on port 5432."
	case strings.HasSuffix(host, ".supabase.co") && u.Port() == "6543":
		what, cure = "Supabase's pooler", "Use the direct connection on port 5432."
	case strings.Contains(host, ".proxy-") && strings.HasSuffix(host, ".rds.amazonaws.com"):
		what, cure = "RDS Proxy", "Use the instance's own address."
	case q.Get("pgbouncer") == "true":
		what, cure = "PgBouncer", "Set ORGCAST_DATABASE_URL (or DIRECT_URL) to the database's own address."
	default:
		return nil
	}
	return orgcast.WithHint("read database URL", fmt.Errorf("%s is %s, which does not pass replication on", host, what), cure)
}
