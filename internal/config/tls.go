package config

import (
	"net/url"
	"slices"
)

// tlsParameters puts Prisma's words for TLS into the driver's, and returns the
// sslmode. Off loopback nothing but `disable` goes without TLS: `prefer` and
// `allow` fall back to none without a word, and so does silence.
func tlsParameters(local bool, q url.Values) (mode string, err error) {
	mode = q.Get("sslmode")
	if !slices.Contains([]string{"", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"}, mode) {
		return "", refused("its sslmode is not known", "Use disable, require, verify-ca or verify-full.")
	}
	switch {
	case mode != "" && mode != "allow" && mode != "prefer":
	case !local:
		mode = "require"
	case mode == "":
		mode = "prefer" // or the driver would ask PGSSLMODE
	}
	switch q.Get("sslaccept") {
	case "strict":
		if mode != "disable" {
			mode = "verify-full"
		}
	case "", "accept_invalid_certs":
	default:
		return "", refused("its sslaccept is not known", "Use strict or accept_invalid_certs.")
	}
	if q.Get("sslkey") == "" {
		// Without a key, sslcert is Prisma's: the certificate of the authority. And
		// sslpassword is that of sslidentity, which the driver can't read.
		if cert := q.Get("sslcert"); cert != "" && q.Get("sslrootcert") == "" {
			q.Set("sslrootcert", cert)
		}
		q.Del("sslcert")
		q.Del("sslpassword")
	}
	q.Set("sslmode", mode)
	return mode, nil
}
