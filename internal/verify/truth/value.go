package truth

import (
	"strings"

	"github.com/oikion/orgcast/internal/verify"
)

// value is a column's value as Prisma Client shows it in JSON, from the text
// that PostgreSQL prints. A text that is none of its kind comes out as a JSON
// string that no server would send.
func (k kind) value(v *string) string {
	if v == nil {
		return "null"
	}
	switch s := *v; k {
	case integer:
		return s
	case decimal:
		return number(s)
	case boolean:
		return map[string]string{"t": "true", "f": "false"}[s]
	case moment:
		return instant(s)
	case document:
		out, err := verify.Canonical(s)
		if err != nil {
			return quote("no JSON: " + err.Error())
		}
		return out
	default:
		return quote(s)
	}
}

// number is a numeric as decimal.js prints it: no zeros behind the last digit
// that counts. The schema's have at most twelve digits, too few for an exponent.
func number(s string) string {
	switch s {
	case "NaN", "Infinity", "-Infinity":
		return "null"
	}
	if strings.Contains(s, ".") {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return quote(s)
}

// instant is a timestamp(3) as Date.toISOString writes it: three digits of the
// second, always, and Z. What needs more than four digits of a year is null.
func instant(s string) string {
	date, clock, ok := strings.Cut(s, " ")
	if year, _, _ := strings.Cut(date, "-"); !ok || len(year) != 4 || strings.HasSuffix(clock, "BC") {
		return "null" // infinity, too
	}
	clock, fraction, _ := strings.Cut(clock, ".")
	return quote(date + "T" + clock + "." + (fraction + "000")[:3] + "Z")
}

// same says whether a column has one value in two rows. It is known of both.
func same(a, b verify.Row, column string) bool {
	v, w := a[column], b[column]
	return v == nil && w == nil || v != nil && w != nil && *v == *w
}

// get is a column's value, "" if it is null or not there.
func get(r verify.Row, column string) string {
	if v := r[column]; v != nil {
		return *v
	}
	return ""
}
