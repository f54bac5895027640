package config

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
)

// origins decides who may connect from a browser.
func (c *Config) origins(e *Error) {
	if c.NodeEnv == "development" {
		if !Loopback(c.Listen) {
			e.refuse("NODE_ENV", "development lets any origin connect, and ORGCAST_LISTEN is not on loopback",
				"Listen on 127.0.0.1, or leave NODE_ENV at production and set ORGCAST_ORIGINS.")
		}
		c.AnyOrigin = true
	}
	for _, from := range []struct{ variable, list string }{{"ORGCAST_ORIGINS", c.Origins}, {"NEXT_PUBLIC_APP_URL", c.AppURL}} {
		for text := range strings.SplitSeq(from.list, ",") {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			// Only the application's address is more than an origin.
			o, err := origin(text, from.variable == "NEXT_PUBLIC_APP_URL")
			switch {
			case err != nil:
				e.add(from.variable, err, "Write scheme://host[:port], as in https://app.example.com.")
			case !slices.Contains(c.AllowedOrigins, o):
				c.AllowedOrigins = append(c.AllowedOrigins, o)
			}
		}
	}
}

var errOrigin = errors.New("it is no origin: no path, no pattern, no user, http or https")

// origin reads an origin and writes it as a browser does: in lower case, without
// the scheme's own port.
func origin(text string, withPath bool) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Contains(u.Host, "*") {
		return "", errOrigin
	}
	if !withPath && !strings.EqualFold(u.Scheme+"://"+u.Host, text) {
		return "", errOrigin
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		port = ""
	}
	switch {
	case port != "":
		host = net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return u.Scheme + "://" + host, nil
}
