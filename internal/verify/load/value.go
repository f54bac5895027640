package load

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Values are drawn to be hard: for quoting, for line ends, for the wire's encoder,
// for what JavaScript can hold. All are text that PostgreSQL takes as the column's
// type.

var roles = []string{"ORG_OWNER", "ADMIN", "AGENT", "VIEWER"}

// pieces are what texts are made of.
var pieces = []string{
	"plain", " ", "Οικία στο κέντρο", "Größe", "e\u0301", "\u202eright to left\u202c", "🏠", "👩‍👩‍👧‍👦", "\U00010348", "\ufffd", "\uffff", "\ufeff",
	`"`, `'`, `\`, `\\"`, `\u0000`, "\n", "\r\n", "\r", "\t", "\u0085", "\u2028", "\u2029", "\x01", "\x08", "\x0b", "\x1f", "\x7f",
	"</script>", "<!--", "&amp;", "data: x", "\n\nid: 0.0.0\ndata: {}\n\n", "id:", ":", "${}", "%s", "null", "{}", "0", "$1", "--", ";",
}

// text is a short text; it may be empty.
func (w *writer) text() string {
	var b strings.Builder
	for range w.r.IntN(6) {
		b.WriteString(pieces[w.r.IntN(len(pieces))])
	}
	return b.String()
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// long is a text that does not compress and so is kept out of line: 2.5 to 9 KB
// mostly, and now and then 70 to 120 KB. No event of the first, with old and new
// values, comes near the 64 KiB at which events are truncated; each of the others
// is above.
func (w *writer) long() string {
	n := 2500 + w.r.IntN(6500)
	if w.r.IntN(60) == 0 {
		n = 70_000 + w.r.IntN(50_000)
	}
	b := make([]byte, 0, n+9)
	for len(b) < n {
		for v, i := w.r.Uint64(), 0; i < 10; i++ {
			b = append(b, letters[v&63])
			v >>= 6
		}
	}
	return string(b)
}

func pick[T any](w *writer, list ...T) T { return list[w.r.IntN(len(list))] }

// orNull is v, or null one time in five.
func orNull(draw func(*writer) any) func(*writer) any {
	return func(w *writer) any {
		if w.r.IntN(5) == 0 {
			return nil
		}
		return draw(w)
	}
}

func texts(w *writer) any { return w.text() }

// longs is mostly a short text.
func longs(w *writer) any {
	if w.r.IntN(3) == 0 {
		return w.long()
	}
	return w.text()
}

// amounts fit into numeric(10,2).
func amounts(w *writer) any {
	if w.r.IntN(3) == 0 {
		return pick(w, "0", "0.00", "0.10", "-0.01", "0.0000001", "1e-7", "1e3", "99999999.99", "-99999999.99", "100.50", "007.7", "NaN", ".5", "2.675")
	}
	return fmt.Sprintf("%d.%02d", w.r.IntN(1_000_000), w.r.IntN(100))
}

func numbers(w *writer) any {
	if w.r.IntN(4) == 0 {
		return pick(w, "0", "-1", "2147483647", "-2147483648")
	}
	return fmt.Sprint(w.r.IntN(12))
}

func bools(w *writer) any { return pick(w, "true", "false") }

// times fit into timestamp(3); some that JavaScript's dates have no usual form for.
func times(w *writer) any {
	if w.r.IntN(4) == 0 {
		return pick(w, "1969-12-31 23:59:59.999", "1970-01-01 00:00:00", "2024-02-29 12:34:56.7895", "0001-01-01 00:00:00", "9999-12-31 23:59:59.999",
			"10000-01-01 00:00:00", "0044-03-15 12:00:00 BC", "infinity", "-infinity", "2038-01-19 03:14:08", "1883-11-18 12:03:58")
	}
	return time.Unix(1_700_000_000+w.r.Int64N(100_000_000), w.r.Int64N(1000)*1e6).UTC().Format("2006-01-02 15:04:05.000")
}

// documents are JSON.
func documents(w *writer) any {
	switch w.r.IntN(8) {
	case 0:
		return pick(w, `null`, `{}`, `[]`, `""`, `0`, `-0`, `1.10`, `1e400`, `12345678901234567890.12345678901234567890`, `[null,[],{"":{}}]`,
			`{"a":1,"a":2}`, `{"z":1,"aa":2,"b":3}`, `"\u2028\u2029\u007f\u0001"`, `{"\"\\\n":"</script>"}`, `true`, `{"__proto__":{"x":1}}`,
			strings.Repeat(`[`, 60)+strings.Repeat(`]`, 60))
	case 1:
		return quoted(w.long())
	default:
		return fmt.Sprintf(`{"rooms":%d,"text":%s,"list":[%s,%d.50,null]}`, w.r.IntN(9), quoted(w.text()), quoted(w.text()), w.r.IntN(100))
	}
}

// quoted is s as JSON.
func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // no string has none
	}
	return string(text)
}

func labels(list ...string) func(*writer) any { return func(w *writer) any { return pick(w, list...) } }
