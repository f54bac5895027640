package config

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Address is where one server of a database listens.
type Address struct{ Host, Port string }

// String is host:port, or the directory of a Unix socket.
func (a Address) String() string {
	if strings.HasPrefix(a.Host, "/") {
		return a.Host
	}
	return net.JoinHostPort(a.Host, a.Port)
}

// maxServers is how many servers an address may name: each that is gone costs an
// attempt its connect_timeout.
const maxServers = 8

// serverPatience is the connect_timeout, in seconds, of one of several servers:
// one whose machine is gone does not answer at all, and the next one waits for it.
const serverPatience = "4"

func (d *Database) addresses() []Address {
	return append([]Address{{d.Host, d.Port}}, d.Others...)
}

// Local tells whether every server is reached without a network.
func (d *Database) Local() bool {
	return !slices.ContainsFunc(d.addresses(), func(a Address) bool { return !local(a.Host) })
}

// splitHosts takes the further hosts of "user:password@a:1,b:2/name" out of it.
func splitHosts(rest string) (first string, others []Address, err error) {
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	begin := strings.LastIndexByte(rest[:end], '@') + 1
	host, more, several := strings.Cut(rest[begin:end], ",")
	if !several {
		return rest, nil, nil
	}
	for _, text := range strings.Split(more, ",") {
		u, err := url.Parse("postgresql://" + text)
		if err != nil || u.User != nil {
			return "", nil, refused("one of its hosts can't be read", severalForm)
		}
		others = append(others, Address{u.Hostname(), u.Port()})
	}
	return rest[:begin] + host + rest[end:], others, nil
}

const severalForm = "Write postgresql://user:password@host1:port,host2:port/database."

// servers are those that the parameters or, without, the URL itself names, each
// of them checked.
func servers(q url.Values, own []Address) ([]Address, error) {
	if text := q.Get("host"); text != "" {
		ports := own
		own = nil
		for i, host := range strings.Split(text, ",") {
			own = append(own, Address{host, ports[min(i, len(ports)-1)].Port})
		}
	}
	if text := q.Get("port"); text != "" {
		ports := strings.Split(text, ",")
		if len(ports) != 1 && len(ports) != len(own) {
			return nil, refused("it has more ports than hosts, or fewer", "Give one port for all hosts, or one for each.")
		}
		for i := range own {
			own[i].Port = ports[min(i, len(ports)-1)]
		}
	}
	if len(own) > maxServers {
		return nil, refused("it names more than "+strconv.Itoa(maxServers)+" hosts", "Name the servers that can become the primary.")
	}
	for i := range own {
		a := &own[i]
		a.Port = cmp.Or(a.Port, "5432")
		switch {
		case a.Host == "":
			return nil, refused("it names no host", form)
		case strings.ContainsRune(a.Host, 0):
			return nil, refused("it holds a NUL", form)
		case strings.Contains(a.Host, ","), !strings.HasPrefix(a.Host, "/") && !isHost(a.Host):
			return nil, refused("its host is no host name", form)
		case slices.Contains(own[:i], *a):
			return nil, refused("it names a host twice", severalForm)
		}
		if n, err := strconv.ParseUint(a.Port, 10, 16); err != nil || n == 0 {
			return nil, refused("its port is no port", form)
		}
	}
	return own, nil
}

// primaryOnly has the driver take the one of several servers that is the primary:
// a standby has nothing that could be read. read-write would not do: the doctor's
// own sessions are read-only.
func primaryOnly(addresses []Address, q url.Values) error {
	if len(addresses) == 1 {
		return nil
	}
	switch q.Get("target_session_attrs") {
	case "", "any", "read-write", "primary":
	default:
		return refused("its target_session_attrs asks for a standby", "Leave it out, or write read-write: only the primary sends changes.")
	}
	q.Set("target_session_attrs", "primary")
	if q.Get("connect_timeout") == "" {
		q.Set("connect_timeout", serverPatience)
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

// local tells whether a host is reached without a network.
func local(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || strings.HasPrefix(host, "/") || err == nil && a.Unmap().IsLoopback()
}
