package route

import "encoding/binary"

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
	if string(text[:2]) == "24" { // 24:00:00: the day's end is the next one's beginning
		return append(dst, `"1970-01-02T00:00:00.000Z"`...)
	}
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
