package route

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
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

// What follows takes nothing on trust: text that does not have its type's form
// is null, or a string. It would break the event, or say another time.

func appendBool(dst, text []byte) []byte {
	return strconv.AppendBool(dst, len(text) > 0 && text[0] == 't')
}

// appendInteger appends an integer.
func appendInteger(dst, text []byte) []byte {
	d := text
	if len(d) > 1 && d[0] == '-' {
		d = d[1:]
	}
	if len(d) == 0 || digits(d) != len(d) || d[0] == '0' && len(d) > 1 {
		return append(dst, "null"...)
	}
	return append(dst, text...)
}

// appendNumber appends a float. NaN and the infinities are null, as
// JSON.stringify has them.
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
	var fraction []byte
	if len(rest) > 0 {
		fraction = rest[1:]
	}
	for len(fraction) > 0 && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	if n <= 21 && (whole[0] != '0' || len(fraction) <= 6) {
		// Nearly always: what was sent, up to its last digit that counts.
		length := len(text) - len(rest)
		if len(fraction) > 0 {
			length += 1 + len(fraction)
		}
		dst = append(dst, '"')
		dst = append(dst, text[:length]...)
		return append(dst, '"')
	}
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

// The forms of PostgreSQL's dates and times.
var (
	dateForm      = formOf("0000-00-00")
	clockForm     = formOf("00:00:00")
	timestampForm = formOf("0000-00-00 00:00:00")
)

// form is a text that others are held against, in which 0 stands for a digit.
// It is kept as words of eight bytes, the last of which ends where it ends.
type form struct {
	length int
	at     []int
	words  []uint64
	// margins is what each byte, less the form's, lacks to its high bit being set
	// by the first value that is wrong there: 10 for a digit, 1 for all else.
	margins []uint64
}

func formOf(text string) (f form) {
	f.length = len(text)
	for i := 0; i < len(text); i += 8 {
		at := min(i, len(text)-8)
		f.at = append(f.at, at)
		f.words = append(f.words, binary.LittleEndian.Uint64([]byte(text[at:])))
		var margins [8]byte
		for j := range margins {
			margins[j] = 0x80 - 1
			if text[at+j] == '0' {
				margins[j] = 0x80 - 10
			}
		}
		f.margins = append(f.margins, binary.LittleEndian.Uint64(margins[:]))
	}
	return f
}

// begins tells whether text begins with the form.
func (f *form) begins(text []byte) bool {
	if len(text) < f.length {
		return false
	}
	var wrong uint64
	for i, at := range f.at {
		w := binary.LittleEndian.Uint64(text[at:]) ^ f.words[i]
		wrong |= w | (w + f.margins[i])
	}
	return wrong&0x8080808080808080 == 0
}

// appendTimestamp appends "2026-01-02 12:04:05.123456[+00]" as an ISO time in
// UTC with milliseconds. What JavaScript's Date would not hold the same way
// (infinity, BC, years above 9999), or is not in UTC, is null.
func appendTimestamp(dst, text []byte) []byte {
	if !timestampForm.begins(text) {
		return append(dst, "null"...)
	}
	millis, zone := clockRest(text[timestampForm.length:])
	if len(zone) > 0 && string(zone) != "+00" {
		return append(dst, "null"...)
	}
	iso := [26]byte([]byte(`"0000-00-00T00:00:00.000Z"`))
	copy(iso[1:], text[:10])
	copy(iso[12:], text[11:19])
	copy(iso[21:24], millis)
	return append(dst, iso[:]...)
}

func appendDate(dst, text []byte) []byte {
	if len(text) != dateForm.length || !dateForm.begins(text) {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = append(dst, text...)
	return append(dst, `T00:00:00.000Z"`...)
}

// appendTime appends a time of day, whose zone Prisma Client leaves out.
func appendTime(dst, text []byte) []byte {
	if !clockForm.begins(text) {
		return append(dst, "null"...)
	}
	millis, _ := clockRest(text[clockForm.length:])
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
	dst = append(dst, clock[:clockForm.length]...)
	dst = append(dst, '.')
	dst = append(dst, millis...)
	return append(append(dst, "000"[len(millis):]...), 'Z', '"')
}
