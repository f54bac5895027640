package route

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strconv"

	"github.com/oikion/orgcast/internal/sse"
)

// encoder appends PostgreSQL's text form of a value, as the pinned session
// settings print it, as the JSON that Prisma Client shows for it.
type encoder func(dst, text []byte) []byte

// Type OIDs of PostgreSQL's pg_type.dat.
const (
	oidBool        = 16
	oidBytea       = 17
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidOID         = 26
	oidJSON        = 114
	oidFloat4      = 700
	oidFloat8      = 701
	oidMoney       = 790
	oidDate        = 1082
	oidTime        = 1083
	oidTimestamp   = 1114
	oidTimestamptz = 1184
	oidTimetz      = 1266
	oidNumeric     = 1700
	oidJSONB       = 3802
)

var scalars = map[uint32]encoder{
	oidBool:        appendBool,
	oidBytea:       appendBytea,
	oidInt2:        appendInteger,
	oidInt4:        appendInteger,
	oidInt8:        sse.AppendText, // a BigInt is no JSON number in JavaScript
	oidOID:         appendInteger,
	oidFloat4:      appendNumber,
	oidFloat8:      appendNumber,
	oidNumeric:     appendNumeric,
	oidMoney:       appendMoney,
	oidJSON:        sse.AppendJSON,
	oidJSONB:       sse.AppendJSON,
	oidDate:        appendDate,
	oidTime:        appendTime,
	oidTimetz:      appendTime,
	oidTimestamp:   appendTimestamp,
	oidTimestamptz: appendTimestamp,
}

// arrays maps the built-in array types to their elements', or to 0 for text.
// Every other type is text: uuid, enum, inet, interval, range, composite; and an
// array of boxes, whose elements no comma parts.
var arrays = map[uint32]uint32{
	1000: oidBool, 1001: oidBytea, 1005: oidInt2, 1007: oidInt4, 1016: oidInt8, 1028: oidOID, 1021: oidFloat4, 1022: oidFloat8,
	1231: oidNumeric, 791: oidMoney, 199: oidJSON, 3807: oidJSONB, 1115: oidTimestamp, 1185: oidTimestamptz, 1182: oidDate, 1183: oidTime, 1270: oidTimetz,
	1002: 0, 1003: 0, 1009: 0, 1014: 0, 1015: 0, 1263: 0, 143: 0, 1561: 0, 1563: 0, 2951: 0, // char, name, text, bpchar, varchar, cstring, xml, bit, varbit, uuid
	651: 0, 1041: 0, 1040: 0, 775: 0, 1187: 0, 3221: 0, 3643: 0, 3645: 0, 4073: 0, // cidr, inet, macaddr, macaddr8, interval, pg_lsn, tsvector, tsquery, jsonpath
	629: 0, 719: 0, 1017: 0, 1018: 0, 1019: 0, 1027: 0, // line, circle, point, lseg, path, polygon
	3905: 0, 3907: 0, 3909: 0, 3911: 0, 3913: 0, 3927: 0, // ranges
	6150: 0, 6151: 0, 6152: 0, 6153: 0, 6155: 0, 6157: 0, // multiranges
}

// Types says of the types that are not built in what their values are: a
// domain's base, an array's element.
type Types map[uint32]Type

// Type is one type that is not built in.
type Type struct {
	// Base is a domain's base type, or zero.
	Base uint32
	// Element is an array's element type, or zero.
	Element uint32
}

// baseOf is what a domain is a domain of, within a few steps, or the type itself.
func (t Types) baseOf(oid uint32) uint32 {
	for range 16 {
		known := t[oid]
		if known.Base == 0 {
			break
		}
		oid = known.Base
	}
	return oid
}

// nullOf is what a null of a type is: Prisma Client has no null list.
func (t Types) nullOf(oid uint32) string {
	oid = t.baseOf(oid)
	if _, ok := arrays[oid]; ok || t[oid].Element != 0 {
		return "[]"
	}
	return "null"
}

// encoderOf finds the encoder of a type.
func (t Types) encoderOf(oid uint32) encoder {
	oid = t.baseOf(oid)
	if element := t[oid].Element; element != 0 && t[element].Element == 0 {
		return arrayOf(t.encoderOf(element)) // PostgreSQL has no array of arrays
	}
	if e, ok := scalars[oid]; ok {
		return e
	}
	if element, ok := arrays[oid]; ok {
		if e, ok := scalars[element]; ok {
			return arrayOf(e)
		}
		return arrayOf(sse.AppendText)
	}
	return sse.AppendText
}

// The encoders take nothing on trust: text that does not have its type's form is
// null, or a string. It would break the event, or say another time.

func appendBool(dst, text []byte) []byte {
	return strconv.AppendBool(dst, len(text) > 0 && text[0] == 't')
}

// appendBytea appends "\x…" as base64.
func appendBytea(dst, text []byte) []byte {
	hexadecimal, ok := bytes.CutPrefix(text, []byte(`\x`))
	raw := make([]byte, hex.DecodedLen(len(hexadecimal)))
	if _, err := hex.Decode(raw, hexadecimal); err != nil || !ok {
		return sse.AppendText(dst, text)
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, raw)
	return append(dst, '"')
}
