package load

import "fmt"

// key is the n-th key of a table. Some have in them what must be escaped.
func key(table string, n int) string {
	id := fmt.Sprintf("%s_%d", table, n)
	switch n % 13 {
	case 5:
		id += ` "é" 'x' \`
	case 9:
		id += " 🏠<&\u2028\n"
	}
	return id
}

// id is a key of a table, of a row that is there or not.
func (w *writer) id(t *table) string { return key(t.name, w.r.IntN(w.space(t))) }

// space is how many keys a table has.
func (w *writer) space(t *table) int {
	return max(1, w.options.Organizations*w.options.Keys*t.percent/100)
}

func (w *writer) organization() string {
	return fmt.Sprintf("org_%d", w.r.IntN(w.options.Organizations))
}

func (w *writer) user() string { return fmt.Sprintf("user_%d", w.r.IntN(w.options.Users)) }

func users(w *writer) any { return w.user() }

func (w *writer) member() Member { return w.members[w.r.IntN(len(w.members))] }
