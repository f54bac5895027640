package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/oikion/orgcast"
)

func TestADatabaseURLIsCleaned(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"postgresql://u:p@localhost/db", "postgresql://u:p@localhost:5432/db?sslmode=prefer"},
		{"POSTGRES://u@127.0.0.1:6432/db", "postgresql://u@127.0.0.1:6432/db?sslmode=prefer"},
		{"postgresql://u:p@[::1]:5433/db?sslmode=disable", "postgresql://u:p@[::1]:5433/db?sslmode=disable"},

		// TLS off loopback, unless the URL says disable.
		{"postgresql://u:p@db.example.com/db", "postgresql://u:p@db.example.com:5432/db?sslmode=require"},
		{"postgresql://u:p@db.example.com/db?sslmode=prefer", "postgresql://u:p@db.example.com:5432/db?sslmode=require"},
		{"postgresql://u:p@db.example.com/db?sslmode=allow", "postgresql://u:p@db.example.com:5432/db?sslmode=require"},
		{"postgresql://u:p@db.example.com/db?sslmode=disable", "postgresql://u:p@db.example.com:5432/db?sslmode=disable"},
		{"postgresql://u:p@db.example.com/db?sslmode=verify-full", "postgresql://u:p@db.example.com:5432/db?sslmode=verify-full"},
		{"postgresql://u:p@localhost.evil.example/db", "postgresql://u:p@localhost.evil.example:5432/db?sslmode=require"},
		{"postgresql://u:p@localhost/db?host=db.example.com", "postgresql://u:p@db.example.com:5432/db?sslmode=require"},

		// Prisma's own words.
		{"postgresql://u:p@localhost/db?schema=app&pgbouncer=false&connection_limit=1&pool_timeout=2&socket_timeout=3&statement_cache_size=0&sslidentity=x.p12&sslpassword=y&connect_timeout=7",
			"postgresql://u:p@localhost:5432/db?connect_timeout=7&sslmode=prefer"},
		{"postgresql://u:p@db.example.com/db?sslaccept=strict", "postgresql://u:p@db.example.com:5432/db?sslmode=verify-full"},
		{"postgresql://u:p@db.example.com/db?sslmode=require&sslaccept=strict", "postgresql://u:p@db.example.com:5432/db?sslmode=verify-full"},
		{"postgresql://u:p@db.example.com/db?sslmode=verify-full&sslaccept=accept_invalid_certs", "postgresql://u:p@db.example.com:5432/db?sslmode=verify-full"},
		{"postgresql://u:p@db.example.com/db?sslaccept=accept_invalid_certs", "postgresql://u:p@db.example.com:5432/db?sslmode=require"},
		{"postgresql://u:p@localhost/db?sslcert=ca.pem", "postgresql://u:p@localhost:5432/db?sslmode=prefer&sslrootcert=ca.pem"},
		{"postgresql://u:p@localhost/db?sslcert=c.pem&sslkey=k.pem&sslpassword=x", "postgresql://u:p@localhost:5432/db?sslcert=c.pem&sslkey=k.pem&sslmode=prefer&sslpassword=x"},

		// Hosts' own words.
		{"postgresql://u:p@ep-x.neon.tech/db?sslmode=require&channel_binding=require", "postgresql://u:p@ep-x.neon.tech:5432/db?channel_binding=require&sslmode=require"},
		{"postgresql://u:p@localhost/db?supa=base&search_path=x&replication=database&service=s&hostaddr=1.2.3.4", "postgresql://u:p@localhost:5432/db?sslmode=prefer"},

		// Several servers: the primary is taken, and one that is gone costs little.
		{"postgresql://u:p@a.example.com,b.example.com:5433/db?sslmode=require", "postgresql://u:p@/db?connect_timeout=4&host=a.example.com%2Cb.example.com&port=5432%2C5433&sslmode=require&target_session_attrs=primary"},
		{"postgresql://u:p@127.0.0.1:1,[::1]:2/db?target_session_attrs=read-write&connect_timeout=9", "postgresql://u:p@/db?connect_timeout=9&host=127.0.0.1%2C%3A%3A1&port=1%2C2&sslmode=prefer&target_session_attrs=primary"},
		{"postgresql://u:p@localhost,db.example.com/db", "postgresql://u:p@/db?connect_timeout=4&host=localhost%2Cdb.example.com&port=5432%2C5432&sslmode=require&target_session_attrs=primary"},
		{"postgresql://u:p@/db?host=a,b&port=6000&sslmode=disable", "postgresql://u:p@/db?connect_timeout=4&host=a%2Cb&port=6000%2C6000&sslmode=disable&target_session_attrs=primary"},
		{"postgresql://u:a,b@localhost/db?x=a,b", "postgresql://u:a,b@localhost:5432/db?sslmode=prefer"},

		{"postgresql:///db?host=/var/run/postgresql&user=u", "postgresql://u@/db?host=%2Fvar%2Frun%2Fpostgresql&port=5432&sslmode=prefer"},
		{"postgresql://u:p%40%2F%23s%25@localhost/d%20b", "postgresql://u:p%40%2F%23s%25@localhost:5432/d%20b?sslmode=prefer"},
	} {
		d, err := ParseDatabaseURL(c.raw)
		if err != nil || d.URL != c.want {
			t.Errorf("%s\n got %s, %v\nwant %s", c.raw, d.URL, err, c.want)
		}
	}
	d, err := ParseDatabaseURL("postgresql://u:p@localhost/db?schema=app&supa=x&pool_timeout=1")
	if err != nil || d.Schema != "app" || !slices.Equal(d.Left, []string{"pool_timeout", "supa"}) || d.Password != "p" || d.User != "u" || d.Name != "db" {
		t.Errorf("got %#v, %v", d.Left, err)
	}
}

