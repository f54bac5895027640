package pgoutput

import (
	"encoding/binary"
	"strconv"
)

// Kind is the first byte of a pgoutput message.
type Kind byte

// The kinds of protocol version 1.
const (
	KindBegin    Kind = 'B'
	KindCommit   Kind = 'C'
	KindOrigin   Kind = 'O'
	KindRelation Kind = 'R'
	KindType     Kind = 'Y'
	KindInsert   Kind = 'I'
	KindUpdate   Kind = 'U'
	KindDelete   Kind = 'D'
	KindTruncate Kind = 'T'
	KindMessage  Kind = 'M'
)

// String is the kind's name in PostgreSQL's manual, in lower case.
func (k Kind) String() string {
	switch k {
	case KindBegin:
		return "begin"
	case KindCommit:
		return "commit"
	case KindOrigin:
		return "origin"
	case KindRelation:
		return "relation"
	case KindType:
		return "type"
	case KindInsert:
		return "insert"
	case KindUpdate:
		return "update"
	case KindDelete:
		return "delete"
	case KindTruncate:
		return "truncate"
	case KindMessage:
		return "message"
	}
	return "kind 0x" + strconv.FormatUint(uint64(k), 16)
}

// Peek tells a frame's kind without decoding it, and the OID of the relation
// that an insert, update, delete or relation message names. What is not there
// is 0. The frame may be anything.
func Peek(frame []byte) (kind Kind, relation uint32) {
	if len(frame) == 0 {
		return 0, 0
	}
	kind = Kind(frame[0])
	switch kind {
	case KindInsert, KindUpdate, KindDelete, KindRelation:
		if len(frame) >= 5 {
			relation = binary.BigEndian.Uint32(frame[1:])
		}
	}
	return kind, relation
}
