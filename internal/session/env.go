package session

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/oikion/orgcast"
)

// FromEnv reads the configuration from the environment, the application's own
// variables among it. It is the one place that knows these names. Its errors
// name the variable and never show a value.
//
//   - ORGCAST_SESSION: auto (default), authjs, nextauth, authjs-database
//   - ORGCAST_SESSION_COOKIE, ORGCAST_SESSION_SALT, ORGCAST_SESSION_USER_CLAIM
//   - AUTH_SECRET, then NEXTAUTH_SECRET; or, instead of both,
//     ORGCAST_AUTH_SECRETS (one a line, newest first) or
//     ORGCAST_AUTH_SECRETS_FILE (a file of such lines); none of them is read for
//     authjs-database
//   - AUTH_URL, then NEXTAUTH_URL: https looks for the "__Secure-" cookies only,
//     http for the plain ones only
//   - NODE_ENV: without a URL, development looks for the plain ones only
//
// An empty variable counts as one that is not set.
func FromEnv(getenv func(string) string) (Config, error) {
	scheme, err := SchemeFromEnv(getenv)
	if err != nil {
		return Config{}, err
	}
	c := Config{
		Scheme:    scheme,
		Cookie:    getenv("ORGCAST_SESSION_COOKIE"),
		Salt:      getenv("ORGCAST_SESSION_SALT"),
		UserClaim: getenv("ORGCAST_SESSION_USER_CLAIM"),
	}
	if c.Secure, err = secureFromEnv(getenv); err != nil {
		return Config{}, err
	}
	if c.Scheme == AuthJSDatabase {
		return c, nil
	}
	if c.Secrets, err = secretsFromEnv(getenv); err != nil {
		return Config{}, err
	}
	return c, nil
}

// SchemeFromEnv reads ORGCAST_SESSION alone, for those who need to know whether
// the table of sessions is read, and no secret.
func SchemeFromEnv(getenv func(string) string) (Scheme, error) {
	s := Scheme(getenv("ORGCAST_SESSION"))
	if s == "" {
		s = Auto
	}
	if !slices.Contains([]Scheme{Auto, AuthJS, NextAuth, AuthJSDatabase}, s) {
		return "", invalid("ORGCAST_SESSION", errors.New("unknown scheme"), "set it to auto, authjs, nextauth or authjs-database")
	}
	return s, nil
}

// secureFromEnv does as Auth.js: the scheme of its own URL decides.
func secureFromEnv(getenv func(string) string) (SecureCookies, error) {
	for _, name := range []string{"AUTH_URL", "NEXTAUTH_URL"} {
		value := getenv(name)
		if value == "" {
			continue
		}
		// The cause is not wrapped: it would show the value, which may hold a
		// password.
		u, err := url.Parse(value)
		if err != nil || u.Host == "" {
			return 0, invalid(name, errors.New("not an absolute URL"), "set it to the address of the application, as in https://app.example.com")
		}
		switch u.Scheme {
		case "https":
			return SecureOnly, nil
		case "http":
			return SecureNever, nil
		}
		return 0, invalid(name, errors.New("neither https nor http"), "set it to the address of the application, as in https://app.example.com")
	}
	if getenv("NODE_ENV") == "development" {
		return SecureNever, nil
	}
	return SecureUnknown, nil
}

func secretsFromEnv(getenv func(string) string) ([]string, error) {
	list, path := getenv("ORGCAST_AUTH_SECRETS"), getenv("ORGCAST_AUTH_SECRETS_FILE")
	switch {
	case list != "" && path != "":
		return nil, invalid("ORGCAST_AUTH_SECRETS", errors.New("ORGCAST_AUTH_SECRETS_FILE is set as well"), "unset one of the two")
	case list != "":
		secrets := secretLines(list)
		if len(secrets) == 0 {
			return nil, invalid("ORGCAST_AUTH_SECRETS", errors.New("no secret in it"), "write one secret a line, newest first")
		}
		return secrets, nil
	case path != "":
		secrets, err := readSecrets(path)
		if err != nil {
			return nil, err
		}
		return secrets, nil
	}
	// Not trimmed: the application does not trim it either, and would derive
	// another key.
	for _, name := range []string{"AUTH_SECRET", "NEXTAUTH_SECRET"} {
		if value := getenv(name); value != "" {
			return []string{value}, nil
		}
	}
	return nil, invalid("AUTH_SECRET", errors.New("not set"),
		"set it to the application's value; an application with AUTH_SECRET_1 to _3 only needs ORGCAST_AUTH_SECRETS with the same values, _3 first. If the application keeps its sessions in the database, set ORGCAST_SESSION to authjs-database instead")
}

// secretLines splits at line ends and leaves empty lines out.
func secretLines(text string) []string {
	var secrets []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSuffix(line, "\r"); line != "" {
			secrets = append(secrets, line)
		}
	}
	return secrets
}

func invalid(variable string, cause error, hint string) error {
	return orgcast.WithHint("read environment", fmt.Errorf("%s: %w", variable, cause), hint)
}
