package session

import (
	"slices"

	"github.com/oikion/orgcast"
)

// Reason says why a request has no session. The set is closed, see [Reasons],
// so that it may be the label of a metric.
type Reason string

const (
	// Absent: no cookie of a session's name, or an empty one.
	Absent Reason = "absent"
	// Oversize: Cookie header lines above 64 KiB, or a token above 32 KiB.
	Oversize Reason = "oversize"
	// BadChunks: a hole in NAME.0, NAME.1 …, more than 16 of them, or NAME
	// beside them.
	BadChunks Reason = "bad_chunks"
	// Malformed: not the text of an encrypted token.
	Malformed Reason = "malformed"
	// Unsupported: an encrypted token, but not of the kind that the scheme makes.
	Unsupported Reason = "unsupported"
	// UnknownKey: made with a secret that is not among ours.
	UnknownKey Reason = "unknown_key"
	// Tampered: the seal does not hold. Without a key id in the token, made with
	// another secret looks the same.
	Tampered Reason = "tampered"
	// BadClaims: what is sealed is not one JSON object, or its exp, nbf or iat is
	// not a number.
	BadClaims Reason = "bad_claims"
	// NoExpiry: no exp.
	NoExpiry Reason = "no_expiry"
	// NoUser: the user claim is not a non-empty string that could be an id.
	NoUser Reason = "no_user"
	// Expired: exp was 15 s ago or earlier.
	Expired Reason = "expired"
	// NotYetValid: nbf is more than 15 s ahead.
	NotYetValid Reason = "not_yet_valid"
	// IssuedAhead: iat is more than 5 minutes ahead: one of the two clocks is
	// wrong, and with it every expiry.
	IssuedAhead Reason = "issued_ahead"
	// UnknownSession: the table of sessions has no row with this token, as far as
	// the change feed has come.
	UnknownSession Reason = "unknown_session"
	// SessionExpired: the row says that the session has ended.
	SessionExpired Reason = "session_expired"
)

var reasons = []Reason{
	Absent, Oversize, BadChunks, Malformed, Unsupported, UnknownKey, Tampered,
	BadClaims, NoExpiry, NoUser, Expired, NotYetValid, IssuedAhead,
	UnknownSession, SessionExpired,
}

// Reasons lists every reason there is, in the order in which they are checked.
func Reasons() []Reason { return slices.Clone(reasons) }

// Refusal is the error of [Authenticator.Authenticate]. The reason is for the
// operator: every refusal is the same 401 to the client.
type Refusal struct {
	Reason Reason
}

// Error prints the reason and nothing of the request.
func (r *Refusal) Error() string { return "read session: " + string(r.Reason) }

// Unwrap is [orgcast.ErrUnknownSession] where the change feed may merely be behind.
func (r *Refusal) Unwrap() error {
	if r.Reason == UnknownSession || r.Reason == SessionExpired {
		return orgcast.ErrUnknownSession
	}
	return nil
}

func refuse(r Reason) error { return &Refusal{Reason: r} }
