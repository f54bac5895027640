package route

import (
	"bytes"
	"strconv"

	"github.com/oikion/orgcast/internal/sse"
)

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

// appendNumber appends a float. NaN and the infinities are null, and -0 is 0, as
// JSON.stringify has them.
func appendNumber(dst, text []byte) []byte {
	if string(text) == "-0" {
		return append(dst, '0')
	}
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

// appendMoney appends an amount as [appendNumeric] does: "-$1,234.50", as it is
// printed under lc_monetary = C. What another locale printed is a text.
func appendMoney(dst, text []byte) []byte {
	amount, negative := bytes.CutPrefix(text, []byte("-"))
	amount, ok := bytes.CutPrefix(amount, []byte("$"))
	amount = bytes.ReplaceAll(amount, []byte(","), nil)
	if !ok || !isNumber(amount) {
		return sse.AppendText(dst, text)
	}
	if negative {
		amount = append([]byte{'-'}, amount...)
	}
	return appendNumeric(dst, amount)
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
