package pgoutputtest

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/oikion/orgcast"
)

// Transaction puts a Begin before the frames and a Commit after them.
func Transaction(tx orgcast.Transaction, frames ...[]byte) [][]byte {
	all := make([][]byte, 0, len(frames)+2)
	all = append(all, Begin(tx))
	all = append(all, frames...)
	return append(all, Commit(tx))
}

// Begin opens tx. It carries its CommitLSN, its CommitTime (to the microsecond)
// and its XID.
func Begin(tx orgcast.Transaction) []byte {
	b := []byte{'B'}
	b = binary.BigEndian.AppendUint64(b, uint64(tx.CommitLSN))
	b = appendTime(b, tx.CommitTime)
	return binary.BigEndian.AppendUint32(b, tx.XID)
}

// Commit ends tx. It carries its CommitLSN, EndLSN and CommitTime (to the
// microsecond).
func Commit(tx orgcast.Transaction) []byte {
	b := []byte{'C', 0}
	b = binary.BigEndian.AppendUint64(b, uint64(tx.CommitLSN))
	b = binary.BigEndian.AppendUint64(b, uint64(tx.EndLSN))
	return appendTime(b, tx.CommitTime)
}

// Origin tells that the open transaction was replicated from another server.
func Origin(lsn orgcast.LSN, name string) []byte {
	b := []byte{'O'}
	b = binary.BigEndian.AppendUint64(b, uint64(lsn))
	return appendString(b, name)
}

// Type names a type that is not built in.
func Type(oid uint32, schema, name string) []byte {
	b := []byte{'Y'}
	b = binary.BigEndian.AppendUint32(b, oid)
	b = appendString(b, schema)
	return appendString(b, name)
}

// Relation describes r. PostgreSQL sends it before the first row of a table and
// again after each of its alterations. With [orgcast.IdentityFull] PostgreSQL
// sets Key on every column: set it in r, too.
func Relation(r *orgcast.Relation) []byte {
	if len(r.Columns) > math.MaxUint16 {
		panic(fmt.Sprintf("pgoutputtest: a relation of %d columns", len(r.Columns)))
	}
	b := []byte{'R'}
	b = binary.BigEndian.AppendUint32(b, r.OID)
	b = appendString(b, r.Schema)
	b = appendString(b, r.Name)
	b = append(b, byte(r.Identity))
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.Columns)))
	for _, c := range r.Columns {
		flags := byte(0)
		if c.Key {
			flags = 1
		}
		b = append(b, flags)
		b = appendString(b, c.Name)
		b = binary.BigEndian.AppendUint32(b, c.TypeOID)
		b = binary.BigEndian.AppendUint32(b, uint32(c.TypeMod))
	}
	return b
}

// Insert adds a row to r.
func Insert(r *orgcast.Relation, row Row) []byte {
	return appendTuple(append(rowFrame('I', r), 'N'), row)
}

// Update makes row of what was old. A nil old is not sent at all, as
// PostgreSQL does when the identity is not full and did not change. Of another
// old, what is sent follows r.Identity: all of it when it is full, else its key
// columns only.
func Update(r *orgcast.Relation, row, old Row) []byte {
	b := rowFrame('U', r)
	if old != nil {
		b = appendOld(b, r, old)
	}
	return appendTuple(append(b, 'N'), row)
}

// Delete removes a row from r. What is sent of it follows r.Identity, as in
// [Update].
func Delete(r *orgcast.Relation, old Row) []byte {
	return appendOld(rowFrame('D', r), r, old)
}

// Truncate empties the relations, by one statement without CASCADE or RESTART
// IDENTITY.
func Truncate(relations ...*orgcast.Relation) []byte {
	b := []byte{'T'}
	b = binary.BigEndian.AppendUint32(b, uint32(len(relations)))
	b = append(b, 0)
	for _, r := range relations {
		b = binary.BigEndian.AppendUint32(b, r.OID)
	}
	return b
}

// Message is what pg_logical_emit_message(transactional, prefix, content) sends;
// lsn is what it returned. One that is not transactional comes outside of
// transactions.
func Message(transactional bool, lsn orgcast.LSN, prefix, content string) []byte {
	b := []byte{'M', 0}
	if transactional {
		b[1] = 1
	}
	b = binary.BigEndian.AppendUint64(b, uint64(lsn))
	b = appendString(b, prefix)
	b = binary.BigEndian.AppendUint32(b, uint32(len(content)))
	return append(b, content...)
}

func rowFrame(kind byte, r *orgcast.Relation) []byte {
	return binary.BigEndian.AppendUint32([]byte{kind}, r.OID)
}

func appendOld(b []byte, r *orgcast.Relation, old Row) []byte {
	if r.Identity == orgcast.IdentityFull {
		return appendTuple(append(b, 'O'), old)
	}
	return appendTuple(append(b, 'K'), key(r, old))
}

func appendString(b []byte, s string) []byte {
	return append(append(b, s...), 0)
}

// postgresEpoch is where PostgreSQL counts its microseconds from.
var postgresEpoch = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

func appendTime(b []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixMicro()-postgresEpoch.UnixMicro()))
}
