package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oikion/orgcast"
)

// Positions tells where the feed is.
type Positions interface {
	// Position is a cursor at or after everything that the feed has passed at the
	// call, and not after anything that it has not. The server has waited for the
	// [Barrier] before.
	Position(ctx context.Context) (orgcast.Cursor, error)
}

// Pages reads events in one answer instead of a stream.
type Pages interface {
	// Page returns what the user may see after the request's cursor. If that is
	// nothing it waits for the first event, for as long as asked. An error is
	// answered with a 503.
	//
	// members are those of the request's organizations, in their order. The server
	// looks at them again before it hands the page out; so [Access] must know that
	// a membership has ended before anything committed after it is in a page.
	Page(ctx context.Context, asked StreamRequest, members []orgcast.Membership, page PageRequest) (Page, error)
}

// PageRequest bounds a page.
type PageRequest struct {
	// Limit is the most events, 1 to [MaxPageEvents].
	Limit int
	// MaxBytes is the most bytes that all events together may have.
	MaxBytes int
	// Wait is how long to wait for a first event, 0 to [MaxPageWait].
	Wait time.Duration
}

// Page is a part of what a stream would have sent.
type Page struct {
	// Events are the envelopes, each as one JSON object, in the order of their
	// cursors.
	Events [][]byte
	// Cursor is where to go on from: that of the last event, or beyond it where
	// nothing more is known to lie between.
	Cursor orgcast.Cursor
	// Reset, if not empty, says why the client must refetch before it goes on from
	// Cursor. There are events beside [orgcast.ResetMoved] only.
	Reset orgcast.ResetReason
}

// Connections are the open streams, by the ids that their `connection` messages
// tell. Both calls do the same work whether there is no such stream or it is
// another user's, and tell the same.
type Connections interface {
	SetFilter(user orgcast.UserID, id string, filter orgcast.Filter) bool
	Close(user orgcast.UserID, id string) bool
}

// Publisher puts an application's events into the WAL.
type Publisher interface {
	// CheckKey returns [ErrKey] for what is no API key. It looks at nothing else
	// and waits for nothing: it comes before a byte of the body is read.
	CheckKey(bearer string) error
	// Publish returns once the log has the events, or with one of the errors
	// below; any other means [ErrUnknownOutcome]. idempotencyKey may be empty.
	Publish(ctx context.Context, bearer, idempotencyKey string, body []byte) (Published, error)
}

// Published tells where published events are.
type Published struct {
	// Cursors has one for each event, in the order of the body: the zero cursor
	// for one whose user or organization was gone before it had its place.
	Cursors []orgcast.Cursor
}

// What a [Publisher] says, besides an [*Invalid].
var (
	// ErrKey: no API key, or one that was withdrawn. 401.
	ErrKey = errors.New("find API key: no such key")
	// ErrScope: not everything in the body is the key's to say. 403; if it is
	// joined with an [*Invalid], that is told as well.
	ErrScope = errors.New("publish events: outside the scope of the key")
	// ErrFeedDown: nothing was published. 503.
	ErrFeedDown = errors.New("publish events: feed is down")
	// ErrUnknownOutcome: perhaps it was published. 504.
	ErrUnknownOutcome = errors.New("publish events: outcome is unknown")
)

// Invalid says what is wrong with a body, of which nothing was published. 400.
type Invalid struct{ Problems []Problem }

// Error tells how much is wrong, and nothing of what was sent.
func (i *Invalid) Error() string {
	return fmt.Sprintf("publish events: %d problems", len(i.Problems))
}

// Problem is one thing that is wrong with a body.
type Problem struct {
	// Index is the event's place in the body, or -1 if it is the body's matter.
	Index   int    `json:"index"`
	Field   string `json:"field"`
	Problem string `json:"problem"`
}
