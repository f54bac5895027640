package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/oikion/orgcast"
)

// Sessions tells who is asking.
type Sessions interface {
	// Authenticate reads the values of the request's Cookie header lines. An error
	// is a 401, one that is [orgcast.ErrUnknownSession] only once the feed has
	// caught up.
	Authenticate(cookies []string, now time.Time) (orgcast.Principal, error)
}

// Access tells who belongs where, as far as the feed has come.
type Access interface {
	Membership(user orgcast.UserID, organization orgcast.OrganizationID) (orgcast.Membership, bool)
}

// Barrier waits until the feed has passed the position that the database has at
// the call. An error, also that of ctx, says that it is not known to have.
type Barrier interface {
	Wait(ctx context.Context) error
}

// Feed tells how far the change feed is.
type Feed interface {
	// Ready is closed once the feed has been ready for the first time.
	Ready() <-chan struct{}
	// Fresh is nil while the feed is fresh, else the reason that it is not.
	Fresh() error
}

// Streams opens streams.
type Streams interface {
	// Register makes a stream known to whoever ends streams, before anything
	// about it is checked.
	Register(StreamRequest) Registration
}

// Registration is a stream that was registered and not yet checked.
type Registration interface {
	// Serve writes the answer, from the status line on, and blocks until the
	// stream is over. members are those of the request's organizations, in their
	// order.
	Serve(w http.ResponseWriter, r *http.Request, members []orgcast.Membership)
	// Close takes the stream away again. It may be called more than once.
	Close()
}

// StreamRequest is what a client asks for.
type StreamRequest struct {
	Principal orgcast.Principal
	// Organizations has 1 to [MaxOrganizations] ids, each once.
	Organizations []orgcast.OrganizationID
	Filter        orgcast.Filter
	Resume        Resume
}

// Resume is the cursor that a client sent. A malformed one is no refusal: the
// stream opens and tells the client to begin anew.
type Resume struct {
	Cursor             orgcast.Cursor
	Present, Malformed bool
}

// Limits counts what is open. An error says that there is no place; else
// release gives it back, and may be called more than once.
type Limits interface {
	// Connect takes one of the node's connects of this second.
	Connect(now time.Time) error
	// ConnectKnown takes one of those that are kept for who has a valid session,
	// when Connect has none.
	ConnectKnown(now time.Time) error
	AcquireNode() (release func(), err error)
	AcquireAddress(netip.Addr) (release func(), err error)
	AcquireUser(orgcast.UserID) (release func(), err error)
	AcquireOrganization(orgcast.OrganizationID) (release func(), err error)
}

// Hooks tells the world what the server does. Each may be nil; all may be
// called from any goroutine.
type Hooks struct {
	// Refused counts every request and connection that was not served.
	Refused func(Reason)
	// Named counts how the address was found of every client that opens something.
	Named func(Named)
	// Unauthenticated is told why a session was not taken.
	Unauthenticated func(error)
	// Unconfirmed is told why it could not be made sure that a user is no member,
	// or a session none.
	Unconfirmed func(error)
	// Failed is told why a call was refused for a fault that is not the client's:
	// [ReasonPosition], [ReasonPage], [ReasonPublishDown], [ReasonPublishUnknown].
	Failed func(Reason, error)
	// Panicked is called for every panic of a handler, after it was logged.
	Panicked func()
}

// Deps is what the server needs of the other rooms.
//
// Positions, Pages, Connections and Publisher may be nil, each without the
// others: then the calls that need it are not there. They are answered, and
// left out of Allow and of preflights, like any other path (404) or method
// (405) that was never heard of. The value must be a plain nil, not a nil
// pointer in an interface.
type Deps struct {
	Sessions Sessions
	Access   Access
	Barrier  Barrier
	// Forced is a barrier that also covers commits which are seen before they are
	// flushed, at the price of a flush: it is waited for before a 403. nil: Barrier.
	Forced  Barrier
	Feed    Feed
	Streams Streams
	Limits  Limits

	// Positions is for GET /api/realtime/cursor.
	Positions Positions
	// Pages is for GET /api/realtime/events.
	Pages Pages
	// Connections is for PUT and DELETE /api/realtime/stream.
	Connections Connections
	// Publisher is for POST /api/realtime/events.
	Publisher Publisher

	Hooks Hooks
	// Logger takes panics and what net/http complains of; nil discards it.
	Logger *slog.Logger
}