// secretText is the password of every URL in this test: no error may show it.
const secretText = "hunter2hunter2"

func TestAnAddressThatCannotReplicateIsRefusedByNameWithACure(t *testing.T) {
	for _, c := range []struct{ raw, problem, cure string }{
		{"prisma://accelerate.prisma-data.net/?api_key=" + secretText, "prisma://", "own postgresql:// address"},
		{"prisma+postgres://localhost:1/?api_key=" + secretText, "prisma+postgres://", "own postgresql:// address"},
		{"postgresql://u:hunter2hunter2@ep-x-pooler.eu.aws.neon.tech/db", "Neon's pooler", "without -pooler."},
		{"postgresql://u:hunter2hunter2@EP-X-POOLER.eu.aws.neon.tech/db", "Neon's pooler", "without -pooler."},
		{"postgresql://u:hunter2hunter2@localhost/db?host=ep-x-pooler.eu.aws.neon.tech", "Neon's pooler", "without -pooler."},
		{"postgresql://u:hunter2hunter2@aws-0-eu.pooler.supabase.com:5432/db", "Supabase's pooler", "direct connection"},
		{"postgresql://u:hunter2hunter2@db.x.supabase.co:6543/db", "Supabase's pooler", "5432"},
		{"postgresql://u:hunter2hunter2@db.x.supabase.co/db?port=6543", "Supabase's pooler", "5432"},
		{"postgresql://u:hunter2hunter2@x.proxy-abc.eu-west-1.rds.amazonaws.com/db", "RDS Proxy", "own address"},
		{"postgresql://u:hunter2hunter2@db.example.com/db?pgbouncer=true", "PgBouncer", "DIRECT_URL"},

		{"mysql://u:hunter2hunter2@localhost/db", "not postgresql", "postgresql://"},
		{"host=localhost password=hunter2hunter2", "no URL", "postgresql://"},
		{`"postgresql://u:hunter2hunter2@localhost/db"`, "quotes", "Remove"},
		{"postgresql://u:hunter2hunter2#x@localhost/db", "#", "%23"},
		{"postgresql://u:5432#hunter2hunter2@localhost/db", "#", "%23"},
		{"postgresql://u:hunter2hunter2%zz@localhost/db", "can't be read", "Percent-encode"},
		{"postgresql://u:hunter2hunter2@a:1,b:2/db?target_session_attrs=standby", "asks for a standby", "read-write"},
		{"postgresql://u:hunter2hunter2@a:1,b:2/db?port=1,2,3", "ports", "one for each"},
		{"postgresql://u:hunter2hunter2@a,ep-x-pooler.eu.aws.neon.tech/db", "Neon's pooler", "without -pooler."},
		{"postgresql://u:hunter2hunter2@a,,b/db", "no host", "postgresql://"},
		{"postgresql://u:hunter2hunter2@a,b:x/db", "can't be read", "host1"},
		{"postgresql://u:hunter2hunter2@a,a/db", "twice", "host1"},
		{"postgresql://u:hunter2hunter2@a,b,c,d,e,f,g,h,i/db", "more than 8", "primary"},
		{"postgresql://u:hunter2hunter2@/db", "no host", "postgresql://"},
		{"postgresql://u:hunter2hunter2@localhost", "no database", "postgresql://"},
		{"postgresql://u:hunter2hunter2@a b/db", "can't be read", "Percent-encode"},
		{"postgresql://a:b:hunter2hunter2:/db", "no host name", "postgresql://"},
		{"postgresql://u:hunter2hunter2@localhost:99999/db", "port", "postgresql://"},
		{"postgresql://u:hunter2hunter2@localhost/db?sslmode=no", "sslmode", "require"},
		{"postgresql://u:hunter2hunter2@localhost/db?sslaccept=yes", "sslaccept", "strict"},
		{"postgresql://u:hunter2hunter2@localhost/db?sslmode=disable&sslmode=require", "twice", "Remove"},
		{"postgresql://u:hunter2hunter2@localhost/db?a=%zz", "parameters", "Percent-encode"},
	} {
		_, err := ParseDatabaseURL(c.raw)
		if err == nil || !strings.Contains(err.Error(), c.problem) || !strings.Contains(orgcast.Hint(err), c.cure) {
			t.Errorf("%s\n got %v (%s)\nwant %q (%q)", c.raw, err, orgcast.Hint(err), c.problem, c.cure)
		}
		if strings.Contains(fmt.Sprint(err, orgcast.Hint(err)), secretText) {
			t.Errorf("%s: the error shows the password: %v", c.raw, err)
		}
	}
}

