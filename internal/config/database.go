package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
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

// Database is a database's address, without what only Prisma understands. It
// prints without its password.
type Database struct {
	// URL is secret: it holds the password.
	URL string
	// Host, Port, Name, User and Password are its parts. A Host that begins with
	// a slash is the directory of a Unix socket.
	Host, Port, Name, User, Password string
	// Schema is Prisma's schema parameter, "" if there was none.
	Schema string
	// TLS is the sslmode.
	TLS string
	// Left lists the parameters that were left out, sorted.
	Left []string
}

// Format prints the address without its password, whatever the verb.
func (d Database) Format(f fmt.State, _ rune) {
	host := d.Host
	if !strings.HasPrefix(host, "/") && d.Port != "" {
		host = net.JoinHostPort(d.Host, d.Port)
	}
	fmt.Fprintf(f, "database %q on %s as %q, sslmode=%s", d.Name, host, d.User, d.TLS)
}

// kept are the parameters that the driver reads itself. Every other one it
// would send to the server as a setting, and the server would refuse.
var kept = []string{
	"application_name", "channel_binding", "connect_timeout", "krbspn", "krbsrvname", "max_protocol_version", "min_protocol_version",
	"options", "passfile", "require_auth", "sslcert", "sslcertmode", "sslkey", "sslmode", "sslnegotiation", "sslpassword", "sslrootcert",
	"sslsni", "target_session_attrs",
}

// ParseDatabaseURL reads the address of a database. Its errors hold nothing of
// the address but its host.
func ParseDatabaseURL(raw string) (Database, error) {
	u, err := parseURL(raw)
	if err != nil {
		return Database{}, err
	}
	// In libpq's URLs, and in the driver's, a plus is a plus.
	q, err := url.ParseQuery(strings.ReplaceAll(u.RawQuery, "+", "%2B"))
	if err != nil {
		return Database{}, refused("its parameters can't be read", "Percent-encode what is special in them.")
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if len(q[name]) > 1 {
			return Database{}, refused("it has a parameter twice", "Remove one of the two.")
		}
	}
	d := Database{
		// A parameter wins over the URL's own part, as it does in libpq.
		Host: cmp.Or(q.Get("host"), u.Hostname()), Port: cmp.Or(q.Get("port"), u.Port(), "5432"),
		Name: cmp.Or(q.Get("dbname"), q.Get("database"), strings.TrimPrefix(u.Path, "/")),
		User: cmp.Or(q.Get("user"), u.User.Username()), Schema: q.Get("schema"),
	}
	password, _ := u.User.Password()
	d.Password = cmp.Or(q.Get("password"), password)
	if err := d.check(); err != nil {
		return Database{}, err
	}
	if err := refusePooler(d, q); err != nil {
		return Database{}, err
	}
	if d.TLS, err = tlsParameters(d.Host, q); err != nil {
		return Database{}, err
	}
	for name := range q {
		if !slices.Contains(kept, name) {
			delete(q, name)
			if !slices.Contains([]string{"host", "port", "dbname", "database", "user", "password", "schema"}, name) {
				d.Left = append(d.Left, name)
			}
		}
	}
	slices.Sort(d.Left)
	d.URL = d.url(q)
	return d, nil
}

func refused(problem, cure string) error {
	return orgcast.WithHint("read database URL", errors.New(problem), cure)
}

const form = "Write postgresql://user:password@host:port/database."

// parseURL reads a URL of PostgreSQL's scheme. What url.Parse says is not
// wrapped: it would show the URL, and the password in it.
func parseURL(raw string) (*url.URL, error) {
	if strings.HasPrefix(raw, `"`) || strings.HasPrefix(raw, `'`) {
		return nil, refused("it is in quotes", "Remove the quotes: not every reader of .env files does.")
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	switch scheme = strings.ToLower(scheme); {
	case !ok:
		return nil, refused("it is no URL", form)
	case scheme == "prisma" || scheme == "prisma+postgres":
		return nil, refused("a "+scheme+":// address leads to Prisma's own service, which does not pass replication on",
			"Set ORGCAST_DATABASE_URL to the database's own postgresql:// address.")
	case scheme != "postgres" && scheme != "postgresql":
		return nil, refused("its scheme is not postgresql", form)
	}
	authority, _, _ := strings.Cut(rest, "/")
	if strings.Contains(authority[strings.LastIndexByte(authority, '@')+1:], ",") {
		return nil, refused("it names several hosts", "Name the primary only: a replica has no slot of ours.")
	}
	if strings.Contains(raw, "#") {
		return nil, refused("it has a #, and what follows would be lost", "Write it as %23.")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, refused("it can't be read as a URL", "Percent-encode what is special in user and password: @ is %40, : is %3A, / is %2F, # is %23, ? is %3F, % is %25.")
	}
	return u, nil
}

// check finds what the driver would fill in from the environment, and what it
// would read differently from us.
func (d *Database) check() error {
	switch {
	case d.Host == "":
		return refused("it names no host", form)
	case strings.Contains(d.Host, ","):
		return refused("it names several hosts", "Name the primary only: a replica has no slot of ours.")
	case !strings.HasPrefix(d.Host, "/") && !isHost(d.Host):
		return refused("its host is no host name", form)
	case d.Name == "" || strings.ContainsRune(d.Name, 0):
		return refused("it names no database", form)
	case strings.ContainsRune(d.User+d.Password+d.Host, 0):
		return refused("it holds a NUL", form)
	}
	if n, err := strconv.ParseUint(d.Port, 10, 16); err != nil || n == 0 {
		return refused("its port is no port", form)
	}
	return nil
}

// isHost tells whether s is an address, or could be a name.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return !strings.Contains(s, "%")
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._", r)
	})
}

// url writes the address anew, each part in one place only.
func (d *Database) url(q url.Values) string {
	u := url.URL{Scheme: "postgresql", Path: "/" + d.Name}
	switch {
	case d.Password != "":
		u.User = url.UserPassword(d.User, d.Password)
	case d.User != "":
		u.User = url.User(d.User)
	}
	if strings.HasPrefix(d.Host, "/") {
		q.Set("host", d.Host)
		q.Set("port", d.Port)
	} else {
		u.Host = net.JoinHostPort(d.Host, d.Port)
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	return u.String()
}

// local tells whether a host is reached without a network.
func local(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || strings.HasPrefix(host, "/") || err == nil && a.Unmap().IsLoopback()
}
