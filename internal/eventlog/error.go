package eventlog

import (
	"errors"

	"github.com/oikion/orgcast"
)

// Errors that a caller decides on. Those of [Open] are wrapped with a hint.
var (
	// ErrLocked: another process, or another Log of this one, has the directory.
	ErrLocked = errors.New("the log is in use by another process")
	// ErrForeign: the directory holds files that are no event log.
	ErrForeign = errors.New("the directory is not an event log")
	// ErrNewer: the log was written by a newer program.
	ErrNewer = errors.New("the log has a newer format")
	// ErrNoSpace: less than [Options.MinFree] is free. It ends by itself when there
	// is more.
	ErrNoSpace = errors.New("too little free disk space")
	// ErrClosed is returned after [Log.Close].
	ErrClosed = errors.New("the log is closed")
	// ErrEmpty: there is no identity yet; [Log.Begin] must be called first.
	ErrEmpty = errors.New("the log is empty")

	// ErrBelowPosition: the log has these events, or this position, already. It
	// is the caller's gate that skips what is redelivered.
	ErrBelowPosition = errors.New("append is below the log's position")
	// ErrOrder: the events' cursors do not ascend, are of another epoch or lie
	// at or beyond the batch's end.
	ErrOrder = errors.New("events are out of order")
	// ErrPartialState: state of a transaction that comes in parts is not staged.
	ErrPartialState = errors.New("state of a transaction in parts is not staged")
	// ErrNotOne: only one organization's events can be purged; those for
	// [orgcast.Everyone] are nobody's own.
	ErrNotOne = errors.New("not one organization")
	// ErrTooLong: an organization identifier is above [orgcast.MaxOrganizationID].
	ErrTooLong = errors.New("organization identifier is too long")

	// ErrBelowFloor: events after the cursor were retired; resuming from it
	// would be a silent gap.
	ErrBelowFloor = orgcast.ErrBelowFloor
	// ErrOtherEpoch: the cursor's LSNs are not this log's.
	ErrOtherEpoch = errors.New("cursor is of another epoch")

	// ErrStuck: work has been pending for [stuckAfter] without an fsync.
	// A full disk looks like this, and only like this.
	ErrStuck = errors.New("the log is stuck: no sync completes")

	// errDamaged marks what makes [Open] set the directory aside.
	errDamaged = errors.New("the log is damaged")
)
