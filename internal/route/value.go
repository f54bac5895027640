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
	oidInt2:        appendNumber,
	oidInt4:        appendNumber,
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

// What follows takes nothing on trust: text that does not have its type's form
// is null, or a string. It would break the event, or say another time.

func appendBool(dst, text []byte) []byte {
	return strconv.AppendBool(dst, len(text) > 0 && text[0] == 't')
}

// appendNumber appends an integer or a float. NaN and the infinities are null,
// as JSON.stringify has them.
func appendNumber(dst, text []byte) []byte {
	if !isNumber(text) {
		return append(dst, "null"...)
	}
	return append(dst, text...)
}

// isNumber tells whether text is a number in JSON.
func isNumber(text []byte) bool {
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	n := digits(text)
	if n == 0 || n > 1 && text[0] == '0' {
		return false
	}
	text = text[n:]
	if len(text) > 0 && text[0] == '.' {
		if n = digits(text[1:]); n == 0 {
			return false
		}
		text = text[1+n:]
	}
	if len(text) > 0 && text[0] == 'e' {
		text = text[1:]
		if len(text) > 0 && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		if n = digits(text); n == 0 {
			return false
		}
		text = text[n:]
	}
	return len(text) == 0
}

// digits counts the decimal digits in front of text.
func digits(text []byte) int {
	for i, c := range text {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(text)
}

// appendNumeric appends a decimal as decimal.js prints it: a string without
// trailing zeros, exponential below 1e-7 and from 1e21.
func appendNumeric(dst, text []byte) []byte {
	whole, negative := text, false
	if len(whole) > 0 && whole[0] == '-' {
		whole, negative = whole[1:], true
	}
	n := digits(whole)
	whole, rest := whole[:n], whole[n:]
	if n == 0 || len(rest) > 0 && (rest[0] != '.' || digits(rest[1:]) != len(rest)-1) {
		return append(dst, "null"...) // NaN, Infinity
	}
	fraction := bytes.TrimRight(bytes.TrimPrefix(rest, []byte(".")), "0")
	dst = append(dst, '"')
	if negative {
		dst = append(dst, '-')
	}
	switch {
	case len(whole) > 21:
		dst = appendExponential(dst, whole, fraction, len(whole)-1)
	case len(whole) == 1 && whole[0] == '0' && len(fraction) > 6 && bytes.HasPrefix(fraction, []byte("000000")):
		significant := bytes.TrimLeft(fraction, "0")
		dst = appendExponential(dst, significant, nil, len(significant)-len(fraction)-1)
	default:
		dst = append(dst, whole...)
		if len(fraction) > 0 {
			dst = append(dst, '.')
			dst = append(dst, fraction...)
		}
	}
	return append(dst, '"')
}

// appendExponential appends d.ddde±x, where the digits are those of a and b.
func appendExponential(dst, a, b []byte, exponent int) []byte {
	dst = append(dst, a[0])
	mark := len(dst)
	dst = append(dst, '.')
	dst = append(dst, a[1:]...)
	dst = append(dst, b...)
	for dst[len(dst)-1] == '0' && len(dst) > mark {
		dst = dst[:len(dst)-1]
	}
	if dst[len(dst)-1] == '.' {
		dst = dst[:mark]
	}
	dst = append(dst, 'e')
	if exponent >= 0 {
		dst = append(dst, '+')
	}
	return strconv.AppendInt(dst, int64(exponent), 10)
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

// The forms of PostgreSQL's dates and times: 0 is a digit.
const (
	dateForm  = "0000-00-00"
	clockForm = "00:00:00"
)

func has(text []byte, form string) bool {
	if len(text) < len(form) {
		return false
	}
	for i := range len(form) {
		if c := text[i]; form[i] == '0' && (c < '0' || c > '9') || form[i] != '0' && c != form[i] {
			return false
		}
	}
	return true
}

// appendTimestamp appends "2026-01-02 12:04:05.123456[+00]" as an ISO time in
// UTC with milliseconds. What JavaScript's Date would not hold the same way
// (infinity, BC, years above 9999), or is not in UTC, is null.
func appendTimestamp(dst, text []byte) []byte {
	if !has(text, dateForm+" "+clockForm) {
		return append(dst, "null"...)
	}
	millis, zone := clockRest(text[len(dateForm+" "+clockForm):])
	if len(zone) > 0 && string(zone) != "+00" {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = append(dst, text[:len(dateForm)]...)
	dst = append(dst, 'T')
	return appendClock(dst, text[len(dateForm)+1:], millis)
}

func appendDate(dst, text []byte) []byte {
	if len(text) != len(dateForm) || !has(text, dateForm) {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = append(dst, text...)
	return append(dst, `T00:00:00.000Z"`...)
}

// appendTime appends a time of day, whose zone Prisma Client leaves out.
func appendTime(dst, text []byte) []byte {
	if !has(text, clockForm) {
		return append(dst, "null"...)
	}
	millis, _ := clockRest(text[len(clockForm):])
	dst = append(dst, `"1970-01-01T`...)
	return appendClock(dst, text, millis)
}

// clockRest cuts what stands behind the seconds: the first three digits of
// their fraction, the zone.
func clockRest(text []byte) (millis, zone []byte) {
	if len(text) == 0 || text[0] != '.' {
		return nil, text
	}
	n := digits(text[1:])
	return text[1 : 1+min(n, 3)], text[1+n:]
}

// appendClock appends hours to milliseconds, Z and the closing quote.
func appendClock(dst, clock, millis []byte) []byte {
	dst = append(dst, clock[:len(clockForm)]...)
	dst = append(dst, '.')
	dst = append(dst, millis...)
	return append(append(dst, "000"[len(millis):]...), 'Z', '"')
}
