package sse

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// plain tells which bytes stand for themselves in a JSON string on the wire.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\' && c != '<' && c != 0x7f
	}
	return t
}()

// AppendString appends s as a JSON string. It does not allocate for a string in
// which nothing is to be escaped.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	i := 0
	for i < len(s) && plain[s[i]] {
		i++
	}
	dst = append(dst, s[:i]...)
	if i < len(s) {
		dst = appendText(dst, []byte(s[i:]), true)
	}
	return append(dst, '"')
}

// AppendText appends s as a JSON string, faster than [AppendString] where it is
// room for it already.
func AppendText(dst, s []byte) []byte {
	start, end := len(dst), len(dst)+len(s)+2
	if end > cap(dst) {
		dst = slices.Grow(dst, len(s)+2)
	}
	dst = dst[:end]
	if !copyPlain(dst[start+1:end-1], s) {
		return append(appendText(append(dst[:start], '"'), s, true), '"')
	}
	dst[start], dst[end-1] = '"', '"'
	return dst
}

// copyPlain copies s to dst, which is as long, while all of s stands for itself
// in a JSON string. It may say no where it does, which costs a closer look only.
func copyPlain(dst, s []byte) bool {
	n := len(s)
	if len(dst) != n {
		return false
	}
	switch {
	case n >= 16:
		for end := 16; ; end = min(end+16, n) { // the last two words overlap the ones before
			from, to := (*[16]byte)(s[end-16:end]), (*[16]byte)(dst[end-16:end])
			a, b := binary.LittleEndian.Uint64(from[:]), binary.LittleEndian.Uint64(from[8:])
			if (doubt(a)|doubt(b))&highs != 0 {
				return false
			}
			binary.LittleEndian.PutUint64(to[:], a)
			binary.LittleEndian.PutUint64(to[8:], b)
			if end == n {
				return true
			}
		}
	case n >= 8:
		front, back := binary.LittleEndian.Uint64(s), binary.LittleEndian.Uint64(s[n-8:])
		binary.LittleEndian.PutUint64(dst, front)
		binary.LittleEndian.PutUint64(dst[n-8:], back)
		return (doubt(front)|doubt(back))&highs == 0
	case n >= 4:
		front, back := binary.LittleEndian.Uint32(s), binary.LittleEndian.Uint32(s[n-4:])
		binary.LittleEndian.PutUint32(dst, front)
		binary.LittleEndian.PutUint32(dst[n-4:], back)
		return doubt(uint64(front)|uint64(back)<<32)&highs == 0
	}
	for i, c := range s {
		if !plain[c] {
			return false
		}
		dst[i] = c
	}
	return true
}

// AppendJSON appends text that PostgreSQL vouches for as JSON (json, jsonb): as
// it is, if there is nothing in it that may not go on the wire, and otherwise
// without the white space between its tokens. The type json keeps what its author
// typed, new lines included.
func AppendJSON(dst, text []byte) []byte {
	if isPlainJSON(text) {
		return append(dst, text...)
	}
	start := len(dst)
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"':
			end := stringEnd(text, i+1)
			if end < 0 {
				return AppendText(dst[:start], text)
			}
			dst = append(dst, '"')
			dst = appendText(dst, text[i+1:end], false)
			dst = append(dst, '"')
			i = end + 1
		case c == ' ' || c == '\n' || c == '\r' || c == '\t':
			i++
		case c < 0x20 || c >= 0x7f || c == '<' || c == '\\':
			return AppendText(dst[:start], text)
		default:
			dst = append(dst, c)
			i++
		}
	}
	if len(dst) == start {
		return append(dst, "null"...)
	}
	return dst
}

// stringEnd finds the quote that ends a JSON string whose content begins at i.
func stringEnd(text []byte, i int) int {
	for ; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// appendText appends the content of a JSON string. If escape is false, s is
// the content of a JSON string already, whose backslashes stand.
func appendText(dst, s []byte, escape bool) []byte {
	start, i := 0, 0
	for i < len(s) {
		// Eight bytes at once while nothing in them is special: most text.
		for i+8 <= len(s) && plainWord(binary.LittleEndian.Uint64(s[i:])) {
			i += 8
		}
		if i == len(s) {
			break
		}
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if n := pairs(s[i:]); n > 0 {
			i += n
			continue
		}
		if c == '\\' && !escape {
			// The pair \" or \\ stands as it is; what else follows is looked at.
			if i++; i < len(s) && (s[i] == '"' || s[i] == '\\') {
				i++
			}
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRune(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\uFFFD"...)
		case r == '\u2028' || r == '\u2029':
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
		default:
			i += size
			continue
		}
		i += size
		start = i
	}
	return append(dst, s[start:]...)
}

// pairs counts the bytes in front of s that are characters of two bytes: Greek,
// Cyrillic, accents. None of these is special.
func pairs(s []byte) (n int) {
	for n+1 < len(s) && s[n]-0xc2 < 0xe0-0xc2 && s[n+1]&0xc0 == 0x80 {
		n += 2
	}
	return n
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}

const ones, highs = 0x0101010101010101, 0x8080808080808080

// isPlainJSON tells whether all of a JSON text may go on the wire as it is.
func isPlainJSON(s []byte) bool {
	n := len(s)
	if n < 8 {
		for _, c := range s {
			if !plain[c] && c != '"' && c != '\\' {
				return false
			}
		}
		return n > 0
	}
	if n < 16 {
		return (wireWord(binary.LittleEndian.Uint64(s))|wireWord(binary.LittleEndian.Uint64(s[n-8:])))&highs == 0
	}
	for end := 16; ; end = min(end+16, n) {
		words := (*[16]byte)(s[end-16 : end])
		switch {
		case (wireWord(binary.LittleEndian.Uint64(words[:]))|wireWord(binary.LittleEndian.Uint64(words[8:])))&highs != 0:
			return false
		case end == n:
			return true
		}
	}
}

// doubt has the high bit of a byte set if one of eight may need a look: all do
// that do by [plainWord], and `|` too, which is told from `<` and `\` by the two
// bits that these differ in. Non-ASCII is found by the first two terms together:
// what the one carries past, the other has.
func doubt(w uint64) uint64 {
	return (w + ones) | (w - ones*0x20) | ((w ^ ones*'"') - ones) | ((w&(ones*0x9f) ^ ones*0x1c) - ones)
}

// plainWord tells whether none of eight bytes needs a look: none that may not go
// on the wire, no quote, no backslash.
func plainWord(w uint64) bool {
	return (wireWord(w)|((w^ones*'"')-ones)|((w^ones*'\\')-ones))&highs == 0
}

// wireWord has the high bit of a byte set if one of eight may not go on the wire
// as it is: non-ASCII, DEL, a control character, `<`. While all bytes are ASCII,
// each sum and difference sets it only where it should, or above a byte that is
// found anyway, by its carry; and non-ASCII is found by itself.
func wireWord(w uint64) uint64 {
	return (w + ones) | (w - ones*0x20) | ((w ^ ones*'<') - ones)
}
