package orgcast

import "time"

// Principal is who a request's session says is asking. It grants nothing: the
// membership does.
type Principal struct {
	User UserID
	// ExpiresAt is when the session ends, without tolerance.
	ExpiresAt time.Time
	// Scheme names how the session was read: "authjs", "nextauth",
	// "authjs-database".
	Scheme string
	// Session names the session in the application's database; zero if it is all
	// in the cookie.
	Session SessionID
	// Scope is opaque and differs for every session and user: what a client
	// shares between tabs or keeps, it keys by it.
	Scope string
}
