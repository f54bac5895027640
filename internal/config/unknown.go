package config

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// own are variables of orgcast's that other rooms read.
var own = []string{
	"ORGCAST_SESSION", "ORGCAST_SESSION_COOKIE", "ORGCAST_SESSION_SALT", "ORGCAST_SESSION_USER_CLAIM",
	"ORGCAST_AUTH_SECRETS", "ORGCAST_AUTH_SECRETS_FILE", "ORGCAST_ADMIN_TOKEN_FILE", "ORGCAST_SEAL_SECRET_FILE", "ORGCAST_PG_BIN", "ORGCAST_CHROMIUM",
}

// unknown finds variables that are written as ours and are not.
func unknown(environ map[string]string, e *Error) {
	known := slices.Clone(own)
	for _, f := range Fields() {
		known = append(known, f.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		if strings.HasPrefix(name, "ORGCAST_") && !slices.Contains(known, name) {
			e.refuse(name, "it is not known", "Did you mean "+nearest(name, known)+"? docs/CONFIG.md lists all.")
		}
	}
}

// invalid names the variables that the parser refused, and never their values.
func invalid(err error, e *Error) {
	all, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		e.add("environment", err, "This is a fault of orgcast's.")
		return
	}
	for _, one := range all.Errors {
		p, ok := errors.AsType[env.ParseError](one)
		if !ok {
			e.add("environment", one, "This is a fault of orgcast's.")
			continue
		}
		for _, f := range Fields() {
			if f.Field == p.Name {
				e.refuse(f.Name, "it is no "+f.Form, "Leave it out for "+f.Default+".")
			}
		}
	}
}

// nearest is the known name with the fewest letters to change.
func nearest(name string, known []string) (best string) {
	least := len(name) + 64
	for _, k := range known {
		if d := distance(name, k); d < least {
			least, best = d, k
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := previous
			if a[i] != b[j] {
				change++
			}
			previous = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, change)
		}
	}
	return row[len(b)]
}
