package config

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxToken is more than any token has; what is longer is another file.
const maxToken = 4096

func (c *Config) listeners(environ map[string]string, e *Error) {
	variable := "ORGCAST_LISTEN"
	if environ[variable] == "" && environ["PORT"] != "" {
		variable = "PORT"
	}
	checkAddress(variable, c.Listen, e)
	checkAddress("ORGCAST_ADMIN_LISTEN", c.AdminListen, e)
	if c.Listen == c.AdminListen && !strings.HasSuffix(c.Listen, ":0") {
		e.refuse("ORGCAST_ADMIN_LISTEN", "it is where browsers connect, too", "Give the operator's listener a port of its own.")
	}
	token := "ORGCAST_ADMIN_TOKEN"
	if path := environ["ORGCAST_ADMIN_TOKEN_FILE"]; path != "" {
		if c.AdminToken != "" {
			e.refuse(token, "ORGCAST_ADMIN_TOKEN_FILE is set, too", "Set one of the two.")
			return
		}
		token = "ORGCAST_ADMIN_TOKEN_FILE"
		text, err := os.ReadFile(path)
		switch {
		case err != nil:
			e.add(token, err, "Set it to a file that this process may read.")
			return
		case len(text) > maxToken:
			e.refuse(token, "the file is too long for a token", "Put nothing but the token into it.")
			return
		}
		c.AdminToken = strings.TrimSpace(string(text))
	}
	switch {
	case c.AdminToken != "" && len(c.AdminToken) < 16, c.AdminToken == "" && token == "ORGCAST_ADMIN_TOKEN_FILE":
		e.refuse(token, "it is shorter than 16 characters", "Make one with: openssl rand -hex 32")
	case strings.ContainsFunc(c.AdminToken, func(r rune) bool { return r <= ' ' || r > '~' }):
		e.refuse(token, "it has characters that no header may have", "Make one with: openssl rand -hex 32")
	case c.AdminToken == "" && !Loopback(c.AdminListen):
		e.refuse("ORGCAST_ADMIN_LISTEN", "off loopback it needs a token", "Set ORGCAST_ADMIN_TOKEN, or listen on 127.0.0.1.")
	case c.AdminHosts == "" && unspecified(c.AdminListen):
		e.refuse("ORGCAST_ADMIN_HOSTS", "nobody would be answered at an address that stands for all", "Set it to the names and addresses that the operator's tools ask for, such as orgcast:4051.")
	}
}

func (c *Config) bounds(e *Error) {
	between("ORGCAST_HEARTBEAT", c.Heartbeat, time.Second, 25*time.Second, e)
	between("ORGCAST_LEASE", c.Lease, time.Second, 24*time.Hour, e)
	for _, limit := range []struct {
		variable string
		n        int
	}{
		{"ORGCAST_MAX_STREAMS", c.MaxStreams}, {"ORGCAST_MAX_STREAMS_PER_USER", c.MaxStreamsPerUser},
		{"ORGCAST_MAX_STREAMS_PER_ORGANIZATION", c.MaxStreamsPerOrganization}, {"ORGCAST_MAX_STREAMS_PER_ADDRESS", c.MaxStreamsPerAddress},
		{"ORGCAST_MAX_CONNECTS_PER_SECOND", c.MaxConnectsPerSecond},
	} {
		if limit.n < 1 || limit.n > maxLimit {
			e.refuse(limit.variable, "it is not between 1 and 10000000", "Leave it out for the default.")
		}
	}
	if c.LogBytes < minLogBytes {
		e.refuse("ORGCAST_LOG_BYTES", "it is less than 32MiB", "Leave it out for 4GiB.")
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		e.refuse("ORGCAST_LOG_LEVEL", "it is no level", "Use debug, info, warn or error.")
	}
	if c.Dispatch != DispatchReceived && c.Dispatch != DispatchVisible {
		e.refuse("ORGCAST_DISPATCH", "it is neither received nor visible", "Leave it out; visible is for servers with synchronous_standby_names.")
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		e.refuse("ORGCAST_LOG_FORMAT", "it is no format", "Use text or json.")
	}
}

// The values of ORGCAST_DISPATCH.
const (
	DispatchReceived = "received"
	DispatchVisible  = "visible"
)

const (
	maxLimit = 10_000_000
	// minLogBytes is what the log itself takes at least.
	minLogBytes = 32 << 20
)

func checkAddress(variable, address string, e *Error) {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		e.refuse(variable, "it is no address to listen on", "Write host:port, as in 127.0.0.1:4050; PORT is a number up to 65535.")
	}
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

// unspecified tells whether an address to listen on stands for all of this
// machine's.
func unspecified(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "" || ip != nil && ip.IsUnspecified())
}

func between(variable string, d, low, high time.Duration, e *Error) {
	if d < low || d > high {
		e.refuse(variable, fmt.Sprintf("it is not between %s and %s", low, high), "Leave it out for the default.")
	}
}
