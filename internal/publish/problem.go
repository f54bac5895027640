package publish

import (
	"errors"
	"fmt"

	"github.com/oikion/orgcast/internal/codec"
)

// Whole is the index of a [Problem] that is not one event's but the body's.
const Whole = -1

// Problem says why an event is refused. It shows nothing of what was sent, so
// it can go to the sender and into a log.
type Problem struct {
	// Index is the event's place in its batch, or [Whole].
	Index int `json:"index"`
	// Field is the member that is wrong, by the contract's names:
	// "organizationId", "payload.title"; "" is the event itself.
	Field string `json:"field"`
	// Problem is what is wrong with it: "is missing".
	Problem string `json:"problem"`
}

// String prints the problem for a log.
func (p Problem) String() string {
	where := "the body"
	if p.Index != Whole {
		where = fmt.Sprintf("event %d", p.Index)
	}
	if p.Field != "" {
		where += ": " + p.Field
	}
	return where + " " + p.Problem
}

// MarshalProblems returns the body of a 400: a JSON list of {index, field,
// problem}.
func MarshalProblems(problems []Problem) ([]byte, error) { return codec.Marshal(problems) }

// explain says in fixed words what the codec refused. Its own words would show
// the sender's names of members, which may be anything.
func explain(err error) string {
	switch {
	case errors.Is(err, codec.ErrDuplicate):
		return "has a member twice"
	case errors.Is(err, codec.ErrTooDeep):
		return fmt.Sprintf("is nested deeper than %d levels", codec.MaxDepth)
	case errors.Is(err, codec.ErrTooLarge):
		return fmt.Sprintf("is larger than %d bytes", codec.MaxSize)
	case errors.Is(err, codec.ErrType):
		return "must be an object"
	case errors.Is(err, codec.ErrTrailing):
		return "is followed by more text"
	}
	return "is not JSON in UTF-8"
}
