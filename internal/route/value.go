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
	oidJSON        = 114
	oidFloat4      = 700
	oidFloat8      = 701
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
	oidFloat4:      appendNumber,
	oidFloat8:      appendNumber,
	oidNumeric:     appendNumeric,
	oidJSON:        sse.AppendJSON,
	oidJSONB:       sse.AppendJSON,
	oidDate:        appendDate,
	oidTime:        appendTime,
	oidTimetz:      appendTime,
	oidTimestamp:   appendTimestamp,
	oidTimestamptz: appendTimestamp,
}

// arrays maps the built-in array types to their elements'. Every other type is
// text: uuid, enum, inet, interval, range, composite.
var arrays = map[uint32]uint32{
	1000: oidBool, 1001: oidBytea, 1005: oidInt2, 1007: oidInt4, 1016: oidInt8, 1021: oidFloat4, 1022: oidFloat8,
	1231: oidNumeric, 199: oidJSON, 3807: oidJSONB, 1115: oidTimestamp, 1185: oidTimestamptz, 1182: oidDate, 1183: oidTime, 1270: oidTimetz,
	1002: 0, 1003: 0, 1009: 0, 1014: 0, 1015: 0, 2951: 0, 1041: 0, 651: 0, 1187: 0,
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

// encoderOf finds the encoder of a type; domains end within a few steps.
func (t Types) encoderOf(oid uint32) encoder {
	for range 16 {
		known := t[oid]
		if known.Base == 0 {
			break
		}
		oid = known.Base
	}
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
