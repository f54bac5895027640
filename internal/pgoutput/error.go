package pgoutput

import (
	"errors"
	"fmt"
)

// The causes of a [DecodeError], for errors.Is.
var (
	// ErrTruncated is a frame that ends before what it announced.
	ErrTruncated = errors.New("frame ends early")
	// ErrTrailing is a frame that goes on after its message's end.
	ErrTrailing = errors.New("frame goes on after its message")
	// ErrMalformed is a byte or number that its place does not allow.
	ErrMalformed = errors.New("value not allowed here")
	// ErrUnknownKind is a first byte that is no message of protocol version 1.
	ErrUnknownKind = errors.New("no message of pgoutput protocol version 1")
	// ErrBinary is a column in binary format: the stream was started with
	// binary 'true'.
	ErrBinary = errors.New("column in binary format")
	// ErrUnknownRelation is a change of a relation that was not described.
	ErrUnknownRelation = errors.New("relation was not described")
	// ErrColumnCount is a row with more or fewer columns than its relation.
	ErrColumnCount = errors.New("row does not have its relation's number of columns")
	// ErrTooManyRelations is a stream that described more than 65,536 relations.
	ErrTooManyRelations = errors.New("more than 65536 relations on one connection")
	// ErrInTransaction is a Begin before the Commit of the transaction before.
	ErrInTransaction = errors.New("transaction is already open")
	// ErrNoTransaction is a change or a Commit without a Begin.
	ErrNoTransaction = errors.New("no transaction is open")
	// ErrCommitLSN is a Commit that is not of the transaction that began.
	ErrCommitLSN = errors.New("commit LSN is not the one that begin announced")
)

// DecodeError is a frame that can't be what PostgreSQL means. The decoder that
// returned it is over: drop the connection and go on from the last confirmed
// position with a new one. It holds nothing of a row's values.
type DecodeError struct {
	// Kind is the frame's first byte, 0 for an empty frame.
	Kind Kind
	// Offset is where in the frame the trouble is, in bytes from its start.
	Offset int
	// Err is one of this package's errors.
	Err error
}

// Error names the message, the place and the cause.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("decode pgoutput %v at byte %d: %v", e.Kind, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error { return e.Err }
