package main

import (
	"cmp"
	"strings"
	"unicode"

	"github.com/oikion/orgcast/internal/admin"
	"github.com/oikion/orgcast/internal/config"
)

// listenerFlags say where the running process is.
type listenerFlags struct {
	URL string `name:"url" placeholder:"URL" help:"The operator's listener of the running process, as in http://127.0.0.1:4051; by default ORGCAST_ADMIN_LISTEN, with ORGCAST_ADMIN_TOKEN."`
}

// client speaks to the running process, with the configuration that serve has.
func (f *listenerFlags) client(env *environment) (*admin.Client, config.Operator, error) {
	o, err := config.LoadOperator(config.Environ(env.environ))
	if err != nil {
		return nil, o, err
	}
	c := admin.ClientConfig{URL: cmp.Or(f.URL, o.URL), Token: o.Token}
	if f.URL == "" {
		c.Host = o.Host
	}
	return admin.NewClient(c), o, nil
}

// printable is a text of the database as a terminal may be given it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
