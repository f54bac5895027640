package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
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

// Database is a database's address, without what only Prisma understands. It
// prints without its password.
type Database struct {
	// URL is secret: it holds the password.
	URL string
	// Host, Port, Name, User and Password are its parts. A Host that begins with
	// a slash is the directory of a Unix socket.
	Host, Port, Name, User, Password string
	// Others are the further servers of an address that names several, of which
	// the one is taken that is the primary.
	Others []Address
	// Schema is Prisma's schema parameter, "" if there was none.
	Schema string
	// TLS is the sslmode.
	TLS string
	// Left lists the parameters that were left out, sorted.
	Left []string
}

// Format prints the address without its password, whatever the verb.
func (d Database) Format(f fmt.State, _ rune) {
	hosts := make([]string, 0, 1+len(d.Others))
	for _, a := range d.addresses() {
		hosts = append(hosts, a.String())
	}
	fmt.Fprintf(f, "database %q on %s as %q, sslmode=%s", d.Name, strings.Join(hosts, " or "), d.User, d.TLS)
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
	u, others, err := parseURL(raw)
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
	addresses, err := servers(q, append([]Address{{u.Hostname(), u.Port()}}, others...))
	if err != nil {
		return Database{}, err
	}
	d := Database{
		// A parameter wins over the URL's own part, as it does in libpq.
		Host: addresses[0].Host, Port: addresses[0].Port, Others: addresses[1:],
		Name: cmp.Or(q.Get("dbname"), q.Get("database"), strings.TrimPrefix(u.Path, "/")),
		User: cmp.Or(q.Get("user"), u.User.Username()), Schema: q.Get("schema"),
	}
	password, _ := u.User.Password()
	d.Password = cmp.Or(q.Get("password"), password)
	if err := d.check(); err != nil {
		return Database{}, err
	}
	for _, a := range addresses {
		if err := refusePooler(a, q); err != nil {
			return Database{}, err
		}
	}
	if err := primaryOnly(addresses, q); err != nil {
		return Database{}, err
	}
	if d.TLS, err = tlsParameters(d.Local(), q); err != nil {
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
// wrapped: it would show the URL, and the password in it. Of several hosts the URL
// has the first; others are the further ones.
func parseURL(raw string) (u *url.URL, others []Address, err error) {
	if strings.HasPrefix(raw, `"`) || strings.HasPrefix(raw, `'`) {
		return nil, nil, refused("it is in quotes", "Remove the quotes: not every reader of .env files does.")
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	switch scheme = strings.ToLower(scheme); {
	case !ok:
		return nil, nil, refused("it is no URL", form)
	case scheme == "prisma" || scheme == "prisma+postgres":
		return nil, nil, refused("a "+scheme+":// address leads to Prisma's own service, which does not pass replication on",
			"Set ORGCAST_DATABASE_URL to the database's own postgresql:// address.")
	case scheme != "postgres" && scheme != "postgresql":
		return nil, nil, refused("its scheme is not postgresql", form)
	}
	if strings.Contains(raw, "#") {
		return nil, nil, refused("it has a #, and what follows would be lost", "Write it as %23.")
	}
	first, others, err := splitHosts(rest)
	if err != nil {
		return nil, nil, err
	}
	if u, err = url.Parse(scheme + "://" + first); err != nil {
		return nil, nil, refused("it can't be read as a URL", "Percent-encode what is special in user and password: @ is %40, : is %3A, / is %2F, # is %23, ? is %3F, % is %25.")
	}
	return u, others, nil
}

// check finds what the driver would fill in from the environment, and what it
// would read differently from us.
func (d *Database) check() error {
	switch {
	case d.Name == "" || strings.ContainsRune(d.Name, 0):
		return refused("it names no database", form)
	case strings.ContainsRune(d.User+d.Password, 0):
		return refused("it holds a NUL", form)
	}
	return nil
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
	if len(d.Others) > 0 || strings.HasPrefix(d.Host, "/") {
		var hosts, ports []string
		for _, a := range d.addresses() {
			hosts, ports = append(hosts, a.Host), append(ports, a.Port)
		}
		q.Set("host", strings.Join(hosts, ","))
		q.Set("port", strings.Join(ports, ","))
	} else {
		u.Host = net.JoinHostPort(d.Host, d.Port)
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	return u.String()
}
