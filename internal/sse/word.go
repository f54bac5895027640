package sse

import "encoding/binary"

// Text is looked at eight bytes at once: most of it is plain.

const ones, highs = 0x0101010101010101, 0x8080808080808080

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
