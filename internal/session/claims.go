package session

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/oikion/orgcast"
	"github.com/oikion/orgcast/internal/codec"
)

const (
	// tolerance is Auth.js's own, in seconds, for exp and nbf.
	tolerance = 15
	// maxAhead is how far iat may be ahead, in seconds.
	maxAhead = 300
	// maxUser bounds a user's id, in bytes: it is a parameter of queries and a
	// key in memory for as long as the stream is open.
	maxUser = 256
	// maxTime is the last second that RFC 3339 can write; a later expiry reads as
	// this one.
	maxTime = 253402300799
)

// claims is what a token says, once its seal was checked.
type claims struct {
	user orgcast.UserID
	exp  time.Time
	jti  string // "" if there is none
}

// readClaims reads what was sealed, by the rules of Auth.js and ours. A map is
// used because a struct would take "EXP" for exp; of several members of one name
// the last counts, as in JavaScript.
func readClaims(plain []byte, userClaim string, now time.Time) (claims, Reason) {
	if !utf8.Valid(plain) {
		return claims{}, BadClaims
	}
	var object map[string]codec.Raw
	if err := codec.Loose(plain, &object); err != nil || object == nil {
		return claims{}, BadClaims
	}
	exp, hasExp, okExp := number(object, "exp")
	nbf, hasNbf, okNbf := number(object, "nbf")
	iat, hasIat, okIat := number(object, "iat")
	user, okUser := text(object, userClaim)
	jti, _ := text(object, "jti")

	// Whole seconds, as Auth.js counts: both must agree on the last one.
	at := float64(now.Unix())
	switch {
	case !okExp || !okNbf || !okIat:
		return claims{}, BadClaims
	case !hasExp:
		return claims{}, NoExpiry
	case !okUser || !plausibleUser(user):
		return claims{}, NoUser
	case exp <= at-tolerance:
		return claims{}, Expired
	case hasNbf && nbf > at+tolerance:
		return claims{}, NotYetValid
	case hasIat && iat > at+maxAhead:
		return claims{}, IssuedAhead
	}
	return claims{
		user: orgcast.UserID(user),
		exp:  time.Unix(int64(min(math.Floor(exp), maxTime)), 0).UTC(),
		jti:  jti,
	}, ""
}

// number reads a member that must be a finite JSON number if it is there.
func number(object map[string]codec.Raw, name string) (n float64, present, ok bool) {
	raw, present := object[name]
	if !present {
		return 0, false, true
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	return n, true, err == nil
}

// text reads a member that is a JSON string.
func text(object map[string]codec.Raw, name string) (string, bool) {
	raw := object[name]
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	err := codec.Loose(raw, &s)
	return s, err == nil
}

// plausibleUser refuses what no database keeps as an id. U+FFFD stands for a
// lone surrogate, which JavaScript keeps apart and Go does not: two users would
// become one.
func plausibleUser(user string) bool {
	return user != "" && len(user) <= maxUser &&
		!strings.ContainsFunc(user, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError })
}
