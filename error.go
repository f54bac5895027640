package orgcast

import "errors"

// Error is a failure that an operator can do something about. Its text is what
// happened; its hint is the next step.
type Error struct {
	// Op is what was being done: "open log", "start replication".
	Op string
	// Err is the cause.
	Err error
	// Hint is one sentence: what to run or to change.
	Hint string
}

// Error prints the operation and its cause, without the hint.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Op
	}
	return e.Op + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// WithHint wraps err so that [Hint] finds the operator's next step.
func WithHint(op string, err error, hint string) error {
	return &Error{Op: op, Err: err, Hint: hint}
}

// Hint finds the innermost next step in err, or "".
func Hint(err error) string {
	var hint string
	for e := err; e != nil; {
		var he *Error
		if !errors.As(e, &he) {
			break
		}
		if he.Hint != "" {
			hint = he.Hint
		}
		e = he.Err
	}
	return hint
}

// ErrBelowFloor is returned for a cursor that can't be resumed without a gap:
// what lies after it is no longer, or never was, in the log.
var ErrBelowFloor = errors.New("cursor below the floor of the log")
