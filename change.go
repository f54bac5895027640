package orgcast

import "time"

// Transaction is a committed transaction as logical decoding tells it. Its
// changes come apart from it, in order.
type Transaction struct {
	XID uint32
	// CommitLSN is where the commit record begins: strictly increasing from one
	// transaction to the next, and the LSN of every event's [Cursor].
	CommitLSN LSN
	// EndLSN is where the commit record ends: what is confirmed to the slot.
	EndLSN LSN
	// CommitTime is the primary's clock at the commit, in UTC.
	CommitTime time.Time
}

// Operation is what a change did, in pgoutput's letters.
type Operation byte

// The operations.
const (
	Insert   Operation = 'I'
	Update   Operation = 'U'
	Delete   Operation = 'D'
	Truncate Operation = 'T'
	Message  Operation = 'M'
)

// ReplicaIdentity is what PostgreSQL writes to the WAL of a row's old version,
// in the letters of pg_class.relreplident.
type ReplicaIdentity byte

// The replica identities.
const (
	IdentityDefault ReplicaIdentity = 'd'
	IdentityNothing ReplicaIdentity = 'n'
	IdentityFull    ReplicaIdentity = 'f'
	IdentityIndex   ReplicaIdentity = 'i'
)

// Relation describes a table as it was for the changes that follow it. It is
// immutable: a table that is altered gets a new one.
type Relation struct {
	OID      uint32
	Schema   string
	Name     string
	Identity ReplicaIdentity
	Columns  []Column
}

// Column is one column of a [Relation].
type Column struct {
	Name    string
	TypeOID uint32
	TypeMod int32
	// Key tells whether the column is part of the replica identity.
	Key bool
}

// ValueKind tells what PostgreSQL sent of one column's value.
type ValueKind byte

// The kinds, in pgoutput's letters. Zero is a column that was not sent at all.
const (
	Absent    ValueKind = 0
	Null      ValueKind = 'n'
	Unchanged ValueKind = 'u'
	Text      ValueKind = 't'
)

// Value is one column's value. Text aliases the frame it came in: it is good
// only until the next change is read.
type Value struct {
	Kind ValueKind
	Text []byte
}

// Change is one decoded WAL change. It and all it refers to, except its
// relations, is reused for the next change.
type Change struct {
	// Ordinal counts the changes (row, truncate, message) of the transaction
	// from 0, mapped or not: the index of a [Cursor], divided by [SubIndexes].
	Ordinal   uint64
	Operation Operation
	// Relation is the table of an insert, update or delete.
	Relation *Relation
	// New is the new row, of len(Relation.Columns); nil for a delete.
	New []Value
	// Old is the old row, of len(Relation.Columns), or nil where PostgreSQL sent
	// none. If OldIsKey, only the columns of the replica identity mean anything.
	Old      []Value
	OldIsKey bool
	// Truncated lists the tables of a truncate.
	Truncated []*Relation
	// Prefix, Content and Transactional are those of a logical message.
	Prefix        string
	Content       []byte
	Transactional bool
}
