package config

import (
	"net"
	"net/netip"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Operator is what the operator's commands need of the configuration of serve.
type Operator struct {
	// URL is where the operator's listener is reached, Host the Host header that it
	// answers if that is not the URL's own.
	URL, Host string
	// Token is secret.
	Token string
	// DataDir is where the event log is kept.
	DataDir string
}

// LoadOperator reads the same environment as [Load], and needs no database.
func LoadOperator(environ map[string]string) (Operator, error) {
	var (
		c Config
		e Error
	)
	if environ == nil {
		environ = map[string]string{} // as in Load
	}
	unknown(environ, &e)
	if err := env.ParseWithOptions(&c, env.Options{Environment: environ, DefaultValueTagName: "default"}); err != nil {
		invalid(err, &e)
		return Operator{}, &e
	}
	c.listeners(environ, &e)
	if len(e.Problems) > 0 {
		return Operator{}, &e
	}
	if c.DataDir == "" {
		c.DataDir = dataDir(environ)
	}
	o := Operator{Token: c.AdminToken, DataDir: c.DataDir}
	o.URL, o.Host = reached(c.AdminListen, c.AdminHosts)
	return o, nil
}

// reached says how a listener is reached from its own machine: one that listens on
// every address answers the first of its hosts only.
func reached(listen, hosts string) (url, host string) {
	name, port, _ := net.SplitHostPort(listen) // it was checked
	if a, err := netip.ParseAddr(name); name != "" && (err != nil || !a.IsUnspecified()) {
		return "http://" + listen, ""
	}
	if first := strings.FieldsFunc(hosts, func(r rune) bool { return r == ',' || r == ' ' }); len(first) > 0 {
		host = first[0]
	}
	return "http://" + net.JoinHostPort("127.0.0.1", port), host
}