func TestADatabasePrintsWithoutItsPassword(t *testing.T) {
	d, err := ParseDatabaseURL("postgresql://u:" + secretText + "@db.example.com/db")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(format, d); strings.Contains(got, secretText) || !strings.Contains(got, "db.example.com:5432") {
			t.Errorf("%s prints %s", format, got)
		}
	}
}

// Whatever the URL: the driver understands what was made of it, goes where we
// checked, never without TLS off loopback, and no error shows the password.
func FuzzParseDatabaseURL(f *testing.F) {
	f.Add("postgresql://u:", secretText, "@db.example.com:5432/db?schema=public&pgbouncer=false")
	f.Add("postgres://u:", "p#?/@:", "@localhost/db?host=db.example.com&sslmode=prefer")
	f.Add("postgresql:///db?password=", "x y", "&host=/tmp&sslaccept=strict")
	f.Add("prisma://", "a", "/?api_key=x")
	f.Add("postgresql://u:", "%41", "@[::1]:5432/db?sslmode=disable&sslmode=require")
	f.Add("postgresql://u:", secretText, "@a:1,db.example.com/db?port=5,6&sslmode=prefer")
	f.Fuzz(func(t *testing.T, before, password, after string) {
		raw := before + url.QueryEscape(password) + after
		d, err := ParseDatabaseURL(raw)
		if err != nil {
			if len(password) > 12 && !strings.Contains(after+before, password) && strings.Contains(fmt.Sprint(err, orgcast.Hint(err)), password) &&
				!strings.Contains(strings.ToLower(d.Host), password) && strings.Contains(before, ":") && strings.HasPrefix(after, "@") {
				t.Fatalf("the error shows the password %q: %v", password, err)
			}
			return
		}
		c, err := pgconn.ParseConfig(d.URL)
		if err != nil {
			if u, _ := url.Parse(d.URL); u != nil && u.RawQuery != "" {
				// Files, numbers and words of the driver's own parameters are its matter.
				q := u.Query()
				for _, name := range kept {
					if name != "sslmode" && q.Get(name) != "" {
						return
					}
				}
			}
			t.Fatalf("the driver refuses what was made of %q: %v", raw, errors.Unwrap(err))
		}
		if c.Host != d.Host || fmt.Sprint(c.Port) != strings.TrimLeft(d.Port, "0") || c.Database != d.Name || d.User != "" && c.User != d.User || d.Password != "" && c.Password != d.Password {
			t.Fatalf("%q: the driver goes to %s:%d/%s as %s, we checked %v", raw, c.Host, c.Port, c.Database, c.User, d)
		}
		for _, f := range append(c.Fallbacks, &pgconn.FallbackConfig{Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig}) {
			if !slices.ContainsFunc(d.addresses(), func(a Address) bool {
				return f.Host == a.Host && fmt.Sprint(f.Port) == strings.TrimLeft(a.Port, "0")
			}) {
				t.Fatalf("%q: the driver goes to %s:%d, we checked %v", raw, f.Host, f.Port, d)
			}
			if !local(f.Host) && d.TLS != "disable" && f.TLSConfig == nil {
				t.Fatalf("%q: goes to %s without TLS", raw, f.Host)
			}
		}
		for name := range c.RuntimeParams {
			if !slices.Contains([]string{"application_name", "options"}, name) {
				t.Fatalf("%q: sends the server %s", raw, name)
			}
		}
		again, err := ParseDatabaseURL(d.URL)
		if err != nil || again.URL != d.URL {
			t.Fatalf("%q: cleaned twice: %v", raw, err)
		}
	})
}
