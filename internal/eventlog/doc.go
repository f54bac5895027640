// Package eventlog answers one question: how is an event kept once, durably, and
// read again from a cursor?
//
// It is one Pebble database in one directory (mode 0700), with one writer, the
// feed, and many readers. Beside the events it keeps the [orgcast.StateChange]s
// of the transactions that made them, and the position in the WAL up to which
// both are complete.
//
// # Invariants
//
//   - Events, state and position of a transaction are in one batch, or count from
//     one batch on: what is known after a restart is exactly what was known at
//     [Log.Position].
//   - [Log.Durable] never passes what is fsynced, and [Hooks.Durable] is called in
//     order. Only that may be confirmed to the slot.
//   - Pebble's WAL is a prefix after a crash: if a position survived, everything
//     before it did.
//   - No reader crosses a gap without being told: what was retired lies below
//     [Log.Floor], and the floor is raised before anything is removed.
//   - An organization that was purged, or was over its share, has a floor of its own,
//     stored before its events are deleted or with them.
//   - What a tally says of an organization is never more than it has, so that who is
//     found to be over his share is over it.
//   - An organization's keys are length-prefixed: no reader of "org_1" can meet a
//     key of "org_10".
//
// # Order laws
//
// Cursors ascend strictly, within a batch and from batch to batch. Events stand
// at or above the position and below the batch's end. The parts of a long
// transaction are appended with end zero; until its last part arrives they are
// above the position, and [Open], [Log.Discard] or the transaction's own
// redelivery removes them, and
// the state that they staged (see stage.go).
//
// # Layout, format 1
//
// All integers are big-endian. The file ORGCAST in the directory holds the format
// number, so that a foreign directory, or one of a newer program, is refused
// before Pebble writes into it.
//
//	key                                                 value
//	'e' segment:4 len:1 organization LSN:8 index:8      event: version:1 kind:1 type:1 user roles frame
//	'f'                                                 floor: LSN:8 index:8
//	'g' segment:4                                       what is deleted and lies in its tables still: bytes:8
//	'h' segment:4                                       the tally of a closed segment is stored; empty
//	'h' segment:4 len:1 organization                    what it has in it: bytes:8
//	'i'                                                 identity: system:8 timeline:4 epoch:4 database slot state rules tables; absent in an empty log
//	'o' organization                                    its own floor, where it is above the log's: LSN:8 index:8
//	'p'                                                 position: end LSN:8 commit time:8 (Unix ns)
//	'q' organization                                    it was purged, its events are to be deleted: up to LSN:8, or its floor if that is higher
//	'r'                                                 clients below it refetch, by [Log.ChangeRules]: LSN:8 index:8
//	's' segment:4                                       first, last cursor, opened, last time, events, bytes: 8 × 8 bytes
//	't' space:1 key                                     state, as its owner wrote it
//	'u'                                                 the mark: what is staged counts; absent, but for a moment
//	'u' number:8                                        staged state: does:1 space:1 key value
//	'v'                                                 every floor below which something is left to delete has its 'q'; absent in a log of before
//
// Segments are spans of append order, about [Options.SegmentAge] long, never of
// the clock: a clock step can neither reorder nor repeat. A segment is found by
// the first and last cursor in its record, so that a border may lie anywhere,
// also inside a transaction. Tables are cut at the borders (see pebble.go), which
// makes dropping the oldest segment the dropping of whole files.
//
// # The directory
//
// It should be a subdirectory of a volume, not a mount point: a damaged log is
// renamed to <dir>.damaged, which a mount point can't be.
//
// # Damage
//
// Open finds it, or what is left is whole between the floor and a position of before,
// which the slot's tells. Blocks have checksums, and the state is read once. Tables
// that are missing are missed by name. A MANIFEST that was cut, or is one of before,
// Pebble believes: the file WITNESS says what it was. What is missing nevertheless
// shows in the counts of the newest segments.
package eventlog
