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
