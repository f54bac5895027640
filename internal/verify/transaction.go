package verify

import "time"

// Kind is what a change is.
type Kind byte

const (
	Insert Kind = iota
	Update
	Delete
	Truncate
	Message
)

// Row is a row's values as PostgreSQL prints them; nil is NULL. A column that the
// WAL does not hold (an unchanged TOAST value) is not in it.
type Row map[string]*string

// Change is one change of a transaction, as the WAL tells it.
type Change struct {
	Kind  Kind
	Table string   // of a Truncate the first; "" for a Message
	Also  []string // the other tables of a Truncate
	Old   Row      // nil if the WAL has none
	New   Row      // nil of a Delete
	// Prefix and Content are a logical message's. One that is outside of a
	// transaction is none of it.
	Prefix, Content string
}

// Transaction is one that was committed. A change's index here is its ordinal.
type Transaction struct {
	LSN       uint64 // of the commit record
	XID       uint32
	Committed time.Time // by the database's clock
	Seen      time.Time // by ours, when the WAL gave it to us
	Changes   []Change
}
